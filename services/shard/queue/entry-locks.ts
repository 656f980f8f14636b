/**
 * One change of a queue entry at a time, from its decision until it is applied: what is decided in between would rest on a state
 * that is over. First come, first served.
 */
import type { Lsn } from '#lib/mail/types.ts'

export class EntryLocks {
  readonly #tails = new Map<Lsn, Promise<void>>()

  isLocked(entry: Lsn): boolean {
    return this.#tails.has(entry)
  }

  async run<T>(entry: Lsn, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(entry)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#tails.set(entry, promise)
    try {
      if (before !== undefined) await before
      return await work()
    } finally {
      if (this.#tails.get(entry) === promise) this.#tails.delete(entry)
      resolve()
    }
  }

  /** Locks those that are free, in this call. @returns The release */
  lockFree(entries: readonly Lsn[]): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const entry of entries) this.#tails.set(entry, promise)
    return () => {
      for (const entry of entries) if (this.#tails.get(entry) === promise) this.#tails.delete(entry)
      resolve()
    }
  }
}
