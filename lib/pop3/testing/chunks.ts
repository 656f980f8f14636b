/** Cuts bytes at places drawn by a property test, and undoes byte-stuffing the way a client does. */
import * as fc from 'fast-check'

/** Pieces of `bytes` in order, each a copy of its own: cut points are fractions of the length. */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((fraction) => Math.floor(fraction * bytes.length)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => Buffer.from(bytes.subarray(places[index], end)))
}

export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

/** Text made of what byte-stuffing has to look at. */
export const dottedText = fc
  .array(fc.constantFrom('.', '\r\n', '\r\n.', 'a', '\r', '\n', '..', '\r\n.\r\n', 'word'), { maxLength: 60 })
  .map((parts) => Buffer.from(parts.join('')))

/** The message in a multi-line answer, its last line end kept; null if the answer does not end where it should. */
export function unstuff(answer: Buffer): Buffer | null {
  const text = `\r\n${answer.toString('latin1')}`
  const end = text.indexOf('\r\n.\r\n')
  if (end < 0 || end + 5 !== text.length) return null
  return Buffer.from(
    text
      .slice(0, end + 2)
      .replaceAll('\r\n.', '\r\n')
      .slice(2),
    'latin1',
  )
}
