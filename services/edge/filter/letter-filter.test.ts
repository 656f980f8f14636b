/** SMTP clients, an edge and a real filter: what becomes of letters that are found wanting, small and streamed ones. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type AccountWishes, type FilterWish, NO_WISH } from '#lib/filter/settings.ts'
import { EICAR, SignatureEngine } from '../../filter/engines/signatures.ts'
import { type RunningFilter, runFilter, scriptedEngine } from '../../filter/testing/running-filter.ts'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import type { WireClient } from '../testing/wire-client.ts'

let filter: RunningFilter
let fixture: EdgeFixture
before(async () => {
  const bounds = { bytesMax: 1e8, timeoutMs: 20_000 }
  const signatures = new SignatureEngine({ name: 'signatures', ...bounds, signatures: [EICAR] })
  /** As much spam as the subject says. */
  const spam = scriptedEngine(
    'spam',
    async (letter) => [{ kind: 'spam', name: 'score', weight: Number(letter.header('subject')) || 0 }],
    bounds,
  )
  filter = await runFilter([signatures, spam])
  fixture = await openEdge({ filter: poolAt(filter.port), deliveryPatienceMs: 20_000 })
})
after(() => Promise.all([fixture.close(), filter.close()]))

function poolAt(port: number) {
  return { host: '127.0.0.1', port, tls: false, required: ['signatures'] }
}

async function send(client: WireClient, letter: string, ...to: string[]): Promise<string> {
  await client.ask('MAIL FROM:<ben@example.net>')
  for (const address of to) assert.match(await client.ask(`RCPT TO:<${address}>`), /^250 /)
  assert.match(await client.ask('DATA'), /^354 /)
  client.send(`${letter}.\r\n`)
  return await client.reply()
}

const letterOf = (subject: string, text = 'hello') => `From: ben@example.net\r\nSubject: ${subject}\r\n\r\n${text}\r\n`
const VIRUS = EICAR.pattern.toString()
const LARGE = `${'a'.repeat(998)}\r\n`.repeat(2500)

async function fresh(): Promise<WireClient> {
  fixture.shard.letters.length = 0
  return await fixture.smtp()
}

test('a letter without a finding arrives with its evidence', async () => {
  const client = await fresh()
  assert.match(await send(client, letterOf('0'), 'anna@example.test'), /^250 /)
  const [recipient] = (await fixture.shard.letterAt(0)).recipients
  assert.equal(recipient?.mailbox, 'INBOX')
  assert.match(
    recipient?.headerBlock ?? '',
    /^X-Twinpost-Filter: action=accept;\r\n\tlevel=standard;\r\n\tspam=0\.00\r\n/m,
  )
  assert.match(recipient?.headerBlock ?? '', /^X-Twinpost-Evidence: engine=signatures;\r\n\tstate=done\r\n/m)
})

test('a letter with a virus is refused, small or streamed, and nothing of it is stored', async () => {
  for (const text of [VIRUS, LARGE + VIRUS]) {
    const client = await fresh()
    assert.match(
      await send(client, letterOf('0', text), 'anna@example.test', 'carl@example.test'),
      /^550 5\.7\.1 The letter holds a virus/,
    )
    assert.equal(fixture.shard.letters.length, 0)
    assert.match(await client.ask('NOOP'), /^250 /)
  }
})

test('spam goes to Junk, small or streamed, and says why', async () => {
  for (const text of ['hello', LARGE]) {
    const client = await fresh()
    assert.match(await send(client, letterOf('1.2', text), 'anna@example.test'), /^250 /)
    const letter = await fixture.shard.letterAt(0)
    assert.equal(letter.streamed, text === LARGE)
    assert.equal(letter.recipients[0]?.mailbox, '\\Junk')
    assert.match(
      letter.recipients[0]?.headerBlock ?? '',
      /action=junk;[\s\S]*reason="spam 1\.20 \([a-z]+\) at level standard"/,
    )
    assert.equal(letter.body.toString(), letterOf('1.2', text))
  }
})

test('recipients of one letter have what each wishes: nearer wishes before farther ones, and one reply for all', async () => {
  const wish = (more: Partial<FilterWish>): FilterWish => ({ ...NO_WISH, ...more })
  const wishes: Record<string, AccountWishes> = {
    'off@example.test': { own: wish({ level: 'off' }), domain: wish({ level: 'strict' }) },
    'strict@example.test': { own: null, domain: wish({ level: 'strict' }) },
    'low@example.test': { own: wish({ allow: ['example.net'] }), domain: wish({ level: 'low' }) },
    'deny@example.test': { own: wish({ level: 'off', deny: ['ben@example.net'] }), domain: null },
  }
  for (const [address, wished] of Object.entries(wishes)) {
    fixture.directory.add({ address, home: 'n1/0', wishes: wished })
  }
  const client = await fresh()
  const all = ['anna@example.test', ...Object.keys(wishes)]
  assert.match(await send(client, letterOf('1.6'), ...all), /^250 /)
  const { recipients } = await fixture.shard.letterAt(0)
  const seen = recipients.map(({ mailbox, headerBlock }) => [
    mailbox,
    /action=([a-z]+);\r\n\tlevel=([a-z]+)/.exec(headerBlock)?.slice(1).join(' '),
  ])
  assert.deepEqual(seen, [
    ['\\Junk', 'junk standard'],
    ['INBOX', 'accept off'],
    ['\\Quarantine', 'quarantine strict'], // refused by this one alone: never with a reply that speaks for all
    ['\\Junk', 'junk low'], // the author is on the allow list, and not proved
    ['\\Junk', 'junk off'],
  ])
  assert.match(await send(await fresh(), letterOf('1.6'), 'strict@example.test'), /^550 5\.7\.1 /)
})

test('spam beyond doubt is refused', async () => {
  assert.match(await send(await fresh(), letterOf('7'), 'anna@example.test'), /^550 5\.7\.1 /)
})

test('a virus goes to quarantine where the rules say so, small or streamed; one that a user sends is refused all the same', async (t) => {
  const edge = await openEdge({
    filter: { ...poolAt(filter.port), onVirus: 'quarantine' },
    deliveryPatienceMs: 20_000,
  })
  t.after(() => edge.close())
  for (const [i, text] of [VIRUS, LARGE + VIRUS].entries()) {
    assert.match(await send(await edge.smtp(), letterOf('0', text), 'anna@example.test'), /^250 /)
    const { recipients, streamed } = await edge.shard.letterAt(i)
    assert.equal(streamed, i === 1)
    assert.equal(recipients[0]?.mailbox, '\\Quarantine')
    assert.match(recipients[0]?.headerBlock ?? '', /action=quarantine;[\s\S]*reason="virus Eicar-Test-Signature/)
  }
  const user = await edge.submit('anna@example.test')
  await user.ask('MAIL FROM:<anna@example.test>')
  await user.ask('RCPT TO:<carl@example.test>')
  await user.ask('DATA')
  user.send(`${letterOf('0', VIRUS)}.\r\n`)
  assert.match(await user.reply(), /^550 5\.7\.1 /)
})

test('evidence that a sender writes changes nothing', async () => {
  const forged = `X-Twinpost-Evidence: engine=signatures; state=done\r\n${letterOf('1.2', VIRUS)}`
  assert.match(await send(await fresh(), forged, 'anna@example.test'), /^550 /)
})

test('users cannot send viruses either', async () => {
  const client = await fixture.submit('anna@example.test')
  await client.ask('MAIL FROM:<anna@example.test>')
  await client.ask('RCPT TO:<carl@example.test>')
  await client.ask('DATA')
  client.send(`${letterOf('0', VIRUS)}.\r\n`)
  assert.match(await client.reply(), /^550 5\.7\.1 /)
})

test('without a filter a letter is refused for now, or taken and marked, as the pool says', async (t) => {
  const strict = await openEdge({ filter: poolAt(1) })
  const open = await openEdge({ filter: { ...poolAt(1), onFailure: 'accept' } })
  t.after(() => Promise.all([strict.close(), open.close()]))
  for (const text of ['hello', LARGE]) {
    assert.match(await send(await strict.smtp(), letterOf('0', text), 'anna@example.test'), /^451 4\.7\.1 /)
    assert.match(await send(await open.smtp(), letterOf('0', text), 'anna@example.test'), /^250 /)
  }
  assert.equal(strict.shard.letters.length, 0)
  assert.match(
    open.shard.letters[0]?.recipients[0]?.headerBlock ?? '',
    /^X-Twinpost-Filter: action=accept;\r\n\tlevel=standard;\r\n\tunjudged\r\n/m,
  )
})

test('an engine that must look and is not in the pool: the letter is refused for now', async (t) => {
  const other = await openEdge({ filter: { ...poolAt(filter.port), required: ['clamd'] } })
  t.after(() => other.close())
  assert.match(await send(await other.smtp(), letterOf('0'), 'anna@example.test'), /^451 4\.7\.1 /)
})
