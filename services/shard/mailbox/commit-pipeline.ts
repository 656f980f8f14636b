/**
 * From append to commit to apply: facts go into the log at once and wait here; when commit reaches them, a whole batch is
 * applied in one step and only then its operations hear of it. Order is LSN order throughout, so what is shown is always
 * the committed prefix (rule 2 of the replication design).
 *
 * After a failure nothing is appended or applied any more: every waiting operation is refused, none was promised.
 */
import { assert } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import type { CommittedRecord } from '../index/port.ts'
import type { NewRecord, ShardLog } from '../log/types.ts'
import { encodeRecord } from '../records/codec.ts'
import type { ShardRecord } from '../records/types.ts'
import { type WriteKind, writeKind } from './write-kind.ts'

/** Where commit comes from: the log alone, later the minimum over the in-sync set. */
export interface CommitSource {
  /** Called in order with each new commit LSN. */
  onCommit(listener: (commit: Lsn) => void): void
}

export interface PipelineOptions {
  readonly log: ShardLog
  readonly commits: CommitSource
  /** Applies a committed batch to index and memory. A throw is a failure of the store. */
  readonly apply: (records: readonly CommittedRecord[], upTo: Lsn) => void
  readonly onFailure: (error: Error) => void
  /** Asked before a user's operation is appended; deliveries were asked where they came in. */
  readonly refusal?: (kind: WriteKind) => StoreError | null
  /** Asked when a user's operation is committed and applied: as what it is answered all the same (rule 12), or null. */
  readonly doubt?: (kind: WriteKind) => StoreError | null
}

/** Called once: with null after commit and apply, with the error otherwise. */
type Settled = (error: StoreError | null) => void

interface Pending {
  readonly last: Lsn
  readonly facts: readonly CommittedRecord[]
  readonly settled: Settled
}

export class CommitPipeline {
  readonly #options: PipelineOptions
  #pending: Pending[] = []
  #failure: StoreError | null = null
  #drained: (() => void)[] = []

  constructor(options: PipelineOptions) {
    this.#options = options
    options.commits.onCommit((commit) => this.#committed(commit))
    options.log.onFailure((error) => this.fail(error))
  }

  /** The LSN that the next appended record gets, as long as nobody appends in between. */
  get nextLsn(): Lsn {
    return toLsn(this.#options.log.lastLsn + 1)
  }

  get failure(): StoreError | null {
    return this.#failure
  }

  get pendingCount(): number {
    return this.#pending.length
  }

  /** Appends body records, then facts, as one step. @throws {StoreError} STORE_BUSY, STORE_UNAVAILABLE: then nothing was appended and `settled` is not called */
  append(bodies: readonly NewRecord[], facts: readonly ShardRecord[], settled: Settled): void {
    if (this.#failure !== null) throw this.#failure
    const records = bodies.slice()
    for (const fact of facts) records.push({ type: fact.type, meta: encodeRecord(fact) })
    let first: Lsn
    let last: Lsn
    try {
      ;({ first, last } = this.#options.log.append(records))
    } catch (cause) {
      if (errorCode(cause) === 'LOG_BUSY')
        throw new StoreError('STORE_BUSY', 'Cannot write: the disk is behind', { cause })
      this.fail(cause instanceof Error ? cause : new Error(String(cause)))
      throw this.#failure ?? cause
    }
    assert(last - first + 1 === records.length, 'the log gives dense LSNs')
    const firstFact = first + bodies.length
    this.#pending.push({
      last,
      facts: facts.map((record, i) => ({ lsn: toLsn(firstFact + i), record })),
      settled,
    })
  }

  /** Like `append` for an operation of a user, as a promise. @throws {StoreError} also what `refusal` and `doubt` say */
  commit(facts: readonly ShardRecord[], bodies: readonly NewRecord[] = []): Promise<void> {
    // With bytes of its own it fills the disk, whatever else it does: REPLACE expunges too.
    const kind = bodies.length > 0 ? 'user' : writeKind(facts)
    const refusal = this.#options.refusal?.(kind) ?? null
    if (refusal !== null) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      this.append(bodies, facts, (error) => {
        const failure = error ?? this.#options.doubt?.(kind) ?? null
        if (failure === null) resolve()
        else reject(failure)
      })
    })
  }

  /** Resolves when nothing waits any more, by commit or by failure. */
  drained(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** The log or the index failed. Safe to call again, where it does nothing. */
  fail(cause: Error): void {
    if (this.#failure !== null) return
    this.stop(new StoreError('STORE_UNAVAILABLE', 'Cannot write: the shard has stopped', { cause }))
    this.#options.onFailure(cause)
  }

  /** Refuses everything that waits, and all that comes, with `error`. */
  stop(error: StoreError): void {
    if (this.#failure !== null) return
    this.#failure = error
    const refused = this.#pending
    this.#pending = []
    for (const { settled } of refused) settled(error)
    this.#tellDrained()
  }

  #committed(commit: Lsn): void {
    if (this.#failure !== null) return
    const count = this.#pending.findIndex(({ last }) => last > commit)
    const ready = count < 0 ? this.#pending : this.#pending.slice(0, count)
    // Up to the last whole operation, not to `commit`: what lies between is not applied yet.
    const upTo = ready.at(-1)?.last
    if (upTo === undefined) return
    const facts = ready.flatMap((pending) => pending.facts)
    try {
      // Bodies alone change nothing in the index: no transaction for each MiB of a large letter.
      if (facts.length > 0) this.#options.apply(facts, upTo)
    } catch (cause) {
      this.fail(cause instanceof Error ? cause : new Error(String(cause)))
      return
    }
    this.#pending = count < 0 ? [] : this.#pending.slice(count)
    for (const { settled } of ready) settled(null)
    if (this.#pending.length === 0) this.#tellDrained()
  }

  #tellDrained(): void {
    const waiting = this.#drained
    this.#drained = []
    for (const tell of waiting) tell()
  }
}
