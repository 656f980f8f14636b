/**
 * What was worked out of letters, kept for all sessions of a process: a list, a search, a sort and a thread of one mailbox ask the same
 * of the same letters, again at each visit. Least recently used ones go first. A key is unique for the bytes (account id and EMAILID),
 * so what is kept is never wrong.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'

export interface LetterCache<T> {
  get(key: string): T | undefined
  set(key: string, value: T): void
}

export interface LetterCacheOptions<T> {
  readonly weightMax: number
  readonly weigh: (value: T, key: string) => number
  /** The heaviest that is kept is this part of all: one monster must not push out everything else. */
  readonly heaviestPart: number
}

export class LruLetterCache<T> implements LetterCache<T> {
  readonly #kept: WeightedLru<string, T>
  readonly #weigh: (value: T, key: string) => number
  readonly #heaviest: number

  constructor({ weightMax, weigh, heaviestPart }: LetterCacheOptions<T>) {
    this.#kept = new WeightedLru(weightMax)
    this.#weigh = weigh
    this.#heaviest = weightMax / heaviestPart
  }

  get(key: string): T | undefined {
    return this.#kept.get(key)
  }

  set(key: string, value: T): void {
    const weight = this.#weigh(value, key)
    if (weight <= this.#heaviest) this.#kept.set(key, value, weight)
  }
}
