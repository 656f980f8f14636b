/** Rules 15 and 16: whether the own disk is good, full, too slow, or failed, from what the log tells of its batches. */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { RoleTimes } from '../roles/times.ts'

/** A sync that took too long is remembered for so long: a disk that stalls now and then is slow all the time. */
const SLOW_REMEMBERED_MS = 10_000

export class DiskWatch {
  readonly #clock: Clock
  readonly #times: RoleTimes
  readonly #isFull: () => boolean
  /** The last record on its way, and since when the oldest batch is. */
  #writing: { readonly last: number; readonly sinceMs: number } | null = null
  #slowUntilMs = Number.NEGATIVE_INFINITY
  #failure: Error | null = null

  constructor(clock: Clock, times: RoleTimes, isFull: () => boolean) {
    this.#clock = clock
    this.#times = times
    this.#isFull = isFull
  }

  get failure(): Error | null {
    return this.#failure
  }

  get state(): 'good' | 'full' | 'slow' | 'failed' {
    if (this.#failure !== null) return 'failed'
    const nowMs = this.#clock.monotonicMs()
    if (this.#isFull()) {
      // Nobody takes that for slowness, also not in the moment in which there is space again.
      if (this.#writing !== null) this.#writing = { last: this.#writing.last, sinceMs: nowMs }
      return 'full'
    }
    if (this.#writing !== null && nowMs - this.#writing.sinceMs > this.#times.ackMs) {
      this.#slowUntilMs = nowMs + SLOW_REMEMBERED_MS
    }
    return nowMs < this.#slowUntilMs ? 'slow' : 'good'
  }

  /** The log begins to write a batch that ends with `last`. */
  batch(last: number): void {
    this.#writing = { last, sinceMs: this.#writing?.sinceMs ?? this.#clock.monotonicMs() }
  }

  /** The log's sync went on: what is left waits for the next one. */
  durable(lsn: number): void {
    const writing = this.#writing
    if (writing === null) return
    this.#writing = writing.last <= lsn ? null : { last: writing.last, sinceMs: this.#clock.monotonicMs() }
  }

  /** The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(errorMessage(error))
  }
}
