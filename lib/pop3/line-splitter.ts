/**
 * Cuts the client's byte stream into command lines. CRLF ends a line; a bare LF does too, because old clients send it and
 * nothing in POP3 from the client carries content. Never holds more than one unfinished line of `lineBytesMax` plus the
 * last chunk; what is longer is dropped up to its end and reported once.
 */
export type Line = { readonly kind: 'line'; readonly bytes: Buffer } | { readonly kind: 'too-long' }

const LF = 0x0a
const CR = 0x0d

export class LineSplitter {
  readonly #lineBytesMax: number
  #pending: Buffer = Buffer.alloc(0)
  #dropping = false

  /** @param lineBytesMax Longest line, its line end counted. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  get pendingBytes(): number {
    return this.#pending.length
  }

  /** Takes ownership of `chunk`. Drain with `next` before the next push. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
  }

  /** The next whole line without its line end, or null until more bytes come. */
  next(): Line | null {
    const end = this.#pending.indexOf(LF)
    if (end < 0) {
      if (this.#dropping || this.#pending.length >= this.#lineBytesMax) {
        this.#dropping = true
        this.#pending = Buffer.alloc(0)
      }
      return null
    }
    const line = this.#pending.subarray(0, end > 0 && this.#pending[end - 1] === CR ? end - 1 : end)
    this.#pending = this.#pending.subarray(end + 1)
    if (this.#dropping || end + 1 > this.#lineBytesMax) {
      this.#dropping = false
      return { kind: 'too-long' }
    }
    return { kind: 'line', bytes: line }
  }

  /** What was pushed and not cut: the caller owns it now, the splitter is empty. */
  rest(): Buffer {
    const rest = this.#pending
    this.#pending = Buffer.alloc(0)
    this.#dropping = false
    return rest
  }
}
