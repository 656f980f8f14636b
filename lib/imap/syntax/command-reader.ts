/**
 * Cuts the client's bytes into commands: lines and literals (RFC 9051 sections 2.2.1 and 4.3, RFC 7888). It knows tag, command name and
 * literals, nothing of arguments.
 *
 * Invariants: memory is bounded by the rules whatever arrives; a command that breaks a rule is refused as a whole and the
 * reader stays in step with the client (what the client sends without waiting is skipped), or says `fatal` when it cannot.
 * Nothing of a refused command is ever read as a command of its own.
 */
import { assert, known } from '#lib/errors/assert.ts'
import { InputQueue } from './input-queue.ts'

export interface ReaderRules {
  /** Text of one command, without literals. */
  readonly lineBytesMax: number
  readonly literalsMax: number
  /** Largest non-synchronising literal that is read (RFC 7888 section 5). */
  readonly nonSyncBytesMax: number
  /** Bytes of one refused command that are skipped before the reader gives up. */
  readonly skipBytesMax: number
  /** What the literals of one command may have together; `name` is in upper case. */
  literalBytesMax(name: string): number
}

export interface Literal {
  readonly sizeBytes: number
  /** As they arrived; views, not copies. */
  readonly pieces: readonly Buffer[]
  /** RFC 3516 literal8, written `~{n}`. */
  readonly binary: boolean
}

/** Text with code units 0..255; a literal stands where its `{n}` stood at the end of the text before it. */
export type CommandPart = string | Literal

export interface RawCommand {
  readonly tag: string
  /** Upper case; `UID FETCH` and its like are one name. */
  readonly name: string
  /** What follows the name: text first. */
  readonly parts: readonly CommandPart[]
}

export type FaultReason = 'syntax' | 'line-too-long' | 'literal-too-large' | 'literals-too-many'

export type ReaderEvent =
  | { readonly kind: 'command'; readonly command: RawCommand }
  /** The client waits before it sends a literal: write `+`, or call `abandon()` and answer the command. */
  | {
      readonly kind: 'literal'
      readonly tag: string
      readonly name: string
      readonly sizeBytes: number
      /** What stands before the literal. */
      readonly parts: readonly CommandPart[]
    }
  /** A command that must be answered without being executed. `tag` is null if it could not be read: answer `* BAD`. */
  | {
      readonly kind: 'refused'
      readonly tag: string | null
      readonly name: string
      readonly reason: FaultReason
      readonly text: string
    }
  /** Out of step for good: say BYE and close. */
  | { readonly kind: 'fatal'; readonly text: string }

export type RawLine =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string }
  /** The reader is out of step for good: say BYE and close. */
  | { readonly kind: 'too-long' }

interface Fault {
  readonly reason: FaultReason
  readonly text: string
}

// A literal mark at the end of a line; 16 digits and more are no size that anybody has.
const LITERAL_MARK = /(~?)\{(\d+)(\+?)\}$/
const SIZE_DIGITS_MAX = 15
/** Kept of an over-long line, to see whether a literal follows: `~{`, digits, `+}`, CR. */
const TAIL_CHARS = 32

// RFC 9051 section 9: tag = 1*<any ASTRING-CHAR except "+">.
const HEAD = /^([^\x00-\x20(){%*"\\+\x7f-\xff]+) ([A-Za-z][A-Za-z0-9-]*)/
const TAG = /^([^\x00-\x20(){%*"\\+\x7f-\xff]{1,256})(?: |$)/
const UID_VERB = /^ ([A-Za-z]+)/

export class CommandReader {
  readonly #rules: ReaderRules
  readonly #input = new InputQueue()
  #tag: string | null = null
  #name = ''
  #started = false
  #parts: CommandPart[] = []
  #lineBytes = 0
  #literalBytes = 0
  #literalCount = 0
  #fault: Fault | null = null
  #reading: { sizeBytes: number; left: number; pieces: Buffer[]; binary: boolean } | null = null
  #skipLeft = 0
  #skipped = 0
  /** End of an over-long line that is being dropped, or null. */
  #dropping: string | null = null
  #dead = false

  constructor(rules: ReaderRules) {
    this.#rules = rules
  }

  /** Keeps `bytes` without copying; call `next()` until it gives null. */
  push(bytes: Uint8Array): void {
    if (!this.#dead) this.#input.push(bytes)
  }

  /** The next event, or null when more bytes are needed. */
  next(): ReaderEvent | null {
    while (!this.#dead) {
      if (this.#skipLeft > 0) {
        const piece = this.#input.take(this.#skipLeft)
        if (piece === null) return null
        this.#skipLeft -= piece.length
        continue
      }
      if (this.#reading !== null) {
        const piece = this.#input.take(this.#reading.left)
        if (piece === null) return null
        this.#reading.pieces.push(piece)
        this.#reading.left -= piece.length
        if (this.#reading.left === 0) this.#endLiteral()
        continue
      }
      const event = this.#dropping === null ? this.#readLine() : this.#dropLine(this.#dropping)
      if (event !== 'again') return event
    }
    return null
  }

  /** A line outside a command: an answer to a SASL challenge, or DONE. Null when more bytes are needed. */
  nextLine(bytesMax: number): RawLine | null {
    if (this.#dead) return null
    const line = this.#input.takeLine(bytesMax + 1)
    if (line.kind === 'more') return null
    if (line.kind === 'too-long') {
      this.#fatal('Line is too long')
      return { kind: 'too-long' }
    }
    const flaw = lineFlaw(line.text)
    return flaw === null ? { kind: 'line', text: line.text.slice(0, -1) } : { kind: 'refused', text: flaw }
  }

  /** Answering the command instead of reading its announced literal: the client will not send it (RFC 9051 section 4.3). */
  abandon(): void {
    this.#reset()
  }

  /** Bytes of what comes behind the command that was read last are there. */
  get hasMore(): boolean {
    return this.#input.available > 0
  }

  /** Everything that was not read yet, for the next reader of this connection. */
  rest(): Buffer {
    this.#reset()
    return this.#input.rest()
  }

  /** Forgets unread bytes and half a command. */
  clear(): void {
    this.#reset()
    this.#input.clear()
  }

  get #lineBytesLeft(): number {
    return this.#rules.lineBytesMax - this.#lineBytes
  }

  #readLine(): ReaderEvent | null | 'again' {
    const line = this.#input.takeLine(Math.max(0, this.#lineBytesLeft) + 1)
    if (line.kind === 'more') return null
    if (line.kind === 'too-long') {
      // The tag stands at the front, if it is one.
      const front = this.#input.take(Math.min(512, Math.max(0, this.#lineBytesLeft) + 1))
      const text = front === null ? '' : front.toString('latin1')
      if (!this.#started) this.#tag = TAG.exec(text)?.[1] ?? null
      this.#started = true
      this.#setFault('line-too-long', `Command is longer than ${this.#rules.lineBytesMax} bytes`)
      this.#dropping = text.slice(-TAIL_CHARS)
      this.#skipped += text.length
      return 'again'
    }
    const flaw = lineFlaw(line.text)
    const text = line.text.endsWith('\r') ? line.text.slice(0, -1) : line.text
    if (flaw !== null) this.#setFault('syntax', flaw)
    this.#lineBytes += text.length
    if (!this.#started) this.#readHead(text)
    else if (this.#fault === null) this.#parts.push(text)
    return this.#endLine(text)
  }

  /** Drops an over-long line piece by piece. */
  #dropLine(tail: string): ReaderEvent | null | 'again' {
    const line = this.#input.takeLine(TAIL_CHARS * 64)
    if (line.kind === 'line') {
      const text = (tail + line.text).slice(-TAIL_CHARS).replace(/\r$/, '')
      this.#dropping = null
      return this.#endLine(text)
    }
    const piece = this.#input.take(line.kind === 'more' ? this.#input.available : TAIL_CHARS * 64)
    if (piece === null) return null
    this.#dropping = (tail + piece.toString('latin1', Math.max(0, piece.length - TAIL_CHARS))).slice(-TAIL_CHARS)
    this.#skipped += piece.length
    return this.#skipped > this.#rules.skipBytesMax ? this.#fatal('Line is much too long') : 'again'
  }

  #readHead(text: string): void {
    this.#started = true
    const head = HEAD.exec(text)
    if (head === null) {
      this.#tag = TAG.exec(text)?.[1] ?? null
      this.#setFault('syntax', text === '' ? 'Empty line' : this.#tag === null ? 'Invalid tag' : 'Missing command name')
      return
    }
    this.#tag = head[1] ?? null
    this.#name = (head[2] ?? '').toUpperCase()
    let rest = text.slice(head[0].length)
    if (this.#name === 'UID') {
      const verb = UID_VERB.exec(rest)
      if (verb === null) this.#setFault('syntax', 'UID needs a command')
      else {
        this.#name = `UID ${(verb[1] ?? '').toUpperCase()}`
        rest = rest.slice(verb[0].length)
      }
    }
    if (this.#fault === null) this.#parts.push(rest)
  }

  /** A line is complete: a literal follows, or the command is done. */
  #endLine(text: string): ReaderEvent | 'again' {
    const mark = text.endsWith('}') ? LITERAL_MARK.exec(text) : null
    if (mark === null) return this.#endCommand()
    const digits = mark[2] ?? ''
    const sizeBytes = digits.length > SIZE_DIGITS_MAX ? Number.POSITIVE_INFINITY : Number(digits)
    const sync = mark[3] === ''
    this.#checkLiteral(sizeBytes, sync)
    if (this.#fault !== null) {
      if (sync) return this.#endCommand() // the client waits for an answer and will not send the literal
      this.#skipped += sizeBytes
      if (this.#skipped > this.#rules.skipBytesMax) return this.#fatal('Literal is much too large')
      this.#skipLeft = sizeBytes
      return 'again'
    }
    const before = this.#parts.pop()
    assert(typeof before === 'string', 'a literal mark ends a text part')
    this.#parts.push(before.slice(0, before.length - mark[0].length))
    this.#literalBytes += sizeBytes
    this.#literalCount++
    this.#reading = { sizeBytes, left: sizeBytes, pieces: [], binary: mark[1] === '~' }
    if (sizeBytes === 0) this.#endLiteral()
    if (!sync) return 'again'
    const tag = known(this.#tag, 'tag was read')
    // Of an empty literal nothing is left to read: its part stands at the end already.
    return { kind: 'literal', tag, name: this.#name, sizeBytes, parts: [...this.#parts] }
  }

  #checkLiteral(sizeBytes: number, sync: boolean): void {
    const bytesMax = this.#rules.literalBytesMax(this.#name)
    if (this.#literalBytes + sizeBytes > bytesMax) {
      this.#setFault('literal-too-large', `Literals are larger than ${bytesMax} bytes`)
    } else if (!sync && sizeBytes > this.#rules.nonSyncBytesMax) {
      // RFC 7888 section 5: with LITERAL- a larger one must wait for the continuation.
      this.#setFault('syntax', `Non-synchronizing literal is larger than ${this.#rules.nonSyncBytesMax} bytes`)
    } else if (this.#literalCount >= this.#rules.literalsMax) {
      this.#setFault('literals-too-many', `More than ${this.#rules.literalsMax} literals`)
    }
  }

  #endLiteral(): void {
    const { sizeBytes, pieces, binary } = known(this.#reading, 'a literal is being read')
    this.#parts.push({ sizeBytes, pieces, binary })
    this.#reading = null
  }

  #endCommand(): ReaderEvent {
    const event: ReaderEvent =
      this.#fault === null
        ? { kind: 'command', command: { tag: known(this.#tag, 'tag was read'), name: this.#name, parts: this.#parts } }
        : { kind: 'refused', tag: this.#tag, name: this.#name, reason: this.#fault.reason, text: this.#fault.text }
    this.#reset()
    return event
  }

  #fatal(text: string): ReaderEvent {
    this.#dead = true
    this.clear()
    return { kind: 'fatal', text }
  }

  /** The first fault of a command is the one that is told. */
  #setFault(reason: FaultReason, text: string): void {
    this.#fault ??= { reason, text }
    this.#parts = []
  }

  #reset(): void {
    this.#tag = null
    this.#name = ''
    this.#started = false
    this.#parts = []
    this.#lineBytes = 0
    this.#literalBytes = 0
    this.#literalCount = 0
    this.#fault = null
    this.#reading = null
    this.#skipLeft = 0
    this.#skipped = 0
    this.#dropping = null
  }
}

/** Why a line (without its LF) cannot be used, or null. RFC 9051 section 9: no NUL anywhere, CR and LF only as line ends. */
function lineFlaw(text: string): string | null {
  if (!text.endsWith('\r')) return 'Line must end with CRLF'
  if (text.indexOf('\r') !== text.length - 1) return 'CR in the middle of a line'
  if (text.includes('\0')) return 'NUL in a line'
  return null
}
