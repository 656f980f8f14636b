/** RFC 5321 section 4.5.2: a dot before every line that begins with one. Pieces without such lines pass through uncopied. */
const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const DOT_BYTES = Buffer.of(DOT)

export class DotStuffer {
  /** Where the next byte stands: at the begin of a line, behind a CR, or within one. */
  #at: 'line' | 'cr' | 'text' = 'line'

  /** @returns Pieces to write, views of `piece`. */
  push(piece: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    let from = 0
    let dot =
      this.#at === 'line' && piece[0] === DOT ? 0 : this.#at === 'cr' && piece[0] === LF && piece[1] === DOT ? 1 : -1
    if (dot === -1) dot = nextDot(piece, 0)
    while (dot !== -1) {
      pieces.push(piece.subarray(from, dot), DOT_BYTES)
      from = dot
      dot = nextDot(piece, dot)
    }
    pieces.push(piece.subarray(from))
    this.#keep(piece)
    return pieces.filter(({ length }) => length > 0)
  }

  /** What ends the letter: CRLF if its last line has none, then the dot. */
  end(): Buffer {
    return Buffer.from(this.#at === 'line' ? '.\r\n' : '\r\n.\r\n')
  }

  #keep(piece: Buffer): void {
    const { length } = piece
    if (length === 0) return
    const last = piece[length - 1]
    const before = length > 1 ? piece[length - 2] : this.#at === 'cr' ? CR : 0
    this.#at = last === CR ? 'cr' : last === LF && before === CR ? 'line' : 'text'
  }
}

/** Place of the next dot behind a CRLF that lies in `piece` from `from` on. */
function nextDot(piece: Buffer, from: number): number {
  const at = piece.indexOf('\r\n.', from, 'latin1')
  return at === -1 ? -1 : at + 2
}
