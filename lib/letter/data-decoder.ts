/**
 * What follows the 354 reply to DATA (RFC 5321 sections 4.1.1.4 and 4.5.2): finds the end, CRLF.CRLF, and takes away the
 * dot that the sender put before lines that begin with one. Only CRLF begins a line here: a dot behind a bare LF or CR is
 * content and neither ends the letter nor is removed, so that no other reading of the stream can smuggle commands in.
 * Works within the chunk it is given, so that a body of dotted lines costs no more objects than any other.
 */

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const LINE_AND_DOT = Buffer.from('\r\n.')
const HELD_CR = Buffer.from('\r')

type State =
  /** Inside a line. */
  | 'line'
  | 'cr'
  /** At the beginning of a line; so is the beginning of the data. */
  | 'line-start'
  /** At the beginning of a line, and a dot was taken away. */
  | 'dot'
  /** The same, then a CR, which is not given out yet. */
  | 'dot-cr'

export class DataDecoder {
  #state: State = 'line-start'

  /**
   * @param chunk The decoder's own: it is changed in place, and what is given out are views into it.
   * @param give Called with content in order, never with an empty piece.
   * @returns Offset in `chunk` of the first byte behind the end of the data, or -1 when the end is still to come.
   */
  push(chunk: Buffer, give: (piece: Buffer) => void): number {
    const begin = this.#pastBorder(chunk, give)
    if (begin < 0) return -begin - 1 // the end lay at the border
    let read = begin
    let write = begin
    const keep = (to: number) => {
      if (write !== read) chunk.copyWithin(write, read, to)
      write += to - read
      read = to
    }
    const flush = () => {
      if (write > begin) give(chunk.subarray(begin, write))
    }
    while (read < chunk.length) {
      const found = chunk.indexOf(LINE_AND_DOT, read)
      if (found === -1) break
      keep(found + 2)
      const second = chunk[read + 1]
      if (second === CR && chunk[read + 2] === LF) {
        flush()
        this.#state = 'line-start'
        return read + 3
      }
      read++ // RFC 5321 section 4.5.2: the first character is deleted
      if (second === undefined) return this.#stop('dot', flush)
      if (second === CR && read + 1 === chunk.length) return this.#stop('dot-cr', flush)
    }
    if (read < chunk.length) {
      this.#state = endState(chunk, read)
      keep(chunk.length)
    }
    flush()
    return -1
  }

  #stop(state: State, flush: () => void): -1 {
    this.#state = state
    flush()
    return -1
  }

  /** Settles what the former chunk left open. @returns Where to go on in `chunk`, or `-(offset behind the end) - 1`. */
  #pastBorder(chunk: Buffer, give: (piece: Buffer) => void): number {
    let at = 0
    for (; at < chunk.length; at++) {
      const byte = chunk[at]
      switch (this.#state) {
        case 'line':
          return at
        case 'cr':
          if (byte !== LF) return this.#inLine(at)
          give(chunk.subarray(at, at + 1))
          this.#state = 'line-start'
          break
        case 'line-start':
          if (byte !== DOT) return this.#inLine(at)
          this.#state = 'dot'
          break
        case 'dot':
          if (byte !== CR) return this.#inLine(at)
          this.#state = 'dot-cr'
          break
        case 'dot-cr':
          if (byte === LF) {
            this.#state = 'line-start'
            return -(at + 1) - 1
          }
          give(HELD_CR)
          return this.#inLine(at)
        default:
          return this.#state satisfies never
      }
    }
    return at
  }

  #inLine(at: number): number {
    this.#state = 'line'
    return at
  }
}

/** The state behind the rest of a chunk, `from` on, in which no line begins with a dot. That rest begins inside a line. */
function endState(chunk: Buffer, from: number): State {
  const last = chunk[chunk.length - 1]
  if (last === CR) return 'cr'
  const afterCr = chunk.length - from >= 2 && chunk[chunk.length - 2] === CR
  return last === LF && afterCr ? 'line-start' : 'line'
}
