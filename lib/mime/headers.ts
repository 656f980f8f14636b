/**
 * A header block: its fields in their original order, each with its exact bytes. Values are unfolded only when asked for.
 * A field begins where a line does not begin with a space or tab; the block ends at its first blank line or its last byte.
 */
import { isAscii } from 'node:buffer'
import { headerText, unfold } from './charset.ts'
import { LINE_HEAD_BYTES_MAX } from './limits.ts'

export interface HeaderField {
  /** As spelled; empty for a line that is no field (an mbox `From ` line). */
  readonly name: string
  /** The name in lower case. */
  readonly key: string
  /** First byte of the name, within the block. */
  readonly start: number
  /** After the colon. */
  readonly valueStart: number
  /** After the last line end of the field, folded lines included. */
  readonly end: number
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a

export class Headers {
  /** In the order of the message. */
  readonly fields: readonly HeaderField[]
  /** The block itself, not copied. */
  readonly bytes: Buffer
  /** One character per byte: text for most headers, a map of the block for those with 8-bit bytes. */
  readonly #latin1: string
  readonly #isAscii: boolean
  /** Where the blank line begins; the end of the block if it has none. */
  readonly #blankStart: number

  /** @param block From the first byte of the header, with or without the blank line that ends it. Kept, not copied. */
  constructor(block: Uint8Array) {
    this.bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength)
    this.#latin1 = this.bytes.toString('latin1')
    this.#isAscii = isAscii(this.bytes)
    const { fields, end } = cut(this.#latin1)
    this.fields = fields
    this.#blankStart = end
  }

  /** No byte of it is above 127. */
  get ascii(): boolean {
    return this.#isAscii
  }

  /** The value of the first field of that name (in any case), unfolded and trimmed; null if there is none. */
  first(name: string): string | null {
    const key = name.toLowerCase()
    for (const field of this.fields) if (field.key === key) return this.value(field)
    return null
  }

  /** The values of all fields of that name (in any case), in order, unfolded and trimmed. */
  all(name: string): string[] {
    const key = name.toLowerCase()
    const values: string[] = []
    for (const field of this.fields) if (field.key === key) values.push(this.value(field))
    return values
  }

  /**
   * Unfolded and trimmed, see `headerText`; RFC 2047 words are left. Raw text that is not UTF-8 is taken to be in the charset
   * that the block's own Content-Type names: senders of such headers use one charset for all.
   */
  value(field: HeaderField): string {
    const raw = this.#latin1.slice(field.valueStart, field.end)
    if (this.#isAscii) return unfold(raw)
    return headerText(this.bytes.subarray(field.valueStart, field.end), this.#charset())
  }

  #charset(): string | null {
    const field = this.fields.find(({ key }) => key === 'content-type')
    if (field === undefined) return null
    const named = /[; \t\n]charset[ \t]*=[ \t]*"?([^\s";]+)/i.exec(this.#latin1.slice(field.valueStart, field.end))
    return named?.[1] ?? null
  }

  /** The exact bytes of one field, with its folding and line end. A view. */
  raw(field: HeaderField): Buffer {
    return this.bytes.subarray(field.start, field.end)
  }

  /** HEADER.FIELDS: the exact bytes of the fields with one of these names (in any case), in order, then the blank line if the block has one. */
  pick(names: readonly string[]): Buffer {
    const wanted = lowered(names)
    return this.#select((field) => wanted.has(field.key))
  }

  /** HEADER.FIELDS.NOT: the exact bytes of all other fields, in order, then the blank line if the block has one. */
  omit(names: readonly string[]): Buffer {
    const unwanted = lowered(names)
    return this.#select((field) => field.name === '' || !unwanted.has(field.key))
  }

  #select(wanted: (field: HeaderField) => boolean): Buffer {
    const pieces = this.fields.filter(wanted).map((field) => this.raw(field))
    pieces.push(this.bytes.subarray(this.#blankStart)) // RFC 9051 section 6.4.5.1: subsetting keeps the blank line
    return Buffer.concat(pieces)
  }
}

/** Where in a header a line stands: before any other of a message's or a part's header, or after one. */
export type HeaderState = 'message-start' | 'part-start' | 'begun'

/**
 * Whether the line between `start` and `end` belongs to a header: it begins a field, or continues one. The first line of which
 * that cannot be said ends the header, blank or not.
 * @param end Without the line end; of a long line LINE_HEAD_BYTES_MAX bytes are looked at.
 */
export function isHeaderLine(bytes: Buffer, start: number, end: number, state: HeaderState): boolean {
  const first = bytes[start]
  if (state === 'begun' && (first === SPACE || first === TAB)) return start < end
  if (beginsField(bytes, start, end)) return true
  return state === 'message-start' && MBOX_FROM.test(bytes.toString('latin1', start, Math.min(end, start + 6)))
}

/**
 * Where the header of a message ends (`root.headerEnd`), out of its first bytes; null if they do not reach that far.
 * @param whole Whether `bytes` is all of the message.
 */
export function findHeaderEnd(bytes: Uint8Array, whole: boolean): number | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let state: HeaderState = 'message-start'
  let at = 0
  while (at < buffer.length) {
    const lf = buffer.indexOf(LF, at)
    if (lf < 0 && !whole) return null
    const next = lf < 0 ? buffer.length : lf + 1
    let end = lf < 0 ? next : lf
    if (end > at && buffer[end - 1] === CR) end--
    if (end === at) return next
    if (!isHeaderLine(buffer, at, Math.min(end, at + LINE_HEAD_BYTES_MAX), state)) return at
    state = 'begun'
    at = next
  }
  return whole ? at : null
}

/** What mbox files leave in front of a header. */
const MBOX_FROM = /^>?From /

/** A name of printable ASCII, then a colon (RFC 5322 section 2.2), perhaps after spaces (section 4.5). */
function beginsField(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end && isNameByte(bytes[at])) at++
  if (at === start) return false
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++
  return at < end && bytes[at] === COLON
}

function isNameByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > SPACE && byte < 0x7f && byte !== COLON
}

/** What `beginsField` accepts, with the name taken out. */
const FIELD_NAME = /^([!-9;-~]+)[ \t]*:/

function cut(block: string): { fields: HeaderField[]; end: number } {
  const fields: HeaderField[] = []
  let at = 0
  while (at < block.length) {
    const first = block.charCodeAt(at)
    if (first === LF || (first === CR && (at + 1 === block.length || block.charCodeAt(at + 1) === LF))) break
    const start = at
    at = nextLine(block, at)
    const name = FIELD_NAME.exec(block.slice(start, at))?.[1] ?? ''
    const valueStart = name === '' ? start : block.indexOf(':', start + name.length) + 1
    while (isSpace(block.charCodeAt(at))) at = nextLine(block, at)
    fields.push({ name, key: name.toLowerCase(), start, valueStart, end: at })
  }
  return { fields, end: at }
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}

function nextLine(block: string, at: number): number {
  const lf = block.indexOf('\n', at)
  return lf < 0 ? block.length : lf + 1
}

function lowered(names: readonly string[]): Set<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}
