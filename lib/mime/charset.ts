/**
 * Bytes to Unicode. Never fails: an unknown or missing charset is read as UTF-8 where the bytes are valid UTF-8, else as
 * windows-1252. iconv-lite knows most charsets of mail; the seven-bit East Asian ones that shift are in shift-charset.ts. (The platform's
 * TextDecoder is not used: for some of them it throws on bad bytes even where it is asked to replace them.)
 */
import { isAscii, isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'
import { ShiftDecoder, shiftsOf } from './shift-charset.ts'

/** Decodes a text that comes in pieces; a character may lie across two. */
export interface CharsetDecoder {
  push(bytes: Uint8Array): string
  finish(): string
}

/** @param charset As in a `charset` parameter or an encoded word, in any case; null where none is named. */
export function charsetDecoder(charset: string | null): CharsetDecoder {
  const label = (charset ?? '').replace(/["'\s]/g, '').toLowerCase()
  const name = ALIASES.get(label) ?? label
  if (name === '' || !LABEL.test(name) || NOT_CHARSETS.has(name)) return new GuessDecoder()
  const shifts = shiftsOf(name)
  if (shifts !== null) return new ShiftDecoder(shifts)
  return iconv.encodingExists(name) ? new IconvDecoder(name) : new GuessDecoder()
}

/** All of a text at once. */
export function decodeCharset(bytes: Uint8Array, charset: string | null): string {
  if (isAscii(bytes) && isAsciiBased(charset)) return view(bytes).toString('latin1')
  const decoder = charsetDecoder(charset)
  return decoder.push(bytes) + decoder.finish()
}

/**
 * A field's value out of its raw bytes: unfolded (RFC 5322 section 2.2.3), trimmed, without CR, LF and NUL. Raw 8-bit text is
 * UTF-8 (RFC 6532), or whatever its sender used. RFC 2047 words are left.
 * @param fallback What the sender may have used; null: windows-1252.
 */
export function headerText(bytes: Uint8Array, fallback: string | null = null): string {
  if (isAscii(bytes)) return unfold(view(bytes).toString('latin1'))
  return unfold(decodeCharset(bytes, isUtf8(bytes) ? 'utf-8' : isUtf8Label(fallback) ? null : fallback))
}

function isUtf8Label(charset: string | null): boolean {
  return charset !== null && /^utf-?8$/i.test(charset.trim())
}

/** See `headerText`. */
export function unfold(text: string): string {
  const trimmed = text.trim()
  if (!BREAKS.test(trimmed)) return trimmed
  return trimmed.replace(/\r?\n(?=[ \t])/g, '').replace(/[\r\n\0]/g, ' ')
}

const BREAKS = /[\r\n\0]/
const LABEL = /^[a-z0-9][a-z0-9._:-]{0,50}$/
/** Names that say nothing, or that iconv-lite would read as something else than a charset. */
const NOT_CHARSETS: ReadonlySet<string> = new Set(
  'us-ascii ascii ansi_x3.4-1968 unknown-8bit x-unknown unknown default binary base64 hex internal none'.split(' '),
)
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['utf8', 'utf-8'],
  ['iso-8859-1', 'windows-1252'], // everybody who says the one means the other; RFC 1345 agrees on the rest
  ['latin1', 'windows-1252'],
  ['x-gbk', 'gbk'],
  ['gb2312', 'gb18030'], // senders say GB2312 and use GBK, whose superset GB18030 is
  ['gbk', 'gb18030'],
  ['gb_2312-80', 'gb18030'],
  ['x-sjis', 'shift_jis'],
  ['x-euc-jp', 'euc-jp'],
  ['x-big5', 'big5'],
  ['unicode-1-1-utf-7', 'utf-7'],
  ['ks_c_5601-1987', 'cp949'],
  ['euc-kr', 'cp949'],
  ['csiso2022jp', 'iso-2022-jp'],
  ['csiso2022kr', 'iso-2022-kr'],
  ['cn-gb', 'gb18030'],
  ['cn-big5', 'big5'],
  ['iso-8859-8-i', 'iso-8859-8'], // RFC 1556: the letters mean an order, not other characters
  ['iso-8859-6-i', 'iso-8859-6'],
])

function isAsciiBased(charset: string | null): boolean {
  return charset === null || !/utf-?(7|16|32)|ucs|2022|hz|ebcdic|cp?(037|500|1047)/i.test(charset)
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

class IconvDecoder implements CharsetDecoder {
  readonly #decoder: { write(bytes: Uint8Array): string; end(): string | undefined }

  constructor(name: string) {
    this.#decoder = iconv.getDecoder(name)
  }

  push(bytes: Uint8Array): string {
    return this.#decoder.write(view(bytes))
  }

  finish(): string {
    return this.#decoder.end() ?? ''
  }
}

/** UTF-8 until a byte says otherwise, from then on windows-1252. */
class GuessDecoder implements CharsetDecoder {
  #held: Buffer = Buffer.alloc(0)
  #fallback: CharsetDecoder | null = null

  push(bytes: Uint8Array): string {
    if (this.#fallback !== null) return this.#fallback.push(bytes)
    const all = this.#held.length === 0 ? view(bytes) : Buffer.concat([this.#held, bytes])
    const whole = all.length - unfinishedBytes(all)
    const known = all.subarray(0, whole)
    if (!isUtf8(known)) return this.#fallBack(all)
    this.#held = Buffer.from(all.subarray(whole))
    return known.toString('utf8')
  }

  finish(): string {
    if (this.#fallback !== null) return this.#fallback.finish()
    return this.#held.length === 0 ? '' : this.#fallBack(this.#held)
  }

  #fallBack(bytes: Buffer): string {
    this.#fallback = new IconvDecoder('windows-1252')
    return this.#fallback.push(bytes)
  }
}

/** How many bytes at the end begin a UTF-8 character that is not all there (RFC 3629 section 3). */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}
