/**
 * Bytes as they came from the network, in order, until a reader takes them as lines or as pieces of a literal.
 * Large chunks are kept as they are and given out as views; small ones are gathered, so that a client that sends one byte
 * at a time costs one byte each.
 */
const GATHER_BELOW_BYTES = 512
const GATHER_BYTES = 4096

export type LineResult =
  | { readonly kind: 'line'; readonly text: string }
  /** No line end yet. */
  | { readonly kind: 'more' }
  /** More than the limit without a line end; nothing was taken. */
  | { readonly kind: 'too-long' }

const MORE: LineResult = { kind: 'more' }
const TOO_LONG: LineResult = { kind: 'too-long' }
const LF = 0x0a

export class InputQueue {
  #chunks: Buffer[] = []
  /** Consumed bytes of the first chunk. */
  #offset = 0
  #available = 0
  /** Bytes from the front that are known to hold no LF. */
  #scanned = 0
  /** The last chunk, if it is ours and has room. */
  #gather: Buffer | null = null
  #gathered = 0

  get available(): number {
    return this.#available
  }

  /** May keep `chunk` without copying: the caller must not reuse it. */
  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#available += chunk.byteLength
    // The first chunk is mostly a whole command and gone at once: it is not worth gathering either.
    if (chunk.byteLength >= GATHER_BELOW_BYTES || this.#chunks.length === 0) {
      this.#gather = null
      this.#chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      return
    }
    if (this.#gather === null || this.#gather.length - this.#gathered < chunk.byteLength) {
      this.#gather = Buffer.allocUnsafeSlow(GATHER_BYTES)
      this.#gathered = 0
      this.#chunks.push(this.#gather.subarray(0, 0))
    }
    this.#gather.set(chunk, this.#gathered)
    this.#gathered += chunk.byteLength
    this.#chunks[this.#chunks.length - 1] = this.#gather.subarray(0, this.#gathered)
  }

  /** The text up to the next LF, which is dropped; a CR before it stays. Bytes become code units 0..255. */
  takeLine(bytesMax: number): LineResult {
    let passed = 0
    for (let i = 0; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Buffer
      const start = i === 0 ? this.#offset : 0
      const length = chunk.length - start
      if (passed + length > this.#scanned) {
        const at = chunk.indexOf(LF, start + Math.max(0, this.#scanned - passed))
        if (at >= 0) {
          const size = passed + at - start
          if (size > bytesMax) return TOO_LONG
          return { kind: 'line', text: this.#takeText(size) }
        }
      }
      passed += length
    }
    this.#scanned = this.#available
    return this.#available > bytesMax ? TOO_LONG : MORE
  }

  /** A view of up to `bytesMax` bytes, or null if nothing is there. */
  take(bytesMax: number): Buffer | null {
    const first = this.#chunks[0]
    if (first === undefined) return null
    const end = Math.min(first.length, this.#offset + bytesMax)
    const piece = first.subarray(this.#offset, end)
    this.#consume(piece.length)
    return piece
  }

  /** Drops everything and gives it back, for another reader. */
  rest(): Buffer {
    const pieces = this.#chunks.map((chunk, i) => (i === 0 ? chunk.subarray(this.#offset) : chunk))
    this.clear()
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  clear(): void {
    this.#chunks = []
    this.#offset = 0
    this.#available = 0
    this.#scanned = 0
    this.#gather = null
    this.#gathered = 0
  }

  /** `size` bytes and the LF behind them. */
  #takeText(size: number): string {
    const first = this.#chunks[0] as Buffer
    if (first.length - this.#offset > size) {
      const text = first.toString('latin1', this.#offset, this.#offset + size)
      this.#consume(size + 1)
      return text
    }
    let text = ''
    let left = size
    while (left > 0) {
      const piece = this.take(left)
      if (piece === null) break
      text += piece.toString('latin1')
      left -= piece.length
    }
    this.#consume(1)
    return text
  }

  #consume(size: number): void {
    const first = this.#chunks[0] as Buffer
    this.#available -= size
    this.#scanned = Math.max(0, this.#scanned - size)
    this.#offset += size
    if (this.#offset < first.length) return
    this.#chunks.shift()
    this.#offset = 0
    if (this.#chunks.length === 0) {
      this.#gather = null
      this.#gathered = 0
    }
  }
}
