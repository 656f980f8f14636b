/**
 * How long the text index rests after a piece of work: as long as it worked while the shard has little to do, many times as long while
 * records arrive fast. Mail goes first; what the text index is behind costs a search a look at those letters, no more.
 */
import { BUSY_RECORDS_PER_SECOND, REST_WHILE_BUSY } from './limits.ts'

/** Over which the speed of the log is taken. */
const WINDOW_MS = 1_000

export class Pace {
  #lsn: number
  #atMs: number
  #busy = false

  /** @param lsn Up to where the shard's index is now. @param nowMs On the monotonic clock. */
  constructor(lsn: number, nowMs: number) {
    this.#lsn = lsn
    this.#atMs = nowMs
  }

  /** @returns Milliseconds to rest after `workedMs`. */
  rest(workedMs: number, lsn: number, nowMs: number): number {
    const passedMs = nowMs - this.#atMs
    if (passedMs >= WINDOW_MS) {
      this.#busy = ((lsn - this.#lsn) * 1_000) / passedMs > BUSY_RECORDS_PER_SECOND
      this.#lsn = lsn
      this.#atMs = nowMs
    }
    return workedMs * (this.#busy ? REST_WHILE_BUSY : 1)
  }
}
