/** Wakes one waiter. A ring while nobody waits is kept, so that none is missed; several rings are one. */
export class Doorbell {
  #rung = false
  #waiter: (() => void) | null = null

  /** A ring is kept: the next `wait()` resolves at once. */
  get rung(): boolean {
    return this.#rung
  }

  ring(): void {
    if (this.#waiter === null) {
      this.#rung = true
      return
    }
    const waiter = this.#waiter
    this.#waiter = null
    waiter()
  }

  wait(): Promise<void> {
    if (this.#rung) {
      this.#rung = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#waiter = resolve
    })
  }
}
