/**
 * The side of a move to which the account comes: takes in what the source copies, says how far it is, and owns the account when the
 * source says that it has decided. What is on its way is in the log and survives this process; only names of bodies do not.
 *
 * Invariants: nothing of an account that arrives is served; only the shard that the log names as its source is heard; what comes twice,
 * late or from a primary that was deposed changes nothing (`../index/move-applier.ts`).
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { MoveAnswer, MoveAsk } from '#lib/frames/move.ts'
import { type AccountId, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { MoveRow } from '../index/move-rows.ts'
import { type NewRecord, RECORD_META_BYTES_MAX } from '../log/types.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { decodeRecord } from '../records/codec.ts'
import type { CopyMessages } from '../records/move-records.ts'
import { type BodyReference, RecordType, type ShardRecord } from '../records/types.ts'
import { type Batch, decodeBatch } from './batch.ts'
import { commitStep } from './commit.ts'
import { BODIES_REMEMBERED } from './limits.ts'
import type { MoveNotice } from './notices.ts'

/** What this process knows of an account that arrives. */
interface Arrival {
  readonly move: string
  /** Records of bodies, from the source's LSN to ours. */
  readonly bodies: Map<Lsn, Lsn>
  heardMs: number
}

const NOT_THERE: MoveAnswer = { state: 'none', generation: 0, reason: '', cursor: null, missing: [] }
/** The move cannot go on. */
function refusal(reason: string): MoveAnswer {
  return { ...NOT_THERE, state: 'refuses', reason }
}

const AGAIN: MoveAnswer = { ...NOT_THERE, state: 'again' }

export class Arrivals {
  readonly #core: StoreCore
  /** Whether this shard may write records of moves: null, or why not. */
  readonly #mayNot: () => string | null
  readonly #onNotice: (notice: MoveNotice) => void
  readonly #arrivals = new Map<AccountId, Arrival>()
  /** What is asked about one account is answered in order. */
  readonly #tails = new Map<AccountId, Promise<unknown>>()

  constructor(core: StoreCore, mayNot: () => string | null, onNotice: (notice: MoveNotice) => void) {
    this.#core = core
    this.#mayNot = mayNot
    this.#onNotice = onNotice
  }

  /** @throws {StoreError} when this shard cannot write now: the source asks again */
  ask(question: MoveAsk): Promise<MoveAnswer> {
    return this.#inTurn(question.account, () => this.#answer(question))
  }

  /** Takes one piece of a copy in. @throws {BytesError} for bytes that are none; {StoreError} as `ask` */
  copy(bytes: Uint8Array): Promise<MoveAnswer> {
    const batch = decodeBatch(bytes)
    return this.#inTurn(batch.account, () => this.#take(batch))
  }

  /** Moves of which nothing was heard since `beforeMs` (monotonic), nor by this process at all. */
  silentSince(beforeMs: number): MoveRow[] {
    const nowMs = this.#core.clock.monotonicMs()
    return this.#core.index.moves.all().filter((row) => {
      if (row.direction !== 'in') return false
      const arrival = this.#arrivals.get(row.account)
      if (arrival !== undefined) return arrival.heardMs < beforeMs
      this.#remember(row, nowMs) // the time begins with this process
      return false
    })
  }

  /** Forgets accounts that have come long ago, or that will not. */
  forgetSince(beforeMs: number): void {
    for (const [account, { heardMs }] of this.#arrivals) {
      if (heardMs < beforeMs && this.#core.index.moves.move(account) === null) this.#arrivals.delete(account)
    }
  }

  /** What was copied is worth nothing: the source says so, or does not know of it. */
  async drop(row: MoveRow): Promise<void> {
    await this.#inTurn(row.account, () => this.#drop(row.account, row.move))
  }

  #inTurn<T>(account: AccountId, work: () => Promise<T>): Promise<T> {
    const turn = (this.#tails.get(account) ?? Promise.resolve()).then(work)
    const over = turn
      .catch(() => undefined) // its asker hears of it
      .then(() => {
        if (this.#tails.get(account) === over) this.#tails.delete(account)
      })
    this.#tails.set(account, over)
    return turn
  }

  async #answer(question: MoveAsk): Promise<MoveAnswer> {
    this.#core.check()
    const { account, move, source } = question
    const row = this.#here(account, move, source)
    if (row !== null) this.#remember(row, this.#core.clock.monotonicMs())
    switch (question.kind) {
      case 'state':
        return this.#state(account, row)
      case 'offer':
        return row === null ? this.#begin(account, question.generation, move, source) : this.#state(account, row)
      case 'missing':
        return row === null ? this.#state(account, row) : this.#missing(row, question)
      case 'own':
        if (row !== null) await this.#own(row)
        return this.#state(account, this.#here(account, move, source))
      case 'drop':
        if (row !== null) await this.#drop(account, move)
        return this.#state(account, this.#here(account, move, source))
      default:
        return question satisfies never
    }
  }

  /** The move that comes from `source` under this name. */
  #here(account: AccountId, move: string, source: ShardName): MoveRow | null {
    const row = this.#core.index.moves.move(account)
    return row !== null && row.direction === 'in' && row.move === move && row.peer === source ? row : null
  }

  #state(account: AccountId, row: MoveRow | null): MoveAnswer {
    const owned = this.#core.index.account(account)
    if (row === null) {
      // A target that was not heard of asks so whether its move is still meant.
      const leaving = this.#core.index.moves.move(account)
      const reason = leaving?.direction === 'out' ? leaving.move : ''
      if (owned === null || (owned.status !== 'active' && owned.status !== 'suspended')) return { ...NOT_THERE, reason }
      return { ...NOT_THERE, state: 'owned', generation: owned.generation, reason }
    }
    const state = row.phase === 'ready' || row.phase === 'sealed' ? row.phase : 'copying'
    return { ...NOT_THERE, state, generation: row.generation }
  }

  async #begin(account: AccountId, generation: number, move: string, peer: ShardName): Promise<MoveAnswer> {
    const { index, clock } = this.#core
    const mayNot = this.#mayNot()
    if (mayNot !== null) return refusal(mayNot)
    const known = index.account(account)
    if (known !== null && known.generation >= generation) return refusal(`generation ${known.generation} is known here`)
    if (known !== null && (known.status === 'active' || known.status === 'suspended')) return refusal('it is here')
    const other = index.moves.move(account)
    // Of a move that was given up and of which this shard was not told.
    if (other !== null) await commitStep(this.#core, [{ type: RecordType.moveEnd, account }])
    const fact: ShardRecord = {
      type: RecordType.moveBegin,
      account,
      direction: 'in',
      peer,
      generation,
      move,
      atMs: clock.nowMs(),
    }
    try {
      await this.#core.pipeline.commit([fact])
    } catch (error) {
      if (errorCode(error) === 'STORE_FULL') return refusal(errorMessage(error))
      throw error
    }
    this.#onNotice({ kind: 'arrives', account, from: peer, move })
    return this.#state(account, this.#here(account, move, peer))
  }

  #missing(row: MoveRow, { mailbox, uids }: Extract<MoveAsk, { kind: 'missing' }>): MoveAnswer {
    const { index } = this.#core
    const key = this.#mailbox(row.account, mailbox)
    const answer = this.#state(row.account, row)
    if (key === null) return { ...answer, missing: [...uids] }
    const missing = uids.filter((uid) => !index.moves.knows(key, uid))
    return { ...answer, cursor: index.moves.cursor(key), missing }
  }

  #mailbox(account: AccountId, mailbox: CopyMessages['mailbox']): number | null {
    const row = this.#core.index.account(account)
    return row === null ? null : this.#core.index.moves.mailbox(row.key, mailbox)
  }

  async #take({ account, move, source, anew, records }: Batch): Promise<MoveAnswer> {
    this.#core.check()
    const row = this.#here(account, move, source)
    // What follows an account that is here already are its letters in the queue.
    const owned = row === null && this.#core.accounts.get(account) !== null
    if (!owned && (row === null || row.phase === 'sealed')) return this.#state(account, row)
    const arrival = this.#remember({ account, move }, this.#core.clock.monotonicMs())
    if (anew || arrival.bodies.size > 2 * BODIES_REMEMBERED) arrival.bodies.clear()
    const bodies: NewRecord[] = []
    const facts: ShardRecord[] = []
    let known = false
    /** The account as a primary saw it that was deposed since. Messages say themselves how old they are. */
    let stale = false
    const named: [Lsn, number][] = []
    for (const { type, lsn, meta, body } of records) {
      const record = decodeRecord(type, meta)
      switch (record.type) {
        case RecordType.body:
        case RecordType.bodyChunk:
        case RecordType.bodyEnd:
          named.push([lsn, bodies.length])
          bodies.push({ type, meta, body: [body] })
          break
        case RecordType.queueAdd:
          if (!owned || record.account !== account || record.deliveryId === null) return refusal('a letter in a copy')
          known = this.#core.index.queue.byDelivery(record.deliveryId) !== null
          if (!known) facts.push(record)
          break
        case RecordType.queueDefer:
          if (!owned) return refusal('a letter in a copy')
          if (!known) facts.push(record)
          break
        case RecordType.copyAccount:
        case RecordType.copyMessages:
        case RecordType.mailboxMetadata:
        case RecordType.moveReady:
          if (row === null) return this.#state(account, row)
          if (record.account !== account || meta.byteLength > RECORD_META_BYTES_MAX)
            return refusal('a copy of another kind')
          if (record.type === RecordType.copyAccount) stale = record.upTo < row.upTo
          if (!stale || record.type === RecordType.copyMessages) facts.push(record)
          break
        default:
          return refusal(`a record of type ${type} in a copy`)
      }
    }
    // Nothing may be appended between this and the append.
    const first = this.#core.pipeline.nextLsn
    const ours = new Map(named.map(([lsn, at]) => [lsn, toLsn(first + at)]))
    const firstFact = toLsn(first + bodies.length)
    const translated = this.#translated(facts, firstFact, (lsn) => ours.get(lsn) ?? arrival.bodies.get(lsn) ?? null)
    if (translated === null) return AGAIN
    if (translated.length === 0 && bodies.length === 0) return this.#state(account, row)
    try {
      await this.#core.pipeline.commit(translated, bodies)
    } catch (error) {
      if (errorCode(error) === 'STORE_FULL') return refusal(errorMessage(error))
      throw error
    }
    for (const [lsn, own] of ours) arrival.bodies.set(lsn, own)
    return this.#state(account, this.#here(account, move, source))
  }

  /** Null: something that they refer to is not known here. */
  #translated(facts: readonly ShardRecord[], firstFact: Lsn, nameOf: (lsn: Lsn) => Lsn | null): ShardRecord[] | null {
    const translated: ShardRecord[] = []
    let entry = firstFact
    for (const fact of facts) {
      if (fact.type === RecordType.queueAdd) {
        const body = bodyOf(fact.body, nameOf)
        if (body === null) return null
        entry = toLsn(firstFact + translated.length)
        translated.push({ ...fact, body })
        continue
      }
      if (fact.type === RecordType.queueDefer) {
        translated.push({ ...fact, entry })
        continue
      }
      if (fact.type !== RecordType.copyMessages) {
        translated.push(fact)
        continue
      }
      const messages: CopyMessages['messages'][number][] = []
      for (const message of fact.messages) {
        const body = bodyOf(message.body, nameOf)
        if (body === null) return null
        messages.push({ ...message, body })
      }
      translated.push({ ...fact, messages })
    }
    return translated
  }

  async #own({ account, generation, move }: MoveRow): Promise<void> {
    const known = this.#core.index.account(account)
    if (known === null) return
    const { quotaBytes, modSeq } = known
    await commitStep(this.#core, [
      { type: RecordType.accountOwn, account, generation, quotaBytes, mailboxes: [], modSeq },
    ])
    this.#arrivals.delete(account)
    this.#onNotice({ kind: 'owned', account, generation, move })
  }

  async #drop(account: AccountId, move: string): Promise<void> {
    const row = this.#core.index.moves.move(account)
    if (row === null || row.direction !== 'in' || row.move !== move) return
    await commitStep(this.#core, [{ type: RecordType.moveEnd, account }])
    this.#arrivals.delete(account)
    this.#onNotice({ kind: 'dropped', account, move })
  }

  #remember({ account, move }: Pick<MoveRow, 'account' | 'move'>, nowMs: number): Arrival {
    const known = this.#arrivals.get(account)
    if (known?.move === move) {
      known.heardMs = nowMs
      return known
    }
    const arrival = { move, bodies: new Map<Lsn, Lsn>(), heardMs: nowMs }
    this.#arrivals.set(account, arrival)
    return arrival
  }
}

function bodyOf(body: BodyReference, nameOf: (lsn: Lsn) => Lsn | null): BodyReference | null {
  const lsns: Lsn[] = []
  for (const lsn of body.lsns) {
    const name = nameOf(lsn)
    if (name === null) return null
    lsns.push(name)
  }
  return { ...body, lsns }
}
