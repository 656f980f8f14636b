/** Memory for the bodies of letters, shared by all connections of the process. */
import type { EdgeMetrics } from '../metrics.ts'

export class BodyBudget {
  readonly #bytesMax: number
  #used = 0

  constructor(bytesMax: number, metrics: EdgeMetrics) {
    this.#bytesMax = bytesMax
    metrics.watchBodyBytes(() => this.#used)
  }

  /** Nothing is left: a new letter must not begin. */
  get spent(): boolean {
    return this.#used >= this.#bytesMax
  }

  /** Counts `bytes` in if they fit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytesMax) return false
    this.#used += bytes
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
  }
}
