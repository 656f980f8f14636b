/**
 * How often signs were seen, in junk and elsewhere: an open hash table over typed arrays, 12 bytes a place, of a size that never changes.
 * When it is nearly full, or a count can grow no more, all counts are halved and what was seen once goes: the old gives way to the new.
 *
 * A sign is known by 64 bits of its hash only: two that share them are taken for one, which at millions of signs does not happen.
 */
const EMPTY = 0
const COUNT_MAX = 0xffff
/** Beyond this share the search for a place grows long. */
const FULL = 0.7

export class CountTable {
  readonly #mask: number
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  /** Junk in the upper half, others in the lower. */
  readonly #counts: Uint32Array
  #used = 0

  /** @param sizeLog2 Places as a power of two: 20 are a million, 12 MiB. */
  constructor(sizeLog2: number) {
    const size = 2 ** sizeLog2
    this.#mask = size - 1
    this.#high = new Uint32Array(size)
    this.#low = new Uint32Array(size)
    this.#counts = new Uint32Array(size)
  }

  get used(): number {
    return this.#used
  }

  /** Junk in the upper 16 bits, others in the lower; 0: never seen. */
  get(high: number, low: number): number {
    const place = this.#find(high, low)
    return this.#low[place] === EMPTY ? 0 : (this.#counts[place] ?? 0)
  }

  /** @returns Whether counts were halved to make room. */
  add(high: number, low: number, junk: boolean, by: 1 | -1): boolean {
    let place = this.#find(high, low)
    let halved = false
    if (this.#low[place] === EMPTY) {
      if (by < 0) return false
      if (this.#used >= FULL * (this.#mask + 1)) {
        this.halve()
        halved = true
        place = this.#find(high, low)
      }
      this.#high[place] = high
      this.#low[place] = low
      this.#counts[place] = 0
      this.#used++
    }
    if (by > 0 && this.#isAtMost(place, junk)) {
      this.halve()
      halved = true
      place = this.#find(high, low)
    }
    const counts = this.#counts[place] ?? 0
    const old = junk ? counts >>> 16 : counts & COUNT_MAX
    const next = Math.max(0, Math.min(COUNT_MAX, old + by))
    this.#counts[place] = junk ? ((next << 16) | (counts & COUNT_MAX)) >>> 0 : ((counts & 0xffff0000) | next) >>> 0
    return halved
  }

  #isAtMost(place: number, junk: boolean): boolean {
    const counts = this.#counts[place] ?? 0
    return (junk ? counts >>> 16 : counts & COUNT_MAX) >= COUNT_MAX
  }

  halve(): void {
    const kept: [high: number, low: number, counts: number][] = []
    for (let place = 0; place <= this.#mask; place++) {
      if (this.#low[place] === EMPTY) continue
      const counts = this.#counts[place] ?? 0
      const half = (((counts >>> 17) << 16) | ((counts & COUNT_MAX) >>> 1)) >>> 0
      if (half !== 0) kept.push([this.#high[place] ?? 0, this.#low[place] ?? 0, half])
    }
    this.#refill(kept)
  }

  /** Every place that is used: three numbers each. */
  dump(): Uint32Array {
    const out = new Uint32Array(this.#used * 3)
    let at = 0
    for (let place = 0; place <= this.#mask; place++) {
      if (this.#low[place] === EMPTY) continue
      out[at++] = this.#high[place] ?? 0
      out[at++] = this.#low[place] ?? 0
      out[at++] = this.#counts[place] ?? 0
    }
    return out
  }

  /** In place of everything; what does not fit is left out. */
  load(dump: Uint32Array): void {
    const rows: [number, number, number][] = []
    const most = Math.floor(FULL * (this.#mask + 1))
    for (let i = 0; i + 2 < dump.length && rows.length < most; i += 3) {
      rows.push([dump[i] ?? 0, (dump[i + 1] ?? 0) || 1, dump[i + 2] ?? 0])
    }
    this.#refill(rows)
  }

  #refill(rows: readonly (readonly [number, number, number])[]): void {
    this.#low.fill(EMPTY)
    this.#used = 0
    for (const [high, low, counts] of rows) {
      const place = this.#find(high, low)
      if (this.#low[place] === EMPTY) this.#used++
      this.#high[place] = high
      this.#low[place] = low
      this.#counts[place] = counts
    }
  }

  /** Where the sign is, or where it would be put. */
  #find(high: number, low: number): number {
    let place = (low ^ (high >>> 7)) & this.#mask
    while (this.#low[place] !== EMPTY && (this.#low[place] !== low || this.#high[place] !== high)) {
      place = (place + 1) & this.#mask
    }
    return place
  }
}
