/**
 * Modified UTF-7, the wire form of mailbox names (RFC 3501 section 5.1.3). Strict: each name has exactly one encoded form, so that two
 * spellings never name one mailbox.
 */

const SHIFTED = /&([A-Za-z0-9+,]*)-/g
const DIRECT = /^[\x20-\x25\x27-\x7e]*$/
const NEEDS_SHIFT = /[^\x20-\x7e]+/g

/** The name as Unicode, or null if `wire` is not valid modified UTF-7. */
export function decodeMutf7(wire: string): string | null {
  if (!/^[\x20-\x7e]*$/.test(wire)) return null
  if (!wire.includes('&')) return wire
  let name = ''
  let at = 0
  let shiftEnd = -1
  for (const match of wire.matchAll(SHIFTED)) {
    const direct = wire.slice(at, match.index)
    if (!DIRECT.test(direct)) return null
    const base64 = match[1] ?? ''
    name += direct
    if (base64 === '') name += '&'
    else {
      // "&Jjo-&Jjo-" has a superfluous shift.
      if (match.index === shiftEnd) return null
      const text = decodeShifted(base64)
      if (text === null) return null
      name += text
      shiftEnd = match.index + match[0].length
    }
    at = match.index + match[0].length
  }
  const tail = wire.slice(at)
  return DIRECT.test(tail) ? name + tail : null
}

/** `name` in its wire form; text that is not well-formed Unicode gets U+FFFD. */
export function encodeMutf7(name: string): string {
  if (DIRECT.test(name)) return name
  return name
    .toWellFormed()
    .replaceAll('&', '&-')
    .replace(NEEDS_SHIFT, (text) => `&${encodeShifted(text)}-`)
}

function decodeShifted(base64: string): string | null {
  const bytes = Buffer.from(base64.replaceAll(',', '/'), 'base64')
  if (bytes.length % 2 !== 0) return null
  const text = bytes.swap16().toString('utf16le')
  // Printable US-ASCII stands for itself, halves of surrogate pairs for nothing; bits beyond the last unit are zero.
  if (!text.isWellFormed() || /[\x20-\x7e]/.test(text) || encodeShifted(text) !== base64) return null
  return text
}

function encodeShifted(text: string): string {
  return Buffer.from(text, 'utf16le').swap16().toString('base64').replace(/=+$/, '').replaceAll('/', ',')
}
