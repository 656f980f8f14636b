/**
 * Runs a dialogue that a person can read and gives it back with the answers that the engines gave.
 *
 *     # comment
 *     C: a1 NOOP              line of the client, sent with CRLF; C1: and C2: are two sessions on one account
 *     C>: a1 NOOP             the same, sent together with the line after it
 *     C~: abc                 sent as it stands, without CRLF
 *     S: a1 OK Done           what came back (S1:, S2:)
 *     E: logout               the session ended, and why; in a login: what the engine asks of its host
 *     @user 2 bob@example.test   C2: is a session of this user, and mailboxes are shared; before its first line
 *     @letter INBOX plain \Seen   a letter of letters.ts arrives
 *     @fail OVERQUOTA         the next write of the store fails with this response code (`bug`: by an exception)
 *     @quota 100000           the account may have so many bytes
 *     @login tls              the dialogue is one with the login engine (tls, clear, no-tls); first line if at all
 *     H: tls-started          answer of the login's host: tls-started, authenticated, denied, denied last, ...
 *
 * `\xNN` is a byte, `<<a*9000>>` an `a` 9,000 times.
 */
import { flagsFromNames, NO_FLAGS } from '#lib/mail/flags.ts'
import { ImapSession } from '../session/session.ts'
import { SharedView } from '../sharing/shared-view.ts'
import type { ImapAccount } from '../store.ts'
import { LETTERS } from './letters.ts'
import { LoginPeer } from './login-peer.ts'
import { MemoryAccount, storeError } from './memory-account.ts'
import { MemoryHost, settle, TEST_NOW_MS } from './memory-host.ts'
import { MemoryNeighbours } from './memory-neighbours.ts'

/** Somebody at the other end of the lines of one label. */
export interface Peer {
  send(bytes: Buffer): Promise<void>
  /** Output since the last call, then events. */
  take(): { readonly output: string; readonly events: readonly string[] }
}

/** The users of a transcript in which mailboxes are shared. The first has the account that letters go to. */
class Users {
  readonly #neighbours = new MemoryNeighbours()
  readonly #views = new Map<string, ImapAccount>()
  readonly #accounts = new Map<string, MemoryAccount>()
  readonly #first: MemoryAccount

  constructor(first: MemoryAccount) {
    this.#first = first
  }

  add(label: string, address: string): void {
    const number = this.#accounts.size
    const account =
      this.#accounts.get(address) ??
      (number === 0 ? this.#first : new MemoryAccount({ nowMs: () => TEST_NOW_MS, appendLimitBytes: 100_000, number }))
    this.#accounts.set(address, account)
    this.#neighbours.add(account)
    void account.setAddresses([address])
    this.#views.set(label, new SharedView(account, { address, addresses: [address] }, this.#neighbours))
  }

  account(label: string): ImapAccount {
    return this.#views.get(label) ?? this.#first
  }
}

class SessionPeer implements Peer {
  readonly #host = new MemoryHost()
  readonly #session: ImapSession
  readonly #events: string[] = []

  constructor(account: ImapAccount) {
    this.#session = new ImapSession(account, this.#host, { serverId: ['name', 'Twinpost'] })
    this.#session.run().then((end) => {
      this.#events.push(end.kind === 'bye' ? `bye: ${end.reason}` : end.kind)
    })
  }

  async send(bytes: Buffer): Promise<void> {
    await this.#session.receive(bytes)
  }

  take() {
    return { output: this.#host.take(), events: this.#events.splice(0) }
  }
}

const LINE = /^C([1-9]?)([>~]?): ?(.*)$/
const ANSWER = /^[SE][1-9]?:/

/** @param text A transcript, with or without answers. @returns It with the answers of this run. */
export async function runTranscript(text: string): Promise<string> {
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS, appendLimitBytes: 100_000 })
  const peers = new Map<string, Peer>()
  const lines: string[] = []
  const users = new Users(account)
  let login: LoginPeer | null = null
  let unsent: Buffer[] = []

  const collect = () => {
    for (const [label, peer] of [...peers].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { output, events } = peer.take()
      lines.push(...answerLines(output).map((line) => `S${label}: ${line}`.trimEnd()))
      lines.push(...events.map((event) => `E${label}: ${event}`))
    }
  }

  for (const line of text.trimEnd().split('\n')) {
    if (ANSWER.test(line)) continue
    lines.push(line)
    const said = LINE.exec(line)
    if (said !== null) {
      const [, label = '', mark = '', words = ''] = said
      unsent.push(Buffer.from(bytesOf(words) + (mark === '~' ? '' : '\r\n'), 'latin1'))
      if (mark === '>') continue
      let peer = peers.get(label)
      if (peer === undefined) {
        peer = login ?? new SessionPeer(users.account(label))
        peers.set(label, peer)
      }
      await peer.send(Buffer.concat(unsent))
      unsent = []
    } else if (line.startsWith('@user ')) {
      const [, label = '', address = ''] = line.split(' ')
      users.add(label, address)
    } else if (line.startsWith('@login')) {
      login = new LoginPeer(line.split(' ')[1] ?? 'tls')
      peers.set('', login)
    } else if (line.startsWith('H: ')) login?.answer(line.slice(3))
    else if (line.startsWith('@letter ')) await deliver(account, line)
    else if (line.startsWith('@quota ')) account.limitBytes = Number(line.slice(7))
    else if (line.startsWith('@fail ')) {
      const code = line.slice(6)
      account.failNextWrite = code === 'bug' ? new Error('bug') : storeError(code, 'The store said no')
    } else if (line !== '' && !line.startsWith('#')) throw new Error(`Cannot read transcript line ${line}`)
    else continue
    await settle()
    collect()
  }
  return `${lines.join('\n')}\n`
}

async function deliver(account: MemoryAccount, line: string): Promise<void> {
  const [, mailbox = 'INBOX', name = '', ...flags] = line.split(' ')
  const body = LETTERS[name]
  if (body === undefined) throw new Error(`Cannot deliver ${name}: there is no such letter`)
  await account.append({ mailbox, flags: flagsFromNames(flags) ?? NO_FLAGS, internalDateMs: null, body: [body] })
}

/** Output as lines; a line end that is missing at the end is shown as `\`. */
function answerLines(output: string): string[] {
  if (output === '') return []
  const shown = output.replace(/[^\x20-\x7e\r\n]|\r(?!\n)|(?<!\r)\n/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  const lines = shown.split('\r\n')
  const last = lines.pop()
  if (last !== undefined && last !== '') lines.push(`${last}\\`)
  return lines
}

function bytesOf(text: string): string {
  return text
    .replace(/<<(.)\*(\d+)>>/g, (_, char: string, count: string) => char.repeat(Number(count)))
    .replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
