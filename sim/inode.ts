/** A file of the simulated disk: what reads see, what survives, and which pages the two differ in. */

/** Bytes that grow; room is doubled, so that small writes do not copy all of it. Behind the length everything is zero. */
class Bytes {
  #room: Buffer = Buffer.alloc(0)
  #length = 0

  get length(): number {
    return this.#length
  }

  resize(length: number): void {
    if (length > this.#room.length) {
      const grown = Buffer.alloc(Math.max(length, this.#room.length * 2))
      this.#room.copy(grown)
      this.#room = grown
    }
    if (length < this.#length) this.#room.fill(0, length, this.#length)
    this.#length = length
  }

  /** A view. */
  slice(from: number, to: number): Buffer {
    return this.#room.subarray(Math.min(from, this.#length), Math.min(to, this.#length))
  }

  put(at: number, bytes: Uint8Array): void {
    if (at + bytes.length > this.#length) this.resize(at + bytes.length)
    this.#room.set(bytes, at)
  }

  flip(at: number, mask: number): void {
    this.#room[at] = (this.#room[at] ?? 0) ^ mask
  }
}

export class Inode {
  readonly cached = new Bytes()
  readonly stable = new Bytes()
  /** Pages that the next sync must write. */
  readonly dirty = new Set<number>()
  /** Pages in which the two views may differ: the dirty ones, and those that a failed sync gave up. */
  readonly apart = new Set<number>()
}
