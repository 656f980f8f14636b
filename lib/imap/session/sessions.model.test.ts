/**
 * Several clients on one mailbox, each with a picture of it that only knows what its session said: EXISTS, EXPUNGE or VANISHED,
 * FETCH or UIDFETCH. One speaks RFC 3501, one QRESYNC (RFC 7162), one RFC 9051 by UIDs alone (RFC 9586), one is told without asking
 * (RFC 5465). Whatever they do in whatever order, every answer fits the picture: sequence numbers are never wrong (RFC 2180).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, settle, TEST_NOW_MS } from '../testing/memory-host.ts'
import { ImapSession } from './session.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 60)

type Speech = 'plain' | 'qresync' | 'uidonly' | 'notify'

/** Said before SELECT. */
const FIRST: Readonly<Record<Speech, string | null>> = {
  plain: null,
  qresync: 'ENABLE QRESYNC',
  uidonly: 'ENABLE UIDONLY IMAP4rev2',
  notify: 'NOTIFY SET (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge FlagChange))',
}

class Client {
  readonly host = new MemoryHost()
  readonly session: ImapSession
  /** UID of each sequence number, null until the client has seen it. */
  picture: (number | null)[] = []
  flags = new Map<number, string>()
  readonly speech: Speech
  #tags = 0
  #idling = false

  constructor(account: MemoryAccount, speech: Speech = 'plain') {
    this.session = new ImapSession(account, this.host)
    this.session.run()
    this.speech = speech
  }

  async select(): Promise<void> {
    const first = FIRST[this.speech]
    if (first !== null) await this.say(first)
    await this.say('SELECT INBOX')
  }

  /** Commands by sequence number are not for who has none: then the UID that the number would mean. */
  async sayBy(number: number, command: (by: string, number: number) => string): Promise<string> {
    if (this.speech !== 'uidonly') return this.say(command('', number))
    const uid = this.picture[number - 1]
    return typeof uid === 'number' ? this.say(command('UID ', uid)) : this.say('UID FETCH 1:* (FLAGS)')
  }

  /** Says a command and takes everything that came, also what came before. @returns The tagged line. */
  async say(command: string): Promise<string> {
    this.hear('EXPUNGE not allowed') // nothing is said between commands
    const tag = `t${++this.#tags}`
    await this.session.receive(Buffer.from(`${tag} ${command}\r\n`))
    const allowed = !/^(FETCH|STORE|SEARCH)/.test(command)
    return this.hear(allowed ? 'any' : 'EXPUNGE not allowed', tag)
  }

  async idle(): Promise<void> {
    await this.session.receive(Buffer.from('i IDLE\r\n'))
    this.#idling = true
    this.hear('any')
  }

  async done(): Promise<void> {
    if (!this.#idling) return
    await settle()
    await this.session.receive(Buffer.from('DONE\r\n'))
    this.#idling = false
    this.hear('any', 'i')
  }

  get idling(): boolean {
    return this.#idling
  }

  #hearVanished(line: string, rule: string): void {
    const vanished = /^\* VANISHED ([\d:,]+)$/.exec(line)?.[1]
    if (vanished === undefined) return
    assert.notEqual(this.speech, 'plain')
    assert.equal(rule, 'any', 'VANISHED in answer to a command that forbids it')
    for (const range of vanished.split(',')) {
      const [from = 0, to = from] = range.split(':').map(Number)
      for (let uid = from; uid <= to; uid++) {
        const place = placeOf(this.picture, uid)
        assert.ok(place >= 0, `VANISHED ${uid} is in the picture`)
        this.picture.splice(place, 1)
      }
    }
  }

  /** UIDFETCH: a UID that was only counted before takes its place among the others, which ascend. */
  #hearByUid(line: string): void {
    const [, number, rest = ''] = /^\* (\d+) UIDFETCH (.*)$/.exec(line) ?? []
    if (number === undefined) return
    assert.equal(this.speech, 'uidonly')
    const uid = Number(number)
    const place = placeOf(this.picture, uid)
    assert.ok(place >= 0, `UIDFETCH ${uid} is in the picture`)
    this.picture[place] = uid
    const known = this.picture.filter((one) => one !== null).sort((a, b) => a - b)
    this.picture = [...known, ...this.picture.filter((one) => one === null)]
    const flags = /FLAGS \(([^)]*)\)/.exec(rest)?.[1]
    if (flags !== undefined) this.flags.set(uid, flags)
  }

  hear(rule: 'any' | 'EXPUNGE not allowed', tag = ''): string {
    let tagged = ''
    for (const line of withoutLiterals(this.host.take()).split('\r\n')) {
      this.#hearVanished(line, rule)
      this.#hearByUid(line)
      const [, number = '', kind = '', rest = ''] = /^\* (\d+) (EXISTS|EXPUNGE|FETCH|RECENT)(.*)$/.exec(line) ?? []
      const n = Number(number)
      assert.ok(this.speech !== 'uidonly' || (kind !== 'FETCH' && kind !== 'RECENT'), line)
      if (kind === 'EXISTS') {
        assert.ok(n >= this.picture.length, `EXISTS ${n} after ${this.picture.length}`)
        while (this.picture.length < n) this.picture.push(null)
      } else if (kind === 'EXPUNGE') {
        assert.ok(this.speech === 'plain' || this.speech === 'notify', line)
        assert.equal(rule, 'any', 'EXPUNGE in answer to a command that forbids it')
        assert.ok(n >= 1 && n <= this.picture.length, `EXPUNGE ${n} of ${this.picture.length}`)
        this.picture.splice(n - 1, 1)
      } else if (kind === 'FETCH') {
        assert.ok(n >= 1 && n <= this.picture.length, `FETCH ${n} of ${this.picture.length}`)
        const uid = Number(/UID (\d+)/.exec(rest)?.[1])
        if (!Number.isNaN(uid)) {
          const known = this.picture[n - 1]
          if (known !== null && known !== undefined) assert.equal(uid, known, `message ${n}`)
          this.picture[n - 1] = uid
        }
        const flags = /FLAGS \(([^)]*)\)/.exec(rest)?.[1]
        const of = this.picture[n - 1]
        if (flags !== undefined && of !== null && of !== undefined) this.flags.set(of, flags.replace(/ ?\\Recent/, ''))
      } else if (tag !== '' && line.startsWith(`${tag} `)) tagged = line.slice(tag.length + 1)
    }
    return tagged
  }
}

/** A UID that the client never saw is one of those at the end that it only counts. */
function placeOf(picture: readonly (number | null)[], uid: number): number {
  const known = picture.indexOf(uid)
  return known >= 0 ? known : picture.indexOf(null)
}

/** Each response on one line. */
function withoutLiterals(output: string): string {
  let rest = output
  let text = ''
  for (let mark = /\{(\d+)\}\r\n/.exec(rest); mark !== null; mark = /\{(\d+)\}\r\n/.exec(rest)) {
    text += `${rest.slice(0, mark.index)}literal`
    rest = rest.slice(mark.index + mark[0].length + Number(mark[1]))
  }
  return text + rest
}

type Step = { readonly who: number; readonly what: string; readonly n: number }

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.integer({ min: 0, max: 3 }),
  what: fc.constantFrom(
    'deliver',
    'delete',
    'undelete',
    'flag',
    'silent',
    'expunge',
    'uid expunge',
    'noop',
    'fetch',
    'uid fetch',
    'search',
    'copy',
    'move',
    'idle',
    'done',
    'read',
  ),
  n: fc.nat(),
})

async function act(account: MemoryAccount, client: Client, { what, n }: Step): Promise<void> {
  if (what === 'deliver') {
    const body = [Buffer.from(`Subject: ${n}\r\n\r\n`)]
    await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body })
    return
  }
  if (what === 'done' || client.idling) return client.done()
  const count = client.picture.length
  const any = count === 0 ? 0 : (n % count) + 1
  if (what === 'noop') assert.equal(await client.say('NOOP'), 'OK Done')
  else if (what === 'expunge') assert.match(await client.say('EXPUNGE'), OK)
  else if (what === 'uid fetch') assert.equal(await client.say('UID FETCH 1:* (FLAGS)'), 'OK Done')
  else if (what === 'uid expunge') assert.match(await client.say(`UID EXPUNGE ${(n % 20) + 1}:*`), OK)
  else if (what === 'search') assert.match(await client.say(`${byUid(client)}SEARCH UNDELETED`), OK)
  else if (what === 'idle') await client.idle()
  else if (any > 0) {
    const commands: Record<string, (by: string, number: number) => string> = {
      delete: (by, number) => `${by}STORE ${number} +FLAGS (\\Deleted)`,
      undelete: (by, number) => `${by}STORE ${number} -FLAGS.SILENT (\\Deleted)`,
      flag: (by, number) => `${by}STORE 1:${number} +FLAGS (\\Flagged $k${n % 3})`,
      silent: (by, number) => `${by}STORE ${number}:* FLAGS.SILENT (\\Answered)`,
      fetch: (by) => `${by}FETCH 1:* (UID FLAGS)`,
      read: (by, number) => `${by}FETCH ${number} (UID BODY[HEADER])`,
      copy: (by, number) => `${by}COPY ${number} INBOX`,
      move: (by, number) => `${by}MOVE ${number} Other`,
    }
    assert.match(await client.sayBy(any, commands[what] ?? assert.fail(what)), /^OK|^NO \[EXPUNGEISSUED\]/)
  }
}

const OK = /^OK (\[HIGHESTMODSEQ \d+\] )?(Done|Nothing)/

function byUid(client: Client): string {
  return client.speech === 'uidonly' ? 'UID ' : ''
}

function oneOfEach(account: MemoryAccount): Client[] {
  return (['plain', 'qresync', 'uidonly', 'notify'] as const).map((speech) => new Client(account, speech))
}

test('ImapSession keeps the pictures of several clients right, whatever they do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
      await account.create('Other', null)
      const clients = oneOfEach(account)
      for (const client of clients) await client.select()
      for (const one of steps) await act(account, clients[one.who] ?? assert.fail(), one)

      // In the end everybody is told everything, and all pictures are the mailbox.
      for (const client of clients) await client.done()
      for (const client of clients) await client.say('NOOP')
      const [judge] = [new Client(account)]
      assert.ok(judge)
      await judge.say('EXAMINE INBOX')
      await judge.say('UID FETCH 1:* (FLAGS)')
      for (const client of clients) {
        await client.say(`${byUid(client)}FETCH 1:* (UID)`)
        assert.deepEqual(client.picture, judge.picture)
      }
    }),
    { numRuns },
  )
})

test('ImapSession tells every client every flag in the end, without being asked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
      await account.create('Other', null)
      for (let i = 0; i < 4; i++) {
        await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [Buffer.from('x\r\n')] })
      }
      const clients = oneOfEach(account)
      for (const client of clients) await client.select()
      for (const client of clients) await client.say(`${byUid(client)}FETCH 1:* (UID FLAGS)`)
      // Silent changes are left out: their client knows them by itself.
      const told = steps.filter(
        ({ what }) => what !== 'silent' && what !== 'undelete' && what !== 'deliver' && what !== 'copy',
      )
      for (const one of told) await act(account, clients[one.who] ?? assert.fail(), one)
      for (const client of clients) await client.done()
      for (const client of clients) await client.say('NOOP')
      const judge = new Client(account)
      await judge.say('EXAMINE INBOX')
      await judge.say('UID FETCH 1:* (FLAGS)')
      for (const client of clients) {
        for (const uid of judge.picture) {
          if (uid !== null) assert.equal(client.flags.get(uid), judge.flags.get(uid), `flags of ${uid}`)
        }
      }
    }),
    { numRuns },
  )
})
