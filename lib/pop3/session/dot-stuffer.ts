/**
 * Byte-stuffing of a message on its way out (RFC 1939 section 3): a line that begins with a dot gets one more, and the
 * message ends with CRLF, a dot and CRLF. Works on chunks cut anywhere; a chunk without such lines passes uncopied.
 */
const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const LINE_WITH_DOT = Buffer.from('\r\n.')
const END_AFTER_LINE = Buffer.from('.\r\n')
const END_AFTER_TEXT = Buffer.from('\r\n.\r\n')
const END_AFTER_CR = Buffer.from('\n.\r\n')

/** What the bytes so far end with. */
type Tail = 'text' | 'cr' | 'line'

export class DotStuffer {
  #tail: Tail = 'line'

  /** The chunk with its dots doubled: the chunk itself, or a new buffer. */
  stuff(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk
    const first = this.#dotAtSeam(chunk)
    const second = chunk.indexOf(LINE_WITH_DOT)
    const stuffed = first < 0 && second < 0 ? chunk : this.#copy(chunk, first, second)
    this.#tail = tailOf(chunk, this.#tail)
    return stuffed
  }

  /** What ends the message after its last chunk. */
  end(): Buffer {
    if (this.#tail === 'line') return END_AFTER_LINE
    return this.#tail === 'cr' ? END_AFTER_CR : END_AFTER_TEXT
  }

  /** Place of a dot that begins a line because of what the chunk before ended with, or -1. */
  #dotAtSeam(chunk: Buffer): number {
    if (this.#tail === 'line' && chunk[0] === DOT) return 0
    if (this.#tail === 'cr' && chunk[0] === LF && chunk[1] === DOT) return 1
    return -1
  }

  #copy(chunk: Buffer, seam: number, firstLine: number): Buffer {
    const out = Buffer.allocUnsafe(chunk.length + Math.ceil(chunk.length / 3) + 1) // `CRLF.` again and again is the worst
    let length = 0
    let from = 0
    const dotBefore = (at: number) => {
      length += chunk.copy(out, length, from, at)
      out[length++] = DOT
      from = at
    }
    if (seam >= 0) dotBefore(seam)
    for (let at = firstLine; at >= 0; at = chunk.indexOf(LINE_WITH_DOT, at + 2)) dotBefore(at + 2)
    length += chunk.copy(out, length, from)
    return out.subarray(0, length)
  }
}

function tailOf(chunk: Buffer, before: Tail): Tail {
  const last = chunk[chunk.length - 1]
  if (last === CR) return 'cr'
  if (last !== LF) return 'text'
  if (chunk.length === 1) return before === 'cr' ? 'line' : 'text'
  return chunk[chunk.length - 2] === CR ? 'line' : 'text'
}
