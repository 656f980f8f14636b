/**
 * Sends a primary's records to its mirror, in order, from one LSN on: from memory while the mirror keeps up, from disk when it
 * does not. What was sent and is not acknowledged never exceeds the window by more than one batch, and nothing else is kept for a
 * slow mirror.
 *
 * Invariant: every record goes out exactly once per feed, and only after its LSN was decided; records that are not durable here go
 * out too, so that both disks sync at the same time (rule 1).
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { PeerChannel } from '#lib/ports/network.ts'
import { BATCH_HEADER_BYTES } from '../log/format.ts'
import type { EncodedBatch } from '../log/types.ts'
import { CATCH_UP_READ_BYTES } from './limits.ts'
import { encodeBatch } from './messages.ts'
import type { RawBatch, ReplicaLog } from './ports.ts'

export interface RecordFeedOptions {
  readonly log: ReplicaLog
  readonly channel: PeerChannel
  readonly clock: Clock
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  readonly windowBytes: number
  /** Null: as fast as the window allows. */
  readonly bytesPerSecond: number | null
  readonly commit: () => Lsn
  /** A record could not be read: rot, or a failed disk. The feed has stopped. */
  readonly onFailure: (error: Error) => void
}

export class RecordFeed {
  readonly #options: RecordFeedOptions
  #next: number
  /** Sent and not acknowledged, in order. */
  #underWay: { readonly last: number; readonly bytes: number }[] = []
  #underWayBytes = 0
  /** The batch that the log is writing: once it is durable it can be read from disk instead. */
  #writing: RawBatch | null = null
  #reading = false
  #stopped = false
  #cancelPause = () => {}
  #pausedUntilMs = 0
  /** Something was sent or acknowledged. */
  #progressMs: number

  constructor(options: RecordFeedOptions) {
    this.#options = options
    this.#next = options.firstLsn
    this.#progressMs = options.clock.monotonicMs()
  }

  /** For how long nothing of what is under way was acknowledged; 0 if nothing is. */
  get stalledMs(): number {
    return this.idle ? 0 : this.#options.clock.monotonicMs() - this.#progressMs
  }

  /** The mirror says why it acknowledges nothing: that is no stall. */
  excuse(): void {
    this.#progressMs = this.#options.clock.monotonicMs()
  }

  /** The first LSN that was not sent yet. */
  get nextLsn(): Lsn {
    return toLsn(this.#next)
  }

  /** Everything that was sent is acknowledged. */
  get idle(): boolean {
    return this.#underWay.length === 0
  }

  /** The log begins to write `batch`. Unless the mirror lags it goes out now. */
  batch(batch: EncodedBatch): void {
    this.#writing = rawOf(batch)
    this.pump()
  }

  acknowledged(durable: Lsn): void {
    while (this.#underWay[0] !== undefined && this.#underWay[0].last <= durable) {
      this.#underWayBytes -= this.#underWay.shift()?.bytes ?? 0
      this.#progressMs = this.#options.clock.monotonicMs()
    }
    this.pump()
  }

  /** Sends what there is and what the window takes. Safe to call at any time. */
  pump(): void {
    while (!this.#stopped && !this.#reading && !this.#blocked()) {
      const writing = this.#writing
      if (writing !== null && writing.firstLsn === this.#next) this.#send(writing)
      else if (this.#next <= this.#options.log.durableLsn) this.#read()
      else return
    }
  }

  stop(): void {
    this.#stopped = true
    this.#writing = null
    this.#cancelPause()
  }

  #blocked(): boolean {
    if (this.#underWayBytes >= this.#options.windowBytes) return true
    const { clock, bytesPerSecond } = this.#options
    const waitMs = this.#pausedUntilMs - clock.monotonicMs()
    if (bytesPerSecond === null || waitMs <= 0) return false
    this.#cancelPause()
    this.#cancelPause = clock.after(waitMs, () => this.pump())
    return true
  }

  #read(): void {
    this.#reading = true
    this.#options.log.readRaw(toLsn(this.#next), CATCH_UP_READ_BYTES).then(
      (batch) => {
        this.#reading = false
        if (this.#stopped) return
        this.#send(batch)
        this.pump()
      },
      (error: unknown) => {
        this.#reading = false
        if (this.#stopped) return
        this.stop()
        this.#options.onFailure(error instanceof Error ? error : new Error(errorCode(error) ?? String(error)))
      },
    )
  }

  #send(batch: RawBatch): void {
    const { channel, epoch, commit, clock, bytesPerSecond } = this.#options
    for (const frame of encodeBatch(epoch, batch, commit())) channel.send(frame)
    this.#next = batch.firstLsn + batch.recordCount
    if (this.idle) this.#progressMs = clock.monotonicMs()
    this.#underWay.push({ last: this.#next - 1, bytes: batch.byteCount })
    this.#underWayBytes += batch.byteCount
    if (bytesPerSecond === null) return
    const from = Math.max(this.#pausedUntilMs, clock.monotonicMs())
    this.#pausedUntilMs = from + (batch.byteCount / bytesPerSecond) * 1_000
  }
}

/** The records of a batch without its header, which is this disk's own. */
function rawOf({ epoch, firstLsn, recordCount, chunks }: EncodedBatch): RawBatch {
  const records: Uint8Array[] = []
  let byteCount = 0
  let skip = BATCH_HEADER_BYTES
  for (const chunk of chunks) {
    const rest = chunk.subarray(Math.min(skip, chunk.byteLength))
    skip -= chunk.byteLength - rest.byteLength
    if (rest.byteLength > 0) records.push(rest)
    byteCount += rest.byteLength
  }
  return { epoch, firstLsn, recordCount, byteCount, chunks: records }
}
