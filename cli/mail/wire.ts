/**
 * Responses of an IMAP server as values: lines with their literals, cut out of a byte stream (RFC 9051 section 9). For talking
 * to our own shards as an administrator; strangers' servers are left to imapflow.
 */

/** An atom or number as it stands, a quoted string or literal as bytes, a list of these. */
export type Token = string | Buffer | readonly Token[]

/** One response: what its line says, literals included. */
export type Line = readonly Token[]

/** A line without its literals; ours are short. */
const LINE_BYTES_MAX = 1024 * 1024

export class WireReader {
  readonly #chunks: AsyncIterator<Buffer>
  #pending: Buffer

  /** @param early Bytes that came before the stream. */
  constructor(stream: AsyncIterable<Buffer>, early: Buffer) {
    this.#chunks = stream[Symbol.asyncIterator]()
    this.#pending = early
  }

  /** @throws if the stream ends before a line does */
  async next(): Promise<Line> {
    const parser = new TokenParser()
    for (;;) {
      const text = await this.#line()
      const status = parser.empty ? /^(\S+) (OK|NO|BAD|BYE) (.*)$/.exec(text) : null
      if (status) return status.slice(1) // words for people, in which nothing is quoted
      const literal = /\{(\d+)\}$/.exec(text)
      parser.text(literal ? text.slice(0, literal.index) : text)
      if (!literal) return parser.end()
      parser.literal(await this.#bytes(Number(literal[1])))
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#pending.indexOf('\r\n')
      if (end !== -1) {
        const line = this.#pending.subarray(0, end).toString('utf8')
        this.#pending = this.#pending.subarray(end + 2)
        return line
      }
      if (this.#pending.length > LINE_BYTES_MAX) throw new Error('the server said a line without end')
      this.#pending = Buffer.concat([this.#pending, await this.#chunk()])
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let missing = count
    for (;;) {
      const piece = this.#pending.subarray(0, missing)
      this.#pending = this.#pending.subarray(piece.length)
      pieces.push(piece)
      missing -= piece.length
      if (missing === 0) return Buffer.concat(pieces)
      this.#pending = await this.#chunk()
    }
  }

  async #chunk(): Promise<Buffer> {
    const { done, value } = await this.#chunks.next()
    if (done) throw new Error('the session ended')
    return value
  }
}

class TokenParser {
  readonly #stack: Token[][] = [[]]

  get empty(): boolean {
    return this.#stack.length === 1 && this.#top.length === 0
  }

  text(text: string): void {
    for (let at = 0; at < text.length; ) {
      const char = text[at]
      if (char === ' ') at++
      else if (char === '(') {
        this.#stack.push([])
        at++
      } else if (char === ')') {
        const list = this.#stack.pop() ?? []
        this.#top.push(list)
        at++
      } else if (char === '"') {
        const end = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(at))?.[0]
        if (end === undefined) throw new Error(`the server said a quote that never ends: ${text.slice(at, at + 60)}`)
        this.#top.push(Buffer.from(end.slice(1, -1).replace(/\\(.)/g, '$1')))
        at += end.length
      } else {
        // A bracket belongs to its atom, blanks and all: `BODY[HEADER.FIELDS (A)]`, `[APPENDUID 1 2]`.
        const atom = /^(?:[^\s()"[\]]*\[[^\]]*\][^\s()]*|[^\s()"]+)/.exec(text.slice(at))?.[0] ?? text.slice(at)
        this.#top.push(atom)
        at += atom.length
      }
    }
  }

  literal(bytes: Buffer): void {
    this.#top.push(bytes)
  }

  end(): Line {
    if (this.#stack.length !== 1) throw new Error('the server said a list that never ends')
    return this.#top
  }

  get #top(): Token[] {
    const top = this.#stack.at(-1)
    if (!top) throw new Error('the server closed a list that it did not open')
    return top
  }
}

/** A token as text; lists are none. */
export function textOf(token: Token | undefined): string {
  return typeof token === 'string' ? token : Buffer.isBuffer(token) ? token.toString('utf8') : ''
}

/** A string as IMAP quotes it. */
export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}
