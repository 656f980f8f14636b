/**
 * Strings as IMAP writes them (RFC 9051 section 4.3). Text of responses holds code units 0..255, one per byte, until it is written as
 * latin1: `binaryString()` makes such text of a JavaScript string.
 */

// What a quoted string may hold without escapes: printable US-ASCII but '"' and '\'.
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const QUOTABLE = /^[\x01-\x09\x0b\x0c\x0e-\x7f]*$/
const ATOM = /^[^\x00-\x20(){%*"\\\]\x7f-\xff]+$/
/** Longer strings are written as literals: clients have line limits too. */
const QUOTED_BYTES_MAX = 1024

/** @param text Code units 0..255. 8-bit, CR, LF and long text become a literal; NUL, which IMAP cannot say, becomes `?`. */
export function quoteOrLiteral(text: string): string {
  if (text.length <= QUOTED_BYTES_MAX) {
    if (PLAIN.test(text)) return `"${text}"`
    if (QUOTABLE.test(text)) return `"${text.replace(/["\\]/g, '\\$&')}"`
  }
  const safe = text.includes('\0') ? text.replaceAll('\0', '?') : text
  return `{${safe.length}}\r\n${safe}`
}

export function nstring(text: string | null): string {
  return text === null ? 'NIL' : quoteOrLiteral(text)
}

/** The shortest form of an astring. */
export function astring(text: string): string {
  return ATOM.test(text) ? text : quoteOrLiteral(text)
}

/** UTF-8 bytes of `text` as code units 0..255. */
export function binaryString(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** One line of text for the end of a response, whatever a message holds. */
export function responseText(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return line === '' ? 'Done' : line
}
