/**
 * Asks home shards whether they take letters for an account: is it theirs, is it active, is there room. Questions that
 * arrive in one turn of the event loop go to a shard as one frame, and a yes is believed for a moment: for a mailbox that gets
 * many letters a second the question would cost more than it can tell, and the delivery asks again anyway.
 */
import {
  decodeRecipientsVerdict,
  encodeRecipientsCheck,
  FrameType,
  type RecipientQuery,
  type RecipientVerdict,
} from '#lib/frames/shard-protocol.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { MOVES_FOLLOWED_MAX, RECIPIENTS_PER_CHECK_MAX, RECIPIENTS_REMEMBERED_MAX } from '../limits.ts'

interface Asked {
  readonly query: RecipientQuery
  readonly answer: (verdict: RecipientVerdict) => void
}

/** Where an account's letters go, once `moved` answers have been followed. */
export interface CheckedRecipient {
  readonly shard: ShardName
  readonly verdict: Exclude<RecipientVerdict['kind'], 'moved'>
}

/** A yes of a shard. */
interface Remembered {
  readonly shard: ShardName
  readonly sizeBytes: number
  readonly untilMs: number
}

export class RecipientChecks {
  readonly #router: ShardRouter
  readonly #patienceMs: number
  readonly #memoryMs: number
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #waiting = new Map<ShardName, Asked[]>()
  readonly #remembered = new Map<AccountId, Remembered>()

  constructor(options: {
    readonly router: ShardRouter
    readonly patienceMs: number
    /** How long a yes is believed; 0: ask every time. */
    readonly memoryMs: number
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#router = options.router
    this.#patienceMs = options.patienceMs
    this.#memoryMs = options.memoryMs
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** Never rejects: a shard that cannot be reached is `unavailable`. @param home From the directory: a hint. */
  async check(home: ShardName, account: AccountId, sizeBytes: number): Promise<CheckedRecipient> {
    const known = this.#remembered.get(account)
    if (known && known.untilMs > this.#clock.monotonicMs() && sizeBytes <= known.sizeBytes) {
      return { shard: known.shard, verdict: 'ok' }
    }
    let shard = home
    for (let moves = 0; moves <= MOVES_FOLLOWED_MAX; moves++) {
      const verdict = await this.#ask(shard, { account, sizeBytes })
      if (verdict.kind !== 'moved') {
        if (verdict.kind === 'ok') this.#remember(account, shard, sizeBytes)
        return { shard, verdict: verdict.kind }
      }
      shard = toShardName(verdict.target)
    }
    this.#logger.warn({ account, shard }, 'account moves in circles')
    return { shard, verdict: 'unavailable' }
  }

  #remember(account: AccountId, shard: ShardName, sizeBytes: number): void {
    if (this.#memoryMs === 0) return
    if (this.#remembered.size >= RECIPIENTS_REMEMBERED_MAX) this.#remembered.clear()
    this.#remembered.set(account, { shard, sizeBytes, untilMs: this.#clock.monotonicMs() + this.#memoryMs })
  }

  #ask(shard: ShardName, query: RecipientQuery): Promise<RecipientVerdict> {
    return new Promise((answer) => {
      const waiting = this.#waiting.get(shard)
      if (waiting && waiting.length < RECIPIENTS_PER_CHECK_MAX) {
        waiting.push({ query, answer })
        return
      }
      const batch: Asked[] = [{ query, answer }]
      this.#waiting.set(shard, batch)
      setImmediate(() => {
        if (this.#waiting.get(shard) === batch) this.#waiting.delete(shard)
        void this.#send(shard, batch)
      })
    })
  }

  async #send(shard: ShardName, batch: readonly Asked[]): Promise<void> {
    const payload = encodeRecipientsCheck(batch.map((asked) => asked.query))
    let verdicts: readonly RecipientVerdict[] = []
    try {
      verdicts = await this.#router.withPrimary(shard, this.#patienceMs, async (rpc) =>
        decodeRecipientsVerdict(await rpc.request(FrameType.recipientsCheck, [payload])),
      )
    } catch (err) {
      this.#logger.warn({ shard, err }, 'cannot check recipients')
    }
    batch.forEach((asked, i) => {
      asked.answer(verdicts[i] ?? { kind: 'unavailable' })
    })
  }
}
