/** Memory for the bodies of letters, shared by all connections of the process. */
import type { EdgeMetrics } from '../metrics.ts'

export class BodyBudget {
  readonly #bytesMax: number
  readonly #metrics: EdgeMetrics
  #used = 0

  constructor(bytesMax: number, metrics: EdgeMetrics) {
    this.#bytesMax = bytesMax
    this.#metrics = metrics
  }

  /** Nothing is left: a new letter must not begin. */
  get spent(): boolean {
    return this.#used >= this.#bytesMax
  }

  get usedBytes(): number {
    return this.#used
  }

  /** Counts `bytes` in if they fit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytesMax) return false
    this.#used += bytes
    this.#metrics.bodyBytes.set(this.#used)
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
    this.#metrics.bodyBytes.set(this.#used)
  }
}
