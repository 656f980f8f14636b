/** RFC 2047 encoded words: `=?charset?B?...?=` and `=?charset?Q?...?=`. */
import { decodeCharset } from './charset.ts'

/** Spaces in the text are not allowed, but written; a charset may carry a language (RFC 2231 section 5). */
const WORD = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?]*)\?=/gi

/**
 * `text` with its encoded words decoded; what is no proper word stays as it is. White space between two words is dropped
 * (RFC 2047 section 6.2), and the bytes of adjacent words of one charset are joined before they are decoded, because many
 * senders cut a character in two. The result may contain anything, line ends and NUL included: they become spaces.
 */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text
  let decoded = ''
  let from = 0
  let charset = ''
  let bytes: Buffer[] = []
  const flush = () => {
    if (bytes.length > 0) decoded += decodeCharset(Buffer.concat(bytes), charset).replace(/[\r\n\0]+/g, ' ')
    bytes = []
  }
  for (const match of text.matchAll(WORD)) {
    const [word, label = '', encoding = '', content = ''] = match
    const between = text.slice(from, match.index)
    const adjacent = bytes.length > 0 && /^\s*$/.test(between)
    if (!adjacent || label.toLowerCase() !== charset) flush()
    if (!adjacent) decoded += between
    charset = label.toLowerCase()
    bytes.push(encoding.toLowerCase() === 'b' ? Buffer.from(content, 'base64') : decodeQ(content))
    from = match.index + word.length
  }
  flush()
  return decoded + text.slice(from)
}

/** RFC 2047 section 4.2. */
function decodeQ(content: string): Buffer {
  const plain = content.replaceAll('_', ' ')
  if (!plain.includes('=')) return Buffer.from(plain)
  const pieces: Buffer[] = []
  let from = 0
  for (const match of plain.matchAll(/(?:=[0-9a-f]{2})+/gi)) {
    pieces.push(Buffer.from(plain.slice(from, match.index)), Buffer.from(match[0].replaceAll('=', ''), 'hex'))
    from = match.index + match[0].length
  }
  pieces.push(Buffer.from(plain.slice(from)))
  return Buffer.concat(pieces)
}
