/**
 * The bytes of an APPEND as they may be stored: no letter in a mailbox holds NUL, a bare CR or a bare LF. Some clients and
 * import scripts send bare line feeds; such a line end becomes CRLF, everything else stays as it came, in the same pieces.
 */
import { APPEND_CHECK_BYTES } from '../limits.ts'

const CR = 0x0d
const LF = 0x0a
const NUL = 0x00
const CRLF = Buffer.from('\r\n')

/**
 * @param pause Awaited after each `APPEND_CHECK_BYTES`.
 * @returns Views of `pieces` where nothing had to change; null if there is a NUL.
 */
export async function appendBody(pieces: readonly Buffer[], pause: () => Promise<void>): Promise<Buffer[] | null> {
  const body: Buffer[] = []
  /** The piece before ended in CR, which is not in `body` yet. */
  let openCr = false
  let unpaused = 0
  for (const piece of pieces) {
    if (piece.includes(NUL)) return null
    if (piece.length === 0) continue
    let from = 0
    if (openCr) {
      body.push(CRLF)
      from = piece[0] === LF ? 1 : 0
    }
    openCr = piece[piece.length - 1] === CR && from < piece.length
    repair(piece.subarray(from, openCr ? piece.length - 1 : piece.length), body)
    unpaused += piece.length
    if (unpaused < APPEND_CHECK_BYTES) continue
    unpaused = 0
    await pause()
  }
  if (openCr) body.push(CRLF)
  return body
}

/** Appends `piece` with all its line ends as CRLF; it does not end in CR, nor begin in the middle of a CRLF. */
function repair(piece: Buffer, body: Buffer[]): void {
  let kept = 0
  let at = 0
  let cr = piece.indexOf(CR)
  let lf = piece.indexOf(LF)
  while (cr >= 0 || lf >= 0) {
    if (cr >= 0 && lf === cr + 1) at = lf + 1
    else {
      const bare = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf
      if (bare > kept) body.push(piece.subarray(kept, bare))
      body.push(CRLF)
      at = bare + 1
      kept = at
    }
    if (cr >= 0 && cr < at) cr = piece.indexOf(CR, at)
    if (lf >= 0 && lf < at) lf = piece.indexOf(LF, at)
  }
  if (kept < piece.length) body.push(kept === 0 ? piece : piece.subarray(kept))
}
