/** Who is primary, by an administrator's will: handed over while clients work, fenced, and what is refused with which words. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { ImapFlow } from 'imapflow'
import { type ShardLine, TestArray } from './support/array.ts'
import { allMessages, imapLogin, withoutHeaderBlock } from './support/imap.ts'
import { letter, pairInSync, waitFor } from './support/pour.ts'
import { type Reply, SmtpDialogue } from './support/smtp.ts'

/** The promise is one second; a test machine that does other things at the same time gets more. */
const WAIT_MS_MAX = 10_000
const WRITERS = 3
/** Letters before the handover and after it. */
const LETTERS = 60

let array: TestArray
let home: string
before(async () => {
  array = await TestArray.start()
  home = array.account('alice').home
  await paired()
})
after(() => array?.remove())

const paired = (): Promise<ShardLine> => pairInSync(array, home)

function members(line: ShardLine): { primary: string; mirror: string } {
  assert.ok(line.primary && line.mirror, line.shard)
  return { primary: String(line.primary.member), mirror: String(line.mirror.member) }
}

/** Longest time that one of `steps` took, and what it was. */
class Stopwatch {
  worstMs = 0
  worst = 'nothing'

  async time<T>(what: string, step: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    try {
      return await step()
    } finally {
      const ms = performance.now() - startedMs
      if (ms > this.worstMs) {
        this.worstMs = ms
        this.worst = what
      }
    }
  }
}

interface Written {
  readonly accepted: string[]
  readonly replies: Reply[]
}

/** Sends letters one after another until `over`; each is tried again until it is accepted, like a server outside does. */
async function write(name: string, to: string, over: () => boolean, watch: Stopwatch, written: Written): Promise<void> {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO roles.example.net')
  for (let number = 0; !over(); number++) {
    const subject = `${name}-${number}`
    await watch.time(`delivery of ${subject}`, async () => {
      for (;;) {
        const reply = await smtp.deliver('s@example.net', [to], letter(subject))
        written.replies.push(reply)
        if (reply.code === 250) break
      }
    })
    written.accepted.push(subject)
  }
  smtp.close()
}

/** Reads the newest letter again and again; a session that ends is opened again, and that is part of the wait. */
async function read(name: string, over: () => boolean, watch: Stopwatch): Promise<{ rounds: number; logins: number }> {
  const account = array.account(name)
  let client: ImapFlow | null = null
  let rounds = 0
  let logins = 0
  while (!over()) {
    await watch.time(`round ${rounds} of the reader`, async () => {
      for (;;) {
        try {
          if (client === null) {
            client = await imapLogin(array, account)
            logins++
            await client.mailboxOpen('INBOX', { readOnly: true })
          }
          const newest = await client.fetchOne('*', { source: true })
          assert.ok(newest && newest.source && newest.source.length > 0)
          break
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error
          client?.close()
          client = null
        }
      }
    })
    rounds++
  }
  await (client as ImapFlow | null)?.logout()
  return { rounds, logins }
}

/**
 * Clients read and deliver while the primary changes by `act`; nothing that was accepted is lost or twice, and nobody waits long.
 * @param act Resolves when `mirror` is primary.
 */
async function whileClientsWork(
  t: TestContext,
  name: string,
  act: (line: ShardLine, mirror: string) => Promise<void>,
): Promise<void> {
  const alice = array.account('alice')
  const line = await paired()
  const { mirror } = members(line)
  const written: Written = { accepted: [], replies: [] }
  const watch = new Stopwatch()
  let over = false
  const work = Promise.all([
    read('alice', () => over, watch),
    ...Array.from({ length: WRITERS }, (_, i) => write(`${name}-${i}`, alice.address, () => over, watch, written)),
  ])
  work.catch(() => {}) // looked at below
  const sent = (count: number) =>
    waitFor(`${count} letters`, async () => (written.accepted.length >= count ? true : null))

  await sent(LETTERS)
  await act(line, mirror)
  await sent(written.accepted.length + LETTERS)
  over = true
  const [reader] = await work

  for (const { code, text } of written.replies)
    assert.ok(code === 250 || (code >= 400 && code < 500), `${code} ${text}`)
  const stored = [...(await allMessages(array, alice)).values()]
  for (const subject of written.accepted) {
    const whole = stored.filter((message) => withoutHeaderBlock(message, letter(subject)) !== null)
    assert.equal(whole.length, 1, subject)
  }
  assert.ok(reader.rounds > 0 && reader.logins <= 3, `${reader.rounds} rounds, ${reader.logins} logins`)
  const refused = written.replies.filter(({ code }) => code !== 250).length
  t.diagnostic(`${written.accepted.length} letters, ${refused} refused temporarily`)
  t.diagnostic(`longest wait of a client: ${Math.round(watch.worstMs)} ms, ${watch.worst}`)
  assert.ok(watch.worstMs < WAIT_MS_MAX, `${watch.worst} took ${watch.worstMs} ms`)
  assert.equal((await paired()).primary?.member, mirror)
}

test('a planned switchover loses no accepted letter and keeps no client waiting', (t) =>
  whileClientsWork(t, 'switch', async (line, mirror) => {
    const { primary } = members(line)
    const printed = await array.must('switchover', home)
    t.diagnostic(printed.trim())
    assert.match(printed, new RegExp(`${home}: ${mirror} is primary after \\d+ ms, ${primary} mirrors it`))
    assert.equal((await array.shard(home)).primary?.member, mirror, 'status names the new primary')
  }))

test('a primary that is told to stop hands over first: clients see a switchover, no failover', (t) =>
  whileClientsWork(t, 'term', async (line, mirror) => {
    assert.ok(line.primary)
    const startedMs = performance.now()
    process.kill(line.primary.pid, 'SIGTERM')
    await waitFor(`${mirror} to be primary`, async () =>
      (await array.shard(home)).primary?.member === mirror ? true : null,
    )
    t.diagnostic(`${mirror} seen as primary after ${Math.round(performance.now() - startedMs)} ms`)
    const log = readFileSync(
      join(array.root, 'logs', `${members(line).primary}-shard-${home.split('/')[1]}.log`),
      'utf8',
    )
    assert.match(log, /"came":"handed over, the other member serves"/)
  }))

test('a fenced member does not become primary, also when it was restarted, until it is unfenced', async () => {
  const { primary, mirror } = members(await paired())
  const shard = `shard-${home.slice(home.indexOf('/') + 1)}`
  assert.match(await array.must('fence', `${home}@${mirror}`), new RegExp(`${mirror} will not be primary of ${home}`))
  assert.deepEqual((await array.shard(home)).fenced, [mirror])
  assert.match(await array.must('status'), new RegExp(`fenced: ${mirror}`))

  await array.kill(`${mirror}/${shard}`)
  assert.deepEqual((await paired()).fenced, [mirror], 'still, after a kill -9')

  // The primary is kept down until the fenced one would take over and says why it does not.
  await waitFor('the fenced member to stand back', async () => {
    await array.kill(`${primary}/${shard}`)
    const line = await array.shard(home)
    assert.notEqual(line.primary?.member, mirror)
    return line.replicas.some(({ member, phase }) => member === mirror && /fenced/.test(phase)) ? true : null
  })
  const again = await paired()
  assert.equal(again.primary?.member, primary, 'the fenced one has not become primary')

  const refused = await array.command('switchover', home)
  assert.equal(refused.code, 1, refused.stdout)
  assert.match(refused.stderr, new RegExp(`${mirror} is fenced`))
  const both = await array.command('fence', `${home}@${primary}`)
  assert.equal(both.code, 1, both.stdout)
  assert.match(both.stderr, new RegExp(`${mirror} is fenced already`))
  assert.equal((await paired()).primary?.member, primary, 'nothing was handed to a fenced member')

  assert.match(await array.must('unfence', `${home}@${mirror}`), /may be primary/)
  assert.deepEqual((await array.shard(home)).fenced, [])
  await array.must('switchover', home)
  assert.equal((await array.shard(home)).primary?.member, mirror)
})

test('fencing a member hands over what it is primary of', async () => {
  const { primary, mirror } = members(await paired())
  await array.must('fence', primary)
  await waitFor(`${mirror} to be primary of all shards`, async () => {
    const shards = (await array.status()).shards.filter((line) => line.shard.startsWith(home.slice(0, 2)))
    return shards.length > 0 && shards.every((line) => line.primary?.member === mirror) ? true : null
  })
  await array.must('unfence', primary)
})

test('promote says what may be lost, and wants --force and the name of the stopped member', async () => {
  const { primary, mirror } = members(await paired())
  const member = mirror.slice(-1)
  const bare = await array.command('promote', home)
  assert.equal(bare.code, 2)
  assert.match(bare.stderr, new RegExp(`twinpost switchover ${home}`))
  const unconfirmed = await array.command('promote', '--force', home, '--member', member)
  assert.equal(unconfirmed.code, 2)
  assert.match(unconfirmed.stdout, /promoting it by force (loses|may lose)/i)
  assert.match(unconfirmed.stderr, new RegExp(`--i-confirm-stopped ${primary}`))
  const wrongName = await array.command('promote', '--force', home, '--member', member, '--i-confirm-stopped', mirror)
  assert.equal(wrongName.code, 2)
  const alive = await array.command('promote', '--force', home, '--member', member, '--i-confirm-stopped', primary)
  assert.equal(alive.code, 1)
  assert.match(alive.stderr, new RegExp(`${primary} answers`))
  assert.equal((await array.shard(home)).primary?.member, primary)
})

const wrong: [name: string, args: string[], words: RegExp][] = [
  ['a shard that is none', ['switchover', 'n9/0'], /no shard n9\/0.*n1\/0, n1\/1, n2\/0/],
  ['no shard', ['switchover'], /SHARD/],
  ['two shards', ['switchover', 'n1/0', 'n1/1'], /n1\/1/],
  ['a member that is none', ['fence', 'n1-7'], /no member n1-7.*n1-0, n1-1/],
  ['a replica that is none', ['unfence', 'n1/0@7'], /no member n1\/0@7.*n1\/0@1/],
  ['a shard where a member is wanted', ['fence', 'n1/0'], /n1\/0@1/],
  ['a shard that is none', ['promote', '--force', 'n9/0', '--member', '0'], /no shard n9\/0/],
  ['a member number that is none', ['promote', '--force', 'n1/0', '--member', '2'], /--member 2/],
]
for (const [name, args, words] of wrong) {
  test(`twinpost ${args[0]} names ${name} and ends with 2: ${args.join(' ')}`, async () => {
    const { code, stderr } = await array.command(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, words)
  })
}
