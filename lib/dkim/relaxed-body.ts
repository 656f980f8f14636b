/**
 * The canonicalization `relaxed` of a body (RFC 6376 section 3.4.4), in pieces: runs of blanks become one, blanks at the end of a line and
 * empty lines at the end of the body go. Holds nothing but what is still undecided; how the body is cut changes nothing.
 */

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const WAITING_BYTES_MAX = 4
const CRLF = Buffer.from('\r\n')
/** Empty lines that turn out to count are given on in blocks of so many. */
const LINE_ENDS = Buffer.from('\r\n'.repeat(4_096))

export class RelaxedBody {
  readonly #give: (bytes: Uint8Array) => void
  /** The last byte was a CR whose LF is still to come. */
  #cr = false
  #blank = false
  /** Line ends behind the last byte that counts: they count if another one follows. */
  #lineEnds = 0
  #isEmpty = true
  #scratch = Buffer.alloc(0)

  /** @param give Takes what is to be hashed; the bytes are good during the call only. */
  constructor(give: (bytes: Uint8Array) => void) {
    this.#give = give
  }

  push(piece: Uint8Array): void {
    // What may wait from the piece before: a line end, a blank and a CR.
    if (this.#scratch.length < piece.length + WAITING_BYTES_MAX) {
      this.#scratch = Buffer.allocUnsafe(piece.length + WAITING_BYTES_MAX)
    }
    const out = this.#scratch
    let length = 0
    for (const byte of piece) {
      if (byte === LF && this.#cr) {
        this.#cr = false
        this.#blank = false
        this.#lineEnds++
        continue
      }
      if (byte === CR && !this.#cr) {
        this.#cr = true
        continue
      }
      if ((byte === SPACE || byte === TAB) && !this.#cr) {
        this.#blank = true
        continue
      }
      if (this.#lineEnds === 1) {
        out[length++] = CR
        out[length++] = LF
      } else if (this.#lineEnds > 1) {
        this.#give(out.subarray(0, length))
        length = 0
        for (let left = this.#lineEnds * CRLF.length; left > 0; left -= LINE_ENDS.length) {
          this.#give(LINE_ENDS.subarray(0, left))
        }
      }
      this.#lineEnds = 0
      if (this.#blank) out[length++] = SPACE
      this.#blank = false
      // A bare CR is a byte like others; letters with one are not sent at all.
      if (this.#cr) out[length++] = CR
      this.#cr = false
      this.#isEmpty = false
      if (byte === SPACE || byte === TAB) this.#blank = true
      else if (byte === CR) this.#cr = true
      else out[length++] = byte
    }
    if (length > 0) this.#give(out.subarray(0, length))
  }

  end(): void {
    if (!this.#isEmpty) this.#give(CRLF)
  }
}
