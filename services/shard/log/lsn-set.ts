/** A set of LSNs, one bit each: ten million records take 1.2 MB. */
const LEAST_BYTES = 1024

export class LsnSet {
  #bits = new Uint8Array(LEAST_BYTES)

  add(lsn: number): void {
    const at = Math.floor(lsn / 8)
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.#bits.length * 2))
      grown.set(this.#bits)
      this.#bits = grown
    }
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (lsn & 7))
  }

  addRange(first: number, last: number): void {
    for (let lsn = first; lsn <= last; lsn++) this.add(lsn)
  }

  has(lsn: number): boolean {
    return ((this.#bits[Math.floor(lsn / 8)] ?? 0) & (1 << (lsn & 7))) !== 0
  }
}
