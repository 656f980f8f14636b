/**
 * Every combination of what a client may switch on: ENABLE of any extensions, COMPRESS, NOTIFY. Each goes through the same mailbox while
 * another session changes it, and its answers must be those of its dialect, all of them, and end in the right picture of the mailbox.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, settle, TEST_NOW_MS } from '../testing/memory-host.ts'
import { ImapSession } from './session.ts'

const EXTENSIONS = ['CONDSTORE', 'QRESYNC', 'UIDONLY', 'UTF8=ACCEPT', 'IMAP4rev2'] as const
const NOTIFY = ['none said', 'SELECTED', 'SELECTED-DELAYED', 'others'] as const

interface Combination {
  readonly enabled: ReadonlySet<string>
  readonly compressed: boolean
  readonly notify: (typeof NOTIFY)[number]
}

function* combinations(): Generator<Combination> {
  for (let bits = 0; bits < 1 << EXTENSIONS.length; bits++) {
    const enabled = new Set(EXTENSIONS.filter((_, i) => (bits & (1 << i)) !== 0))
    for (const notify of NOTIFY) for (const compressed of [false, true]) yield { enabled, compressed, notify }
  }
}

const SYNC = { finishFlush: constants.Z_SYNC_FLUSH }

class Client {
  readonly #host = new MemoryHost()
  readonly #session: ImapSession
  /** What came since COMPRESS was answered; null: before. */
  #packed: Buffer | null = null
  #shown = 0
  #tags = 0

  constructor(account: MemoryAccount) {
    this.#session = new ImapSession(account, this.#host)
    this.#session.run()
  }

  async say(command: string): Promise<string[]> {
    return this.send(`t${++this.#tags} ${command}\r\n`)
  }

  async send(text: string): Promise<string[]> {
    const bytes = Buffer.from(text, 'latin1')
    await this.#session.receive(this.#packed === null ? bytes : deflateRawSync(bytes, SYNC))
    await settle()
    return this.hear()
  }

  async compress(): Promise<void> {
    assert.match((await this.say('COMPRESS DEFLATE')).join(), /OK/)
    this.#packed = Buffer.alloc(0)
  }

  hear(): string[] {
    const came = Buffer.from(this.#host.take(), 'latin1')
    if (this.#packed === null) return lines(came.toString('latin1'))
    this.#packed = Buffer.concat([this.#packed, came])
    const all = inflateRawSync(this.#packed, SYNC).toString('latin1')
    const fresh = all.slice(this.#shown)
    this.#shown = all.length
    return lines(fresh)
  }

  get faults(): readonly unknown[] {
    return this.#host.reported
  }

  end(): void {
    this.#session.end()
  }
}

function lines(text: string): string[] {
  assert.ok(text === '' || text.endsWith('\r\n'), 'nothing is said by halves')
  return text === '' ? [] : text.slice(0, -2).split('\r\n')
}

/** What no client of this dialect may be told. */
function forbidden({ enabled, notify }: Combination): RegExp[] {
  const rules: RegExp[] = []
  const [uidOnly, qresync, rev2] = [enabled.has('UIDONLY'), enabled.has('QRESYNC'), enabled.has('IMAP4rev2')]
  if (uidOnly) rules.push(/^\* \d+ (?:FETCH|EXPUNGE)/, /\[UNSEEN/)
  else rules.push(/UIDFETCH/)
  rules.push(uidOnly || qresync ? /^\* \d+ EXPUNGE/ : /^\* VANISHED/)
  if (rev2) rules.push(/^\* \d+ RECENT/, /\\Recent/, /^\* SEARCH/)
  // RFC 7162 section 3.1: whoever hears of flag changes in other mailboxes knows of MODSEQ too.
  const condstore = enabled.has('CONDSTORE') || qresync || notify === 'others'
  rules.push(condstore ? /FETCH \((?=.*FLAGS)(?!.*MODSEQ)/ : /MODSEQ \(/)
  return rules
}

function named({ enabled, compressed, notify }: Combination): string {
  return [...enabled, ...(compressed ? ['COMPRESS'] : []), `NOTIFY ${notify}`].join(' ')
}

/** What the client learns of the mailbox out of all it is told, from an empty beginning on. */
function pictureOf(told: readonly string[]): number[] {
  const uids = new Set<number>()
  for (const line of told) {
    const found = /^\* (?:\d+ FETCH \(.*?UID (\d+)|(\d+) UIDFETCH)/.exec(line)
    if (found !== null) uids.add(Number(found[1] ?? found[2]))
  }
  return [...uids].sort((a, b) => a - b)
}

async function letter(account: MemoryAccount, subject: string): Promise<void> {
  const body = [Buffer.from(`Subject: ${subject}\r\n\r\nbody\r\n`)]
  await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body })
}

async function walk(combination: Combination): Promise<void> {
  const { enabled, compressed, notify } = combination
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
  await account.create('Größe', null)
  for (let i = 1; i <= 4; i++) await letter(account, `${i}`)
  const other = new Client(account)
  await other.say('SELECT INBOX')
  const client = new Client(account)
  if (compressed) await client.compress()
  const told: string[] = []
  const say = async (command: string) => {
    const answer = await client.say(command)
    // What FETCH answers is what it was asked; the rest is told in the words of the dialect.
    told.push(...(command.startsWith('UID FETCH') ? [] : answer))
    assert.match(answer.at(-1) ?? '', /^t\d+ OK/, `${command}: ${answer.join(' | ')}`)
    return answer
  }
  if (enabled.size > 0) await say(`ENABLE ${[...enabled].join(' ')}`)
  if (notify !== 'none said') {
    const events = '(MessageNew MessageExpunge FlagChange)'
    await say(`NOTIFY SET (${notify === 'others' ? 'subscribed' : notify} ${events})`)
  }
  const name = enabled.has('UTF8=ACCEPT') || enabled.has('IMAP4rev2') ? '"Gr\xc3\xb6\xc3\x9fe"' : 'Gr&APYA3w-e'
  assert.ok((await say('LIST "" *')).some((line) => line.endsWith(name)))
  await say('SELECT INBOX')
  await say('UID FETCH 1:* (FLAGS)')
  await other.say('STORE 2 +FLAGS (\\Flagged)')
  await other.say('STORE 1 +FLAGS.SILENT (\\Deleted)')
  await other.say('EXPUNGE')
  await letter(account, '5')
  await settle()
  told.push(...client.hear())
  await say('UID STORE 3 +FLAGS (\\Answered)')
  await say('UID SEARCH ANSWERED')
  told.push(...(await client.send('i IDLE\r\n')))
  await letter(account, '6')
  await settle()
  told.push(...client.hear())
  told.push(...(await client.send('DONE\r\n')))
  assert.match(told.at(-1) ?? '', /^i OK/)
  await say('UID STORE 4 +FLAGS.SILENT (\\Deleted)')
  await say('UID EXPUNGE 4')
  await say('NOOP')
  for (const rule of forbidden(combination))
    assert.deepEqual(
      told.filter((line) => rule.test(line)),
      [],
      `${rule}`,
    )
  assert.deepEqual(pictureOf(await say('UID FETCH 1:* (FLAGS)')), [2, 3, 5, 6])
  assert.deepEqual([...client.faults, ...other.faults], [])
  await say('LOGOUT')
  other.end()
}

for (const combination of combinations()) test(`a session speaks ${named(combination)}`, () => walk(combination))
