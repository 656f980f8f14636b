/**
 * The lock under which operations on one account are decided. Shared operations (deliver, append) only take the next UID and
 * MODSEQ and run side by side; exclusive ones see committed state, alone. First come, first served, so that neither starves.
 * A holder keeps the lock until its records are applied or refused.
 */
import { assert } from '#lib/errors/assert.ts'

interface Waiting {
  readonly exclusive: boolean
  readonly grant: () => void
}

export class AccountLock {
  #shared = 0
  #exclusive = false
  #waiting: Waiting[] = []

  /** Whether nobody holds it and nobody waits. */
  get idle(): boolean {
    return this.#shared === 0 && !this.#exclusive && this.#waiting.length === 0
  }

  /** @returns Null if granted at once, else a promise of the grant. */
  shared(): Promise<void> | null {
    if (this.#exclusive || this.#waiting.length > 0) return this.#wait(false)
    this.#shared++
    return null
  }

  /** @returns Null if granted at once, else a promise of the grant. */
  exclusive(): Promise<void> | null {
    if (!this.idle) return this.#wait(true)
    this.#exclusive = true
    return null
  }

  releaseShared(): void {
    assert(this.#shared > 0, 'a shared lock is held')
    this.#shared--
    this.#grantNext()
  }

  releaseExclusive(): void {
    assert(this.#exclusive, 'the exclusive lock is held')
    this.#exclusive = false
    this.#grantNext()
  }

  #wait(exclusive: boolean): Promise<void> {
    return new Promise((grant) => this.#waiting.push({ exclusive, grant }))
  }

  #grantNext(): void {
    for (;;) {
      const [next] = this.#waiting
      if (next === undefined || this.#exclusive) return
      if (next.exclusive && this.#shared > 0) return
      this.#waiting.shift()
      if (next.exclusive) this.#exclusive = true
      else this.#shared++
      next.grant()
    }
  }
}
