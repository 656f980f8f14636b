/**
 * A map whose entries weigh something and that lets the least recently used go beyond a bound: the one way in which anything here is
 * kept for the next who asks.
 *
 * Invariant: what is kept never weighs more than `weightMax`. An entry that alone weighs more pushes out everything and is not kept;
 * whoever may meet such entries asks first.
 */
export class WeightedLru<K, V> {
  readonly #weightMax: number
  /** In order of use. */
  readonly #entries = new Map<K, { readonly value: V; readonly weight: number }>()
  #weight = 0

  constructor(weightMax: number) {
    this.#weightMax = weightMax
  }

  /** Of all entries together. */
  get weight(): number {
    return this.#weight
  }

  get weightMax(): number {
    return this.#weightMax
  }

  get(key: K): V | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, found)
    return found.value
  }

  /** Takes the place of what stood under `key`. */
  set(key: K, value: V, weight: number): void {
    this.take(key)
    this.#entries.set(key, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#weightMax) return
      this.take(oldest)
    }
  }

  /** The value, which is not kept any more. */
  take(key: K): V | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    this.#entries.delete(key)
    this.#weight -= found.weight
    return found.value
  }
}
