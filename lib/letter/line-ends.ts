/**
 * Line ends of a letter that arrives in chunks. No stored or sent letter holds a bare CR, a bare LF or NUL (rules.md): what
 * comes from outside is checked and refused as a whole, because repairing it would let two servers see two different
 * letters; what our own users submit is repaired (RFC 6409 section 8).
 * Both look for the few bytes that matter with native searches and never walk over a body byte by byte.
 */

const CR = 0x0d
const LF = 0x0a
const NUL = 0
const CRLF = Buffer.from('\r\n')

export type LineEndFault = 'bare-cr' | 'bare-lf' | 'nul'

/** The first fault in `chunk`, whose last byte may be a CR that the next chunk completes. @param afterCr The byte before it was CR. */
function findFault(chunk: Buffer, afterCr: boolean): LineEndFault | null {
  if (chunk.length === 0) return null
  if (chunk.includes(NUL)) return 'nul'
  let from = 0
  if (afterCr) {
    if (chunk[0] !== LF) return 'bare-cr'
    from = 1
  }
  for (;;) {
    const cr = chunk.indexOf(CR, from)
    const lf = chunk.indexOf(LF, from)
    if (cr === -1) return lf === -1 ? null : 'bare-lf'
    if (lf === -1) return cr === chunk.length - 1 ? null : 'bare-cr'
    if (lf < cr) return 'bare-lf'
    if (lf > cr + 1) return 'bare-cr'
    from = lf + 1
  }
}

/** Says whether a letter keeps RFC 5321 section 2.3.8 (lines end with CRLF, CR and LF occur nowhere else) and holds no NUL. */
export class LineEndChecker {
  #afterCr = false
  #fault: LineEndFault | null = null

  /** Reads, never keeps or changes, the next bytes. */
  push(chunk: Buffer): void {
    if (this.#fault !== null || chunk.length === 0) return
    this.#fault = findFault(chunk, this.#afterCr)
    this.#afterCr = chunk[chunk.length - 1] === CR
  }

  /** What is known so far. */
  get fault(): LineEndFault | null {
    return this.#fault
  }

  /** The verdict on the whole letter. */
  end(): LineEndFault | null {
    if (this.#fault === null && this.#afterCr) this.#fault = 'bare-cr'
    return this.#fault
  }
}

/** Makes every CR, LF and CRLF a CRLF and leaves NUL out. Chunks that are right already pass through uncopied. */
export class LineEndNormaliser {
  #heldCr = false

  /** Takes ownership of `chunk`; @returns pieces to be used in order, perhaps none. */
  push(chunk: Buffer): Buffer[] {
    if (chunk.length === 0) return []
    const faulty = findFault(chunk, this.#heldCr) !== null
    const pieces: Buffer[] = []
    let body = chunk
    if (this.#heldCr) {
      pieces.push(CRLF) // whatever follows, the held CR was a line end
      if (chunk[0] === LF) body = chunk.subarray(1)
    }
    this.#heldCr = body[body.length - 1] === CR
    if (this.#heldCr) body = body.subarray(0, -1)
    if (body.length > 0) pieces.push(faulty ? normalise(body) : body)
    return pieces
  }

  end(): Buffer[] {
    if (!this.#heldCr) return []
    this.#heldCr = false
    return [CRLF]
  }
}

function normalise(bytes: Buffer): Buffer {
  const text = bytes
    .toString('latin1')
    .replace(/\r\n|\r|\n/g, '\r\n')
    .replaceAll('\0', '')
  return Buffer.from(text, 'latin1')
}
