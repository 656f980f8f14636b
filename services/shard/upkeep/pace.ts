/** Bandwidth of background work, and how it is given up: whoever reads or writes waits here after each piece. */
import type { Clock } from '#lib/ports/clock.ts'

/** Awaited after a piece of so many bytes. False: stop at once. */
export type Pace = (bytes: number) => Promise<boolean>

/** Thrown out of a visitor to end a scan. */
export class GivenUp extends Error {}

export class Pacer {
  readonly #clock: Clock
  readonly #waiting = new Map<() => void, () => void>()
  #stopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get stopped(): boolean {
    return this.#stopped
  }

  at(bytesPerSecond: () => number): Pace {
    return (bytes) => this.wait((bytes / bytesPerSecond()) * 1_000)
  }

  /** @returns False if everything is to end. */
  wait(ms: number): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false)
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done)
        resolve(!this.#stopped)
      }
      this.#waiting.set(done, this.#clock.after(ms, done))
    })
  }

  stop(): void {
    this.#stopped = true
    for (const [done, cancel] of [...this.#waiting]) {
      cancel()
      done()
    }
  }
}
