/**
 * A bounded cache with a time to live that asks once for many who want the same thing. What was being asked for when
 * something was forgotten is answered but not kept: an answer older than the news must not outlive it.
 */
import type { Clock } from '#lib/ports/clock.ts'

interface Kept<T> {
  readonly value: T
  readonly untilMs: number
}

export class TtlCache<T> {
  readonly #clock: Clock
  readonly #entriesMax: number
  readonly #ttlMs: (value: T) => number
  readonly #kept = new Map<string, Kept<T>>()
  readonly #asking = new Map<string, Promise<T>>()
  /** Counts the forgetting: an answer is kept only if it stayed the same while it was asked for. */
  #forgotten = 0

  /** @param ttlMs How long a value may be kept; 0: not at all. */
  constructor(clock: Clock, entriesMax: number, ttlMs: (value: T) => number) {
    this.#clock = clock
    this.#entriesMax = entriesMax
    this.#ttlMs = ttlMs
  }

  get size(): number {
    return this.#kept.size
  }

  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key)
    if (kept && kept.untilMs > this.#clock.monotonicMs()) return kept.value
    const asking = this.#asking.get(key)
    if (asking) return await asking
    const forgotten = this.#forgotten
    const asked = ask()
    this.#asking.set(key, asked)
    try {
      const value = await asked
      if (forgotten === this.#forgotten) this.#keep(key, value)
      return value
    } finally {
      if (this.#asking.get(key) === asked) this.#asking.delete(key)
    }
  }

  /** Forgets what `matches` says; null: everything. */
  forget(matches: ((key: string, value: T) => boolean) | null): void {
    this.#forgotten++
    this.#asking.clear() // who asks from now on gets a new answer
    if (matches === null) this.#kept.clear()
    else for (const [key, kept] of this.#kept) if (matches(key, kept.value)) this.#kept.delete(key)
  }

  #keep(key: string, value: T): void {
    const ttlMs = this.#ttlMs(value)
    if (ttlMs <= 0) return
    this.#kept.delete(key) // put last: the first ones are the oldest
    this.#kept.set(key, { value, untilMs: this.#clock.monotonicMs() + ttlMs })
    if (this.#kept.size <= this.#entriesMax) return
    const oldest = this.#kept.keys().next()
    if (!oldest.done) this.#kept.delete(oldest.value)
  }
}
