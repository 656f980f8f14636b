/**
 * Replies out of the bytes of a server (RFC 5321 section 4.2): lines of one code, the last with a space behind it. What does not
 * look like that is a fault, and ends the dialogue: nothing sensible can follow.
 */
import { REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX } from './limits.ts'

export interface ServerReply {
  readonly code: number
  /** Text of each line, without code and line end; as latin1. */
  readonly lines: readonly string[]
}

const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/

export class ReplyReader {
  #input: Buffer = Buffer.alloc(0)
  #code = 0
  #lines: string[] = []
  #faulty = false

  push(bytes: Buffer): void {
    if (!this.#faulty) this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes])
  }

  /** The next whole reply; null: more is needed; `fault`: this is not SMTP. */
  next(): ServerReply | null | 'fault' {
    while (!this.#faulty) {
      const end = this.#input.indexOf(0x0a)
      if (end === -1 && this.#input.length <= REPLY_LINE_BYTES_MAX) return null
      if (end === -1 || end > REPLY_LINE_BYTES_MAX) break
      // A bare LF ends a line of a careless server; what it says is no letter, so nothing can be smuggled.
      const text = this.#input.toString('latin1', 0, end > 0 && this.#input[end - 1] === 0x0d ? end - 1 : end)
      this.#input = this.#input.subarray(end + 1)
      const [, digits, mark, words = ''] = LINE.exec(text) ?? []
      const code = Number(digits)
      if (digits === undefined || (this.#lines.length > 0 && code !== this.#code)) break
      this.#code = code
      if (this.#lines.length >= REPLY_LINES_MAX) break
      this.#lines.push(words)
      if (mark === '-') continue
      const lines = this.#lines
      this.#lines = []
      return { code, lines }
    }
    this.#faulty = true
    this.#input = Buffer.alloc(0)
    return 'fault'
  }

  /** Bytes behind the last whole reply. */
  get pendingBytes(): number {
    return this.#input.length
  }

  /** RFC 3207 section 4.2: what was said before TLS is forgotten. */
  drop(): void {
    this.#input = Buffer.alloc(0)
    this.#lines = []
  }
}

/** `550 5.1.1 No such user`: one line of printable ASCII, for logs, records and notifications. */
export function replyText({ code, lines }: ServerReply): string {
  return oneLine(`${code} ${lines.join(' ')}`.trimEnd())
}

/** What another server said, fit for one line of ours. */
export function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?').slice(0, REPLY_TEXT_CHARACTERS_MAX)
}

const REPLY_TEXT_CHARACTERS_MAX = 500
