/**
 * A client that keeps a cache by UID, goes away at any moment and comes back with QRESYNC (RFC 7162), while others change the
 * mailbox. Whatever happened, after it is back its cache is the mailbox: nothing is missed, nothing told wrongly.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, TEST_NOW_MS } from '../testing/memory-host.ts'
import { ImapSession } from './session.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 100)

/** A session whose answers are lines. */
class Line {
  readonly host = new MemoryHost()
  readonly session: ImapSession
  #tags = 0

  constructor(account: MemoryAccount) {
    this.session = new ImapSession(account, this.host)
    this.session.run()
  }

  async say(command: string): Promise<string[]> {
    await this.session.receive(Buffer.from(`t${++this.#tags} ${command}\r\n`))
    return this.host.take().split('\r\n')
  }
}

class CachingClient {
  readonly flags = new Map<number, string>()
  /** What the client may name when it comes back. */
  modSeq = 0
  #uidValidity = 0
  #highestSeen = 0
  /** UIDs up to here were asked for. */
  #askedUpTo = 0
  #line: Line | null = null
  readonly #account: MemoryAccount
  told = { vanished: 0, changed: 0 }

  constructor(account: MemoryAccount) {
    this.#account = account
  }

  get here(): boolean {
    return this.#line !== null
  }

  async comeBack(namesUids: boolean): Promise<void> {
    this.#line = new Line(this.#account)
    await this.say('ENABLE QRESYNC')
    const uids = namesUids && this.#askedUpTo > 0 ? ` 1:${this.#askedUpTo}` : ''
    const known = this.modSeq === 0 ? '' : ` (QRESYNC (${this.#uidValidity} ${this.modSeq}${uids}))`
    await this.say(`SELECT INBOX${known}`)
  }

  leave(): void {
    this.#line?.session.end()
    this.#line = null
  }

  async say(command: string): Promise<void> {
    const lines = (await this.#line?.say(command)) ?? []
    for (const line of lines) this.#hear(line)
    if (lines.some((line) => line.endsWith(' EXISTS'))) await this.#askForNew()
    // Only an answered command that may tell everything moves the client on (RFC 7162 section 3.2.5.2).
    const told = !/^(FETCH|STORE)/.test(command)
    if (told && lines.some((line) => /^t\d+ OK/.test(line))) this.modSeq = Math.max(this.modSeq, this.#highestSeen)
  }

  /** The flags of what arrived are told to nobody who does not ask. */
  async #askForNew(): Promise<void> {
    const lines = (await this.#line?.say(`UID FETCH ${this.#askedUpTo + 1}:* (UID FLAGS)`)) ?? []
    for (const line of lines) {
      this.#hear(line)
      this.#askedUpTo = Math.max(this.#askedUpTo, Number(/^\* \d+ FETCH .*UID (\d+)/.exec(line)?.[1] ?? 0))
    }
  }

  #hear(line: string): void {
    const vanished = /^\* VANISHED (?:\(EARLIER\) )?([\d:,]+)$/.exec(line)?.[1]
    for (const range of vanished?.split(',') ?? []) {
      const [from = 0, to = from] = range.split(':').map(Number)
      for (let uid = from; uid <= to; uid++) if (this.flags.delete(uid)) this.told.vanished++
    }
    const fetched = /^\* \d+ FETCH \((.*)\)$/.exec(line)?.[1]
    if (fetched !== undefined) {
      const uid = Number(/UID (\d+)/.exec(fetched)?.[1])
      assert.ok(uid > 0, `with QRESYNC every untagged FETCH has the UID: ${line}`)
      const flags = /FLAGS \(([^)]*)\)/.exec(fetched)?.[1]
      if (flags !== undefined) {
        this.flags.set(uid, flags.replace(/ ?\\Recent/, ''))
        this.told.changed++
      }
      this.#seen(/MODSEQ \((\d+)\)/.exec(fetched)?.[1])
    }
    this.#seen(/\[HIGHESTMODSEQ (\d+)\]/.exec(line)?.[1])
    this.#uidValidity = Number(/\[UIDVALIDITY (\d+)\]/.exec(line)?.[1] ?? this.#uidValidity)
    assert.ok(!/^\* \d+ EXPUNGE/.test(line), 'no EXPUNGE once QRESYNC is on')
  }

  #seen(modSeq: string | undefined): void {
    this.#highestSeen = Math.max(this.#highestSeen, Number(modSeq ?? 0))
  }
}

const step = fc.record({
  what: fc.constantFrom(
    'deliver',
    'deliver',
    'deliver',
    'deliver',
    'flag',
    'delete',
    'delete',
    'expunge',
    'expunge',
    'move',
    'leave',
    'come back',
    'come back with UIDs',
    'noop',
    'own store',
    'own fetch',
    'own expunge',
  ),
  n: fc.nat(8),
})

async function act(account: MemoryAccount, other: Line, client: CachingClient, what: string, n: number): Promise<void> {
  switch (what) {
    case 'deliver':
      await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [Buffer.from('a\r\n')] })
      return
    case 'flag':
      await other.say(`UID STORE ${n}:${n + 2} +FLAGS ($k${n % 3})`)
      return
    case 'delete':
      await other.say(`UID STORE ${n},${n + 3} +FLAGS.SILENT (\\Deleted)`)
      return
    case 'expunge':
      await other.say('EXPUNGE')
      return
    case 'move':
      await other.say(`UID MOVE ${n + 1} Other`)
      return
    case 'leave':
      client.leave()
      return
    case 'come back':
    case 'come back with UIDs':
      if (!client.here) await client.comeBack(what !== 'come back')
      return
    case 'noop':
      if (client.here) await client.say('NOOP')
      return
    case 'own store':
      if (client.here) await client.say(`UID STORE ${n + 1}:* +FLAGS (\\Flagged)`)
      return
    case 'own fetch':
      if (client.here) await client.say(`UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${client.modSeq} VANISHED)`)
      return
    case 'own expunge':
      if (client.here) await client.say('EXPUNGE')
      return
    default:
      assert.fail(what)
  }
}

test('a client that comes back with QRESYNC has the mailbox as it is, whatever it missed', async () => {
  const told = { vanished: 0, changed: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.boolean(), async (steps, namesUids) => {
      const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
      await account.create('Other', null)
      const other = new Line(account)
      await other.say('SELECT INBOX')
      const client = new CachingClient(account)
      await client.comeBack(false)
      for (const { what, n } of steps) await act(account, other, client, what, n)
      client.leave()
      await client.comeBack(namesUids)

      const judge = new Map<number, string>()
      const line = new Line(account)
      await line.say('EXAMINE INBOX')
      for (const answer of await line.say('UID FETCH 1:* (FLAGS)')) {
        const [, uid, flags = ''] = /UID (\d+) FLAGS \(([^)]*)\)/.exec(answer) ?? []
        if (uid !== undefined) judge.set(Number(uid), flags.replace(/ ?\\Recent/, ''))
      }
      assert.deepEqual(
        [...client.flags].sort(([a], [b]) => a - b),
        [...judge],
      )
      told.vanished += client.told.vanished
      told.changed += client.told.changed
    }),
    { numRuns },
  )
  assert.ok(
    told.vanished > numRuns / 4 && told.changed > numRuns,
    `the histories told something: ${JSON.stringify(told)}`,
  )
})
