/**
 * Brings one letter to the primaries of all its recipients' shards, in parallel, and says what became of each recipient.
 * A letter that is held in memory is tried again with the same delivery ids while a shard restarts or changes its primary;
 * one that streams through is not, once bytes of it are gone.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '#lib/frames/codec.ts'
import {
  type DeliveryOutcome,
  decodeDeliverResult,
  encodeDeliverBegin,
  encodeDeliverEnd,
  FrameType,
} from '#lib/frames/shard-protocol.ts'
import { type OpenRequest, RefusedError, type RpcClient } from '#lib/link/rpc-client.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { MOVES_FOLLOWED_MAX } from '../limits.ts'
import { fillFrames } from './frame-filler.ts'

export const DELIVERY_ERRORS = {
  DELIVERY_STREAM_BROKEN: {
    smtp: '451 4.3.0',
    retry: true,
    meaning: 'The shard was lost in the middle of a letter that is streamed and cannot be sent again.',
  },
  DELIVERY_TIMEOUT: {
    smtp: '451 4.3.0',
    retry: true,
    meaning: 'The shard did not commit in time; the letter may be there, and a repetition is the same delivery.',
  },
} as const satisfies Record<string, ErrorSpec>

export class DeliveryError extends CodedError<keyof typeof DELIVERY_ERRORS> {
  override readonly name = 'DeliveryError'
}

export interface Delivery {
  readonly account: AccountId
  readonly shard: ShardName
  readonly deliveryId: Uint8Array
  readonly headerBlock: Uint8Array
}

export interface Envelope {
  readonly traceId: string
  readonly reversePath: string
  /** Submitted by a user of ours. */
  readonly fromUser: boolean
}

/** The part of a letter that is not in memory yet. */
export interface BodyRest {
  /** The next pieces, or null at the end. */
  next(): Promise<readonly Uint8Array[] | null>
  /** Known at the end: whether the letter may be stored. */
  good(): boolean
}

const UNAVAILABLE: DeliveryOutcome = { kind: 'unavailable' }
/** Rule 16: mail is refused, deleting goes on. */
const NO_ROOM: DeliveryOutcome = { kind: 'no-room' }
const MAILBOX = 'INBOX'

export class Deliverer {
  readonly #router: ShardRouter
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #patienceMs: number

  constructor(options: {
    readonly router: ShardRouter
    readonly clock: Clock
    readonly logger: Logger
    /** Bound on the whole, from the last byte of the letter on. */
    readonly patienceMs: number
  }) {
    this.#router = options.router
    this.#clock = options.clock
    this.#logger = options.logger
    this.#patienceMs = options.patienceMs
  }

  /** Delivers a letter that is all in memory. Never rejects. @returns Outcomes in the order of `deliveries`. */
  async deliver(
    envelope: Envelope,
    deliveries: readonly Delivery[],
    body: readonly Uint8Array[],
  ): Promise<DeliveryOutcome[]> {
    const outcomes = deliveries.map((): DeliveryOutcome => UNAVAILABLE)
    let open = deliveries.map((delivery, at) => ({ delivery, shard: delivery.shard, at }))
    for (let moves = 0; open.length > 0 && moves <= MOVES_FOLLOWED_MAX; moves++) {
      const moved: typeof open = []
      await Promise.all(
        [...Map.groupBy(open, (one) => one.shard)].map(async ([shard, group]) => {
          const answers = await this.#settled(envelope, shard, group.length, () =>
            this.#router.withPrimary(shard, this.#patienceMs, (rpc) =>
              sendWhole(
                rpc,
                envelope,
                group.map((one) => one.delivery),
                body,
              ),
            ),
          )
          group.forEach((one, i) => {
            const outcome = answers[i] ?? UNAVAILABLE
            if (outcome.kind === 'moved') moved.push({ ...one, shard: toShardName(outcome.target) })
            else outcomes[one.at] = outcome
          })
        }),
      )
      open = moved
    }
    return outcomes
  }

  /**
   * Delivers a letter of which only `prefix` is in memory; the rest is read as fast as the slowest shard takes it. Reads
   * `rest` to its end in any case. Never rejects.
   */
  async deliverStream(
    envelope: Envelope,
    deliveries: readonly Delivery[],
    prefix: readonly Uint8Array[],
    rest: BodyRest,
  ): Promise<DeliveryOutcome[]> {
    const outcomes = deliveries.map((): DeliveryOutcome => UNAVAILABLE)
    const groups = [...Map.groupBy(deliveries.keys(), (at) => deliveries[at]?.shard)]
    const streams = groups.flatMap(([shard, places]) => {
      const mine = places.flatMap((at) => deliveries[at] ?? [])
      return shard === undefined ? [] : [{ places, stream: new ShardStream(this.#router, shard, envelope, mine) }]
    })
    await Promise.all(streams.map(({ stream }) => stream.begin(this.#patienceMs, prefix)))
    for (let pieces = await rest.next(); pieces !== null; pieces = await rest.next()) {
      const chunk = pieces
      await Promise.all(streams.map(({ stream }) => stream.write(chunk)))
    }
    await Promise.all(
      streams.map(async ({ places, stream }) => {
        const answers = await this.#settled(envelope, stream.shard, places.length, () => stream.end(rest.good()))
        places.forEach((at, i) => {
          const outcome = answers[i] ?? UNAVAILABLE
          outcomes[at] = outcome.kind === 'moved' ? UNAVAILABLE : outcome
        })
      }),
    )
    return outcomes
  }

  /** Turns failures of one shard into outcomes, also silence beyond the bound. */
  async #settled(
    envelope: Envelope,
    shard: ShardName,
    count: number,
    ask: () => Promise<DeliveryOutcome[]>,
  ): Promise<DeliveryOutcome[]> {
    let cancel = () => {}
    const silence = new Promise<never>((_, reject) => {
      // The router's own patience ends first where there is nobody; this is for one who is there and does not answer.
      cancel = this.#clock.after(this.#patienceMs + 1_000, () =>
        reject(new DeliveryError('DELIVERY_TIMEOUT', `No answer from ${shard} in time`)),
      )
    })
    try {
      return await Promise.race([ask(), silence])
    } catch (err) {
      this.#logger.warn({ trace: envelope.traceId, shard, err }, 'shard did not take a letter')
      const full = err instanceof RefusedError && err.refusal.reason === 'limit'
      return Array.from({ length: count }, () => (full ? NO_ROOM : UNAVAILABLE))
    } finally {
      cancel()
    }
  }
}

function beginFrame(envelope: Envelope, deliveries: readonly Delivery[], complete: boolean): Buffer {
  const recipients = deliveries.map(({ account, deliveryId, headerBlock }) => ({
    account,
    deliveryId,
    headerBlock,
    mailbox: MAILBOX,
  }))
  return encodeDeliverBegin({ ...envelope, recipients, complete })
}

async function sendWhole(
  rpc: RpcClient,
  envelope: Envelope,
  deliveries: readonly Delivery[],
  body: readonly Uint8Array[],
): Promise<DeliveryOutcome[]> {
  const whole = beginFrame(envelope, deliveries, true)
  const bytes = body.reduce((sum, piece) => sum + piece.byteLength, whole.length)
  if (bytes <= FRAME_PAYLOAD_BYTES_MAX) {
    return decodeDeliverResult(await rpc.request(FrameType.deliverBegin, [whole, ...body]))
  }
  const request = rpc.open(FrameType.deliverBegin, [beginFrame(envelope, deliveries, false)])
  const answered = watch(request)
  for (const frame of fillFrames(body)) {
    if (answered.settled) break
    await request.send(FrameType.deliverData, frame)
  }
  await request.send(FrameType.deliverEnd, [encodeDeliverEnd(true)])
  return decodeDeliverResult(await request.answer)
}

/** Sees an early refusal, so that the rest is not sent in vain; and keeps it from being an unhandled rejection meanwhile. */
function watch(request: OpenRequest): { readonly settled: boolean } {
  const state = { settled: false }
  const settle = () => {
    state.settled = true
  }
  request.answer.then(settle, settle)
  return state
}

/** One letter on its way to one shard, piece by piece. */
class ShardStream {
  readonly shard: ShardName
  readonly #router: ShardRouter
  readonly #envelope: Envelope
  readonly #deliveries: readonly Delivery[]
  #request: OpenRequest | null = null
  #result: Promise<DeliveryOutcome[]> = Promise.resolve([])
  /** The prefix is out and what follows it is not kept: nothing can be tried again. */
  #flowing = false
  #failed = false

  constructor(router: ShardRouter, shard: ShardName, envelope: Envelope, deliveries: readonly Delivery[]) {
    this.shard = shard
    this.#router = router
    this.#envelope = envelope
    this.#deliveries = deliveries
  }

  /** Resolves when the shard's primary has been found and given the prefix, or when it has not. */
  async begin(patienceMs: number, prefix: readonly Uint8Array[]): Promise<void> {
    await new Promise<void>((begun) => {
      this.#result = this.#router.withPrimary(this.shard, patienceMs, async (rpc) => {
        if (this.#flowing) {
          throw new DeliveryError('DELIVERY_STREAM_BROKEN', `Lost ${this.shard} in the middle of a letter`)
        }
        const request = rpc.open(FrameType.deliverBegin, [beginFrame(this.#envelope, this.#deliveries, false)])
        const answered = watch(request)
        this.#request = request
        for (const frame of fillFrames(prefix)) {
          if (answered.settled) break
          await request.send(FrameType.deliverData, frame)
        }
        this.#flowing = true
        begun()
        return decodeDeliverResult(await request.answer)
      })
      this.#result.catch(() => {
        this.#failed = true
        begun()
      })
    })
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    for (const frame of fillFrames(pieces)) {
      if (this.#failed) return
      await this.#request?.send(FrameType.deliverData, frame)
    }
  }

  /** @returns Outcomes; of a letter that is not to be stored there are none, and nobody waits for them. */
  async end(commit: boolean): Promise<DeliveryOutcome[]> {
    await this.#request?.send(FrameType.deliverEnd, [encodeDeliverEnd(commit)])
    return commit ? await this.#result : []
  }
}
