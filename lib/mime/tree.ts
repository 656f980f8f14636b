/**
 * Builds the tree of parts from what the scanner finds: ends of headers, boundary lines, the end of the message. Knows which
 * parts are open and which boundaries may come; sees no bytes of bodies.
 *
 * Only the innermost open part can be in its header; a part is made when it is closed, its children first.
 */
import { known } from '#lib/errors/assert.ts'
import { Budget } from './budget.ts'
import { type Content, OPAQUE, readContent, TEXT_PLAIN } from './content.ts'
import { envelope } from './envelope.ts'
import { type HeaderState, Headers } from './headers.ts'
import { BOUNDARY_BYTES_MAX, HEADER_BYTES_MAX, HEADER_BYTES_TOTAL_MAX, NESTING_MAX, PARTS_MAX } from './limits.ts'
import { parameter } from './parameters.ts'
import type { Envelope, MimeMessage, MimePart } from './types.ts'

/** A place between two lines. */
export interface LinePlace {
  readonly offset: number
  /** Line ends before `offset`. */
  readonly lines: number
  /** Bytes of the line end just before `offset`: 2, 1, or 0 at the beginning of the message and after a last line without one. */
  readonly lineEndBytes: number
  /** Whether the line before `offset` is empty. */
  readonly afterBlank: boolean
}

export interface Delimiter {
  /** Which of the open parts it belongs to. */
  readonly level: number
  /** Whether it is the last one (RFC 2046 section 5.1.1: two more hyphens). */
  readonly closing: boolean
}

const HYPHEN = 0x2d

interface OpenPart {
  readonly headerStart: number
  /** Whether its header is that of a message: it then has an envelope. */
  readonly isRoot: boolean
  readonly inDigest: boolean
  /** Set by `endHeader`. */
  headerEnd: number
  headerLines: number
  content: Content | null
  envelope: Envelope | null
  /** Null if this is no multipart, or its last boundary has been seen. */
  boundary: string | null
  /** Whether limits keep it shut. */
  opaque: boolean
  readonly parts: MimePart[]
  embedded: MimeMessage | null
}

export class TreeBuilder {
  readonly #stack: OpenPart[] = []
  /** Levels at which a boundary is open, innermost last. */
  readonly #boundaries = new Map<string, number[]>()
  /** How many open boundaries begin with a byte, and have a length: this rules out most lines with two hyphens. */
  #byFirstByte: number[] = []
  #byLength: number[] = []
  readonly #budget = new Budget()
  #partsLeft = PARTS_MAX
  #held: Buffer = Buffer.allocUnsafe(2048)
  #heldLength = 0
  #heldLeft = HEADER_BYTES_TOTAL_MAX
  #heldFull = false
  #inHeader = false
  #message: MimeMessage | null = null

  constructor() {
    this.#open(0, true, false)
  }

  /** Whether the innermost part is in its header. */
  get inHeader(): boolean {
    return this.#inHeader
  }

  /** Whether any boundary line can come. */
  get hasBoundaries(): boolean {
    return this.#boundaries.size > 0
  }

  /** What the next line may be if it belongs to the current header. */
  get headerState(): HeaderState {
    if (this.#heldLength > 0 || this.#heldFull) return 'begun'
    return this.#stack.at(-1)?.isRoot ? 'message-start' : 'part-start'
  }

  mayBeginBoundary(byte: number): boolean {
    return (this.#byFirstByte[byte] ?? 0) > 0
  }

  /** Takes a line of the current header, or a piece of one; copied. What exceeds the limits is ignored. */
  hold(bytes: Buffer, start: number, end: number): void {
    const more = end - start
    const length = this.#heldLength + more
    if (this.#heldFull || length > HEADER_BYTES_MAX || more > this.#heldLeft) {
      this.#heldFull = true
      return
    }
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.#held.length * 2))
      this.#held.copy(grown, 0, 0, this.#heldLength)
      this.#held = grown
    }
    bytes.copy(this.#held, this.#heldLength, start, end)
    this.#heldLength = length
    this.#heldLeft -= more
  }

  /** The boundary line whose text after two hyphens lies between `start` and `end`; null if it is none. */
  delimiter(bytes: Buffer, start: number, end: number): Delimiter | null {
    // The whole line but padding must be the boundary, as in the grammar of RFC 2046 section 5.1.1. Its prose asks for the
    // beginning of the line only, but then a boundary that begins with another one would close the wrong part.
    let textEnd = end
    while (textEnd > start && isPadding(bytes[textEnd - 1])) textEnd--
    const length = textEnd - start
    const mayClose = length > 2 && bytes[textEnd - 1] === HYPHEN && bytes[textEnd - 2] === HYPHEN
    if (this.#byLength[length] || (mayClose && this.#byLength[length - 2])) {
      const text = bytes.toString('latin1', start, textEnd)
      const level = this.#boundaries.get(text)?.at(-1)
      if (level !== undefined) return { level, closing: false }
      const closed = mayClose ? this.#boundaries.get(text.slice(0, -2))?.at(-1) : undefined
      if (closed !== undefined) return { level: closed, closing: true }
    }
    return null
  }

  /** The current header ends; the next line is the first of the body, which may be a header again. */
  endHeader(place: LinePlace): void {
    const part = known(this.#stack.at(-1), 'a part is open')
    const headers = new Headers(this.#held.subarray(0, this.#heldLength))
    const content = readContent(headers, part.inDigest, this.#budget)
    if (part.isRoot) part.envelope = envelope(headers, this.#budget)
    part.headerEnd = place.offset
    part.headerLines = place.lines
    part.content = content
    this.#heldLength = 0
    this.#heldFull = false
    this.#inHeader = false
    const deep = this.#stack.length > NESTING_MAX
    if (content.type === 'multipart') {
      part.opaque = deep
      if (!deep) this.#register(part, parameter(content.params, 'boundary'))
    } else if (isMessage(content)) {
      part.opaque = deep || this.#partsLeft === 0
      if (!part.opaque) this.#open(place.offset, true, false)
    }
  }

  /**
   * A boundary line.
   * @param place Its beginning.
   * @param next The offset of the line after it.
   */
  takeDelimiter({ level, closing }: Delimiter, place: LinePlace, next: number): void {
    if (!closing && this.#partsLeft === 0) {
      // the last part that fits takes everything that follows
      this.#boundaries.clear()
      this.#byFirstByte = []
      this.#byLength = []
      return
    }
    this.#endHeaders(place)
    // RFC 2046 section 5.1.1: the line end before a boundary belongs to the boundary
    while (this.#stack.length > level + 1) this.#close(place, place.offset - place.lineEndBytes)
    const multipart = known(this.#stack[level], 'the multipart is open')
    if (closing) this.#unregister(multipart, level)
    else this.#open(next, false, multipart.content?.subtype === 'digest')
  }

  /** The end of the bytes. */
  finish(place: LinePlace): MimeMessage {
    this.#endHeaders(place)
    while (this.#stack.length > 0) this.#close(place, place.offset)
    return known(this.#message, 'the message was closed')
  }

  /** A header that was cut off may open an embedded message, whose header is then cut off too. */
  #endHeaders(place: LinePlace): void {
    while (this.#inHeader) this.endHeader(place)
  }

  #open(headerStart: number, isRoot: boolean, inDigest: boolean): void {
    this.#partsLeft--
    this.#stack.push({
      headerStart,
      isRoot,
      inDigest,
      headerEnd: headerStart,
      headerLines: 0,
      content: null,
      envelope: null,
      boundary: null,
      opaque: false,
      parts: [],
      embedded: null,
    })
    this.#inHeader = true
  }

  /** @param end Where its body ends, unless its header or a child ends later. */
  #close(place: LinePlace, end: number): void {
    const level = this.#stack.length - 1
    const part = known(this.#stack.pop(), 'a part is open')
    this.#unregister(part, level)
    const made = makePart(part, place, end)
    const parent = this.#stack.at(-1)
    if (!part.isRoot) {
      known(parent, 'a part has a parent').parts.push(made)
      return
    }
    const message = { envelope: known(part.envelope, 'the header was read'), root: made }
    if (parent === undefined) this.#message = message
    else parent.embedded = message
  }

  #register(part: OpenPart, boundary: string | null): void {
    // as the bytes of the line will be compared; RFC 2046 section 5.1.1: a boundary does not end with a space
    const text = Buffer.from(boundary ?? '')
      .toString('latin1')
      .trimEnd()
    if (text === '' || text.length > BOUNDARY_BYTES_MAX) return
    part.boundary = text
    const level = this.#stack.length - 1
    const levels = this.#boundaries.get(text)
    if (levels === undefined) this.#boundaries.set(text, [level])
    else levels.push(level)
    this.#count(text, 1)
  }

  #unregister(part: OpenPart, level: number): void {
    if (part.boundary === null) return
    const levels = this.#boundaries.get(part.boundary)
    if (levels?.at(-1) === level) {
      levels.pop()
      if (levels.length === 0) this.#boundaries.delete(part.boundary)
      this.#count(part.boundary, -1)
    }
    part.boundary = null
  }

  #count(boundary: string, change: number): void {
    const first = boundary.charCodeAt(0)
    this.#byFirstByte[first] = (this.#byFirstByte[first] ?? 0) + change
    this.#byLength[boundary.length] = (this.#byLength[boundary.length] ?? 0) + change
  }
}

function isPadding(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09
}

function isMessage({ type, subtype }: Content): boolean {
  return type === 'message' && (subtype === 'rfc822' || subtype === 'global') // RFC 6532 section 3.7
}

function makePart(part: OpenPart, place: LinePlace, end: number): MimePart {
  const content = known(part.content, 'the header was read')
  const child = part.embedded?.root ?? part.parts.at(-1)
  const bodyEnd = Math.max(part.headerEnd, child?.bodyEnd ?? 0, end)
  const range = {
    headerStart: part.headerStart,
    headerEnd: part.headerEnd,
    bodyEnd,
    lines: bodyEnd > part.headerEnd ? linesUpTo(bodyEnd, place) - part.headerLines : 0,
  }
  if (part.embedded !== null) return { kind: 'message', ...content, type: 'message', ...range, message: part.embedded }
  if (part.parts.length > 0) return { kind: 'multipart', ...content, type: 'multipart', ...range, parts: part.parts }
  if (part.opaque) return { kind: 'leaf', ...content, ...OPAQUE, ...range }
  // a multipart without parts is text for all that one can see (RFC 2045 section 5.2)
  if (content.type === 'multipart') return { kind: 'leaf', ...content, ...TEXT_PLAIN, ...range }
  return { kind: 'leaf', ...content, ...range }
}

/** Lines before `bodyEnd`, which is `place` or the line end before it; a last line without a line end counts. */
function linesUpTo(bodyEnd: number, place: LinePlace): number {
  if (bodyEnd < place.offset) return place.afterBlank ? place.lines - 1 : place.lines
  return place.lineEndBytes === 0 ? place.lines + 1 : place.lines
}
