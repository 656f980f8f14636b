/** Since when something has been so, without a break. */
export class Since {
  #fromMs: number | null = null

  /** It is so, or is not, at `nowMs` (monotonic). */
  set(so: boolean, nowMs: number): void {
    this.#fromMs = so ? (this.#fromMs ?? nowMs) : null
  }

  /** For how long; null: it is not so. */
  forMs(nowMs: number): number | null {
    return this.#fromMs === null ? null : nowMs - this.#fromMs
  }
}
