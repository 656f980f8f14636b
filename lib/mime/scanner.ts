/**
 * Incremental parser of a message: takes its bytes in chunks of any size, gives the tree of parts. Looks at the beginning of
 * lines only; of bodies it keeps nothing. Memory is bounded by limits.ts and time is linear in the bytes, whatever they are.
 *
 * A header ends at a blank line, at a boundary line, or before the first line that can be no field: so a letter without a
 * separator keeps its text. Lines end with LF, a CR before it belongs to the line end; a bare CR is an ordinary byte.
 * Read next: tree.ts (what becomes of header ends and boundary lines).
 */
import { assert } from '#lib/errors/assert.ts'
import { isHeaderLine } from './headers.ts'
import { LINE_HEAD_BYTES_MAX } from './limits.ts'
import { type LinePlace, TreeBuilder } from './tree.ts'
import type { MimeMessage } from './types.ts'

const LF = 0x0a
const CR = 0x0d
const HYPHEN = 0x2d
/** Up to this many bytes a line end is looked for here: for short lines that is faster than a native call each. */
const NEAR_BYTES = 8

const NOTHING: Buffer = Buffer.alloc(0)

export class MessageScanner {
  readonly #tree = new TreeBuilder()
  /** Offset of the first byte of the current chunk. */
  #chunkStart = 0
  /** Line ends so far. */
  #lines = 0
  /** Whether the next byte continues a line that has been judged. */
  #inLine = false
  /** Whether that line is being held for the header. */
  #holding = false
  /** The beginning of a line that cannot be judged yet, and where it stands. */
  #head: Buffer = NOTHING
  #headPlace: LinePlace | null = null
  /** The last three bytes before the current chunk, the latest first; -1 where there are none. */
  #before: [number, number, number] = [-1, -1, -1]
  #finished = false

  /** @param chunk The next bytes of the message, any number. Not kept. */
  push(chunk: Uint8Array): void {
    assert(!this.#finished, 'no push follows finish')
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = this.#head.length > 0 ? this.#continueHead(bytes) : 0
    while (at < bytes.length) {
      if (this.#inLine) at = this.#endLine(bytes, at)
      else if (this.#mustJudge(bytes, at)) at = this.#judgeLine(bytes, at)
      else at = this.#skipLines(bytes, at)
    }
    this.#chunkStart += bytes.length
    const last = (n: number) => byteAt(bytes, bytes.length - n, this.#before)
    this.#before = [last(1), last(2), last(3)]
  }

  /** The parsed message; no `push` may follow. */
  finish(): MimeMessage {
    assert(!this.#finished, 'finish comes once')
    this.#finished = true
    if (this.#headPlace !== null) this.#judge(this.#head, 0, this.#head.length, false, this.#headPlace)
    return this.#tree.finish(this.#placeAt(NOTHING, 0))
  }

  /** Whether the line that begins here has to be looked at. */
  #mustJudge(bytes: Buffer, at: number): boolean {
    if (this.#tree.inHeader) return true
    if (bytes[at] !== HYPHEN || !this.#tree.hasBoundaries) return false
    const second = bytes[at + 1]
    const third = bytes[at + 2]
    return (second === undefined || second === HYPHEN) && (third === undefined || this.#tree.mayBeginBoundary(third))
  }

  /** Counts lines of a body until one has to be looked at; `at` is the beginning of a line that has not. */
  #skipLines(bytes: Buffer, start: number): number {
    let at = start
    do {
      const lf = lineEnd(bytes, at)
      if (lf < 0) {
        this.#inLine = true
        this.#holding = false
        return bytes.length
      }
      this.#lines++
      at = lf + 1
    } while (at < bytes.length && !this.#mustJudge(bytes, at))
    return at
  }

  /** Passes over the rest of a line that has been judged. */
  #endLine(bytes: Buffer, at: number): number {
    const lf = bytes.indexOf(LF, at)
    const end = lf < 0 ? bytes.length : lf + 1
    if (this.#holding) this.#tree.hold(bytes, at, end)
    if (lf >= 0) {
      this.#lines++
      this.#inLine = false
    }
    return end
  }

  /** Judges the line that begins at `at`, or keeps its beginning until more of it comes. */
  #judgeLine(bytes: Buffer, at: number): number {
    const lf = lineEnd(bytes, at)
    if (lf >= 0 && lf - at < LINE_HEAD_BYTES_MAX) return this.#judgeHead(bytes, at, lf + 1, null)
    if (bytes.length - at >= LINE_HEAD_BYTES_MAX) return this.#judgeHead(bytes, at, at + LINE_HEAD_BYTES_MAX, null)
    this.#head = Buffer.from(bytes.subarray(at))
    this.#headPlace = this.#placeAt(bytes, at)
    return bytes.length
  }

  /** Completes the beginning of a line that was cut by the end of a chunk; gives how many bytes of this chunk that took. */
  #continueHead(bytes: Buffer): number {
    const before = this.#head.length
    const more = bytes.subarray(0, LINE_HEAD_BYTES_MAX - before)
    const lf = more.indexOf(LF)
    const head = Buffer.concat([this.#head, lf < 0 ? more : more.subarray(0, lf + 1)])
    if (lf < 0 && head.length < LINE_HEAD_BYTES_MAX) {
      this.#head = head
      return bytes.length
    }
    const place = this.#headPlace
    this.#head = NOTHING
    this.#headPlace = null
    return this.#judgeHead(head, 0, head.length, place) - before
  }

  /** Judges a line out of its first bytes, which end with its line end or are as many as are looked at; gives where they end. */
  #judgeHead(bytes: Buffer, start: number, end: number, place: LinePlace | null): number {
    const cut = bytes[end - 1] !== LF
    this.#inLine = cut
    this.#judge(bytes, start, end, cut, place)
    if (!cut) this.#lines++
    return end
  }

  /**
   * Decides what the line between `start` and `end` is.
   * @param cut Whether more of it follows: then it is no boundary and not blank.
   * @param headPlace Where it begins, if its beginning was kept from an earlier chunk; else it begins in this chunk.
   */
  #judge(bytes: Buffer, start: number, end: number, cut: boolean, headPlace: LinePlace | null): void {
    const hasLineEnd = bytes[end - 1] === LF
    let contentEnd = hasLineEnd ? end - 1 : end
    if (contentEnd > start && bytes[contentEnd - 1] === CR) contentEnd--
    const place = () => headPlace ?? this.#placeAt(bytes, start)
    if (!cut && bytes[start] === HYPHEN && bytes[start + 1] === HYPHEN) {
      const delimiter = this.#tree.delimiter(bytes, start + 2, contentEnd)
      if (delimiter !== null) {
        const begin = place()
        this.#tree.takeDelimiter(delimiter, begin, begin.offset + end - start)
        return
      }
    }
    this.#holding = false
    // a header that ends before this line may open an embedded message, whose header this line may begin
    while (this.#tree.inHeader) {
      if (contentEnd === start && !cut) {
        const offset = place().offset + end - start
        const lines = hasLineEnd ? this.#lines + 1 : this.#lines
        this.#tree.endHeader({ offset, lines, lineEndBytes: end - start, afterBlank: true })
        return
      }
      if (isHeaderLine(bytes, start, contentEnd, this.#tree.headerState)) {
        this.#tree.hold(bytes, start, end)
        this.#holding = cut
        return
      }
      this.#tree.endHeader(place())
    }
  }

  /** The place `at` bytes into a chunk. */
  #placeAt(bytes: Buffer, at: number): LinePlace {
    const last = byteAt(bytes, at - 1, this.#before)
    const second = byteAt(bytes, at - 2, this.#before)
    const lineEndBytes = last !== LF ? 0 : second === CR ? 2 : 1
    const previous = lineEndBytes === 2 ? byteAt(bytes, at - 3, this.#before) : second
    return {
      offset: this.#chunkStart + at,
      lines: this.#lines,
      lineEndBytes,
      afterBlank: lineEndBytes > 0 && previous === LF,
    }
  }
}

/** Parses a message that is in memory, in one piece or several. */
export function parseMessage(message: Uint8Array | Iterable<Uint8Array>): MimeMessage {
  const scanner = new MessageScanner()
  if (message instanceof Uint8Array) scanner.push(message)
  else for (const chunk of message) scanner.push(chunk)
  return scanner.finish()
}

/** The byte at `at`, which may lie up to three bytes before the chunk. */
function byteAt(bytes: Buffer, at: number, before: readonly [number, number, number]): number {
  return (at >= 0 ? bytes[at] : before[-1 - at]) ?? -1
}

/** The next LF from `at` on; -1 if there is none. */
function lineEnd(bytes: Buffer, at: number): number {
  const near = Math.min(at + NEAR_BYTES, bytes.length)
  for (let i = at; i < near; i++) if (bytes[i] === LF) return i
  return near < bytes.length ? bytes.indexOf(LF, near) : -1
}
