/**
 * What an administrator's session does with an account's mailboxes: list, make, append many at once, read everything. One
 * command at a time over a stream that is logged in already. Memory is one batch of letters or one letter.
 */
import type { Duplex } from 'node:stream'
import { known } from '#lib/errors/assert.ts'
import { type Line, quoted, type Token, textOf, WireReader } from './wire.ts'

export interface Letter {
  /** With CRLF line ends. */
  readonly bytes: Buffer
  /** As IMAP writes them: `\Seen`, `$Forwarded`. */
  readonly flags: readonly string[]
  readonly date: Date
}

export interface StoredLetter extends Letter {
  readonly uid: number
}

export interface MailboxName {
  readonly name: string
  /** As `\Sent`; null: none. */
  readonly specialUse: string | null
  readonly selectable: boolean
}

/** The server said NO or BAD. */
export class MailboxRefusal extends Error {
  override readonly name = 'MailboxRefusal'
  /** Response code without its brackets, as `TOOBIG`; empty: none. */
  readonly code: string

  constructor(text: string) {
    super(text)
    this.code = /^\S+ \[([^\]\s]+)/.exec(text)?.[1] ?? ''
  }
}

const MONTHS: readonly string[] = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const SPECIAL_USES = /^\\(?:All|Archive|Drafts|Flagged|Junk|Sent|Trash)$/i

export class MailboxClient {
  readonly #stream: Duplex
  readonly #reader: WireReader
  #tag = 0

  constructor(stream: Duplex, early: Buffer) {
    this.#stream = stream
    this.#reader = new WireReader(stream, early)
  }

  /** Once, before anything else: names of mailboxes are UTF-8 from then on. */
  async begin(): Promise<void> {
    await this.#command('ENABLE IMAP4rev2')
  }

  async mailboxes(): Promise<MailboxName[]> {
    const names: MailboxName[] = []
    await this.#command('LIST "" "*" RETURN (SPECIAL-USE)', (line) => {
      if (line[1] !== 'LIST') return
      const attributes = listOf(line[2]).map(textOf)
      names.push({
        name: textOf(line[4]),
        specialUse: attributes.find((word) => SPECIAL_USES.test(word)) ?? null,
        selectable: !attributes.some((word) => /^\\(?:NoSelect|NonExistent)$/i.test(word)),
      })
    })
    return names
  }

  async create(name: string): Promise<void> {
    await this.#command(`CREATE ${quoted(name)}`)
  }

  async subscribe(name: string): Promise<void> {
    await this.#command(`SUBSCRIBE ${quoted(name)}`)
  }

  async uidNext(name: string): Promise<number> {
    let next = 0
    await this.#command(`STATUS ${quoted(name)} (UIDNEXT)`, (line) => {
      if (line[1] === 'STATUS') next = Number(textOf(listOf(line[3])[1]))
    })
    return next
  }

  /** All of them or, when this rejects, none (RFC 3502). */
  async append(name: string, letters: readonly Letter[]): Promise<void> {
    const parts: (string | Buffer)[] = [`APPEND ${quoted(name)}`]
    for (const { bytes, flags, date } of letters) {
      parts.push(` (${flags.join(' ')}) ${imapDate(date)} {${bytes.length}+}\r\n`, bytes) // RFC 7888
    }
    await this.#command(parts)
  }

  /** In the order of their UIDs, read-only. `take` is waited for before the next letter is read. */
  async read(name: string, uids: string, take: (letter: StoredLetter) => Promise<void>): Promise<void> {
    await this.#command(`EXAMINE ${quoted(name)}`)
    await this.#command(`UID FETCH ${uids} (UID FLAGS INTERNALDATE BODY.PEEK[])`, async (line) => {
      if (line[2] !== 'FETCH') return
      const letter = letterOf(listOf(line[3]))
      if (letter) await take(letter)
    })
  }

  async end(): Promise<void> {
    await this.#command('LOGOUT').catch(() => {}) // whoever ends first: all is done
    this.#stream.destroy()
  }

  /** @throws {MailboxRefusal} */
  async #command(
    parts: string | readonly (string | Buffer)[],
    heard?: (line: Line) => Promise<void> | void,
  ): Promise<void> {
    const tag = `a${++this.#tag}`
    this.#stream.write(`${tag} `)
    for (const part of [parts].flat()) {
      if (!this.#stream.write(part)) await new Promise((resolve) => this.#stream.once('drain', resolve))
    }
    this.#stream.write('\r\n')
    for (;;) {
      const line = await this.#reader.next()
      if (line[0] === tag) {
        if (line[1] === 'OK') return
        throw new MailboxRefusal(line.slice(1).map(textOf).join(' '))
      }
      if (line[0] === '*' && line[1] === 'BYE' && textOf(parts.at(0)) !== 'LOGOUT') {
        throw new Error(`the session was ended: ${line.slice(2).map(textOf).join(' ')}`)
      }
      await heard?.(line)
    }
  }
}

function listOf(token: Token | undefined): readonly Token[] {
  return typeof token === 'object' && !Buffer.isBuffer(token) ? token : []
}

function letterOf(items: readonly Token[]): StoredLetter | null {
  const found = new Map<string, Token>()
  for (let i = 0; i + 1 < items.length; i += 2)
    found.set(textOf(items[i]).toUpperCase(), known(items[i + 1], 'a value'))
  const bytes = found.get('BODY[]')
  if (!Buffer.isBuffer(bytes)) return null // news of another session's flags
  return {
    uid: Number(textOf(found.get('UID'))),
    flags: listOf(found.get('FLAGS'))
      .map(textOf)
      .filter((flag) => flag.toLowerCase() !== '\\recent'),
    date: parseImapDate(textOf(found.get('INTERNALDATE'))),
    bytes,
  }
}

/** RFC 9051 date-time, in UTC. */
export function imapDate(date: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()]}-${String(date.getUTCFullYear()).padStart(4, '0')}`
  return `"${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000"`
}

export function parseImapDate(text: string): Date {
  const [, day, month, year, time, zone] = /^ ?(\d{1,2})-(\w{3})-(\d{4}) (\S+) ([+-]\d{4})$/.exec(text) ?? []
  const at = MONTHS.indexOf(month ?? '') + 1
  const two = (n: string | number | undefined) => String(n).padStart(2, '0')
  return new Date(`${year}-${two(at)}-${two(day)}T${time}${zone?.slice(0, 3)}:${zone?.slice(3)}`)
}
