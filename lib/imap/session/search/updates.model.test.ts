/** A client that obeys every ADDTO and REMOVEFROM has, after each command, what a new SEARCH or SORT would give it (RFC 5267). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { LETTERS } from '../../testing/letters.ts'
import { MemoryAccount } from '../../testing/memory-account.ts'
import { MemoryHost, TEST_NOW_MS } from '../../testing/memory-host.ts'
import { ImapSession } from '../session.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 20)

const QUERIES = [
  'UID SEARCH RETURN (UPDATE ALL) UNSEEN',
  'SEARCH RETURN (UPDATE ALL) OR FLAGGED SUBJECT plan',
  'UID SORT RETURN (UPDATE ALL) (REVERSE SUBJECT DATE) UTF-8 NOT FLAGGED',
  'SORT RETURN (UPDATE ALL) (FROM) UTF-8 UNSEEN',
]

class Client {
  readonly #host = new MemoryHost()
  readonly #session: ImapSession
  #tags = 0
  /** Lists by tag, kept by what the server says of them. */
  readonly lists = new Map<string, number[]>()

  constructor(account: MemoryAccount) {
    this.#session = new ImapSession(account, this.#host)
    void this.#session.run()
  }

  /** @returns The tag. */
  async say(command: string): Promise<string> {
    const tag = `t${++this.#tags}`
    await this.#session.receive(Buffer.from(`${tag} ${command}\r\n`))
    for (const line of this.#host.take().split('\r\n')) this.#hear(line)
    return tag
  }

  end(): void {
    this.#session.end()
  }

  #hear(line: string): void {
    const [, gone] = /^\* (\d+) EXPUNGE$/.exec(line) ?? []
    if (gone !== undefined) {
      // Lists of sequence numbers follow EXPUNGE as every client's numbers do; UIDs here are larger than any of them.
      for (const [tag, list] of this.lists) {
        if (!BY_UID.has(tag))
          this.lists.set(
            tag,
            list.map((n) => (n > Number(gone) ? n - 1 : n)),
          )
      }
      return
    }
    const [, tag = '', uid, item = '', payload = ''] =
      /^\* ESEARCH \(TAG "(\w+)"\)( UID)? ?(ALL|ADDTO|REMOVEFROM)? ?(.*)$/.exec(line) ?? []
    if (tag === '') return
    if (uid !== undefined) BY_UID.add(tag)
    if (item === 'ALL' || item === '') this.lists.set(tag, numbers(payload))
    else this.#obey(this.lists.get(tag) ?? assert.fail(line), item, payload.slice(1, -1).split(' '))
  }

  #obey(list: number[], item: string, words: readonly string[]): void {
    for (let i = 0; i < words.length; i += 2) {
      const place = Number(words[i])
      for (const [n, number] of numbers(words[i + 1] ?? '').entries()) {
        if (item === 'ADDTO') {
          assert.ok(!list.includes(number))
          if (place > 0) list.splice(place - 1 + n, 0, number)
          else list.splice(list.filter((other) => other < number).length, 0, number)
        } else {
          const at = list.indexOf(number)
          if (place > 0) assert.equal(at, place - 1)
          assert.ok(at >= 0)
          list.splice(at, 1)
        }
      }
    }
  }
}

const BY_UID = new Set<string>()

function numbers(set: string): number[] {
  if (set === '') return []
  return set.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split(':').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

const step = fc.record({
  who: fc.constantFrom('own', 'other'),
  what: fc.constantFrom(
    'deliver',
    '+FLAGS (\\Seen)',
    '-FLAGS (\\Seen)',
    '+FLAGS (\\Flagged)',
    '-FLAGS (\\Flagged)',
    'expunge',
  ),
  n: fc.nat(),
})

test('a client that obeys every update has what a new search gives', async () => {
  const names = Object.keys(LETTERS)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      BY_UID.clear()
      const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
      const deliver = (n: number) => {
        const body = [LETTERS[names[n % names.length] ?? ''] ?? assert.fail()]
        return account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body })
      }
      for (let i = 0; i < 5; i++) await deliver(i * 3)
      const own = new Client(account)
      const other = new Client(account)
      for (const client of [own, other]) await client.say('SELECT INBOX')
      const tags: string[] = []
      for (const query of QUERIES) tags.push(await own.say(query))
      for (const { who, what, n } of steps) {
        const client = who === 'own' ? own : other
        if (what === 'deliver') await deliver(n)
        else if (what === 'expunge') {
          await client.say(`UID STORE ${(n % 12) + 1} +FLAGS.SILENT (\\Deleted)`)
          await client.say('EXPUNGE')
        } else await client.say(`UID STORE ${(n % 12) + 1} ${what}`)
        await own.say('NOOP')
        for (const [i, tag] of tags.entries()) {
          const again = await own.say((QUERIES[i] ?? '').replace('UPDATE ', ''))
          assert.deepEqual(own.lists.get(tag), own.lists.get(again), QUERIES[i])
          own.lists.delete(again)
        }
      }
      for (const client of [own, other]) client.end()
    }),
    { numRuns },
  )
})
