/**
 * How long the text index rests after a piece of work: as long as it worked while the shard has little to do, many times as long while
 * it has. Mail goes first; what the text index is behind costs a search a look at those letters, no more.
 *
 * The measure is the load of the process and not the speed of its log: a shard that only reads letters for its users is busy too, and what
 * the log has on disk grows in leaps.
 */
import { BUSY_LOAD, REST_WHILE_BUSY } from './limits.ts'

/** Over which the load is taken. */
const WINDOW_MS = 1_000

export class Pace {
  readonly #load: () => number
  #atMs: number
  #busy = false

  /** @param load Share of the time that the process was at work since it was last asked. @param nowMs On the monotonic clock. */
  constructor(load: () => number, nowMs: number) {
    this.#load = load
    this.#atMs = nowMs
    load() // from here on
  }

  /** @returns Milliseconds to rest after `workedMs`. */
  rest(workedMs: number, nowMs: number): number {
    if (nowMs - this.#atMs >= WINDOW_MS) {
      this.#busy = this.#load() > BUSY_LOAD
      this.#atMs = nowMs
    }
    return workedMs * (this.#busy ? REST_WHILE_BUSY : 1)
  }
}
