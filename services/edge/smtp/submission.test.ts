import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ScramClient } from '#lib/sasl/testing/scram-client.ts'
import { type EdgeFixture, HOSTNAME, openEdge } from '../testing/edge-fixture.ts'
import { fakeAccountId } from '../testing/fake-directory.ts'
import type { WireClient } from '../testing/wire-client.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge()
})
after(() => fixture.close())
afterEach(() => {
  for (const shard of [fixture.shard, fixture.otherShard]) {
    shard.letters.length = 0
    shard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
  }
  fixture.directory.down = false
})

const plain = (login: string, password: string, authzid = '') =>
  `AUTH PLAIN ${Buffer.from(`${authzid}\0${login}\0${password}`).toString('base64')}`
const base64 = (text: string) => Buffer.from(text).toString('base64')

async function send(client: WireClient, letter: string, ...to: string[]): Promise<string> {
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^250 /)
  for (const address of to) assert.match(await client.ask(`RCPT TO:<${address}>`), /^250 /)
  await client.ask('DATA')
  client.send(`${letter}.\r\n`)
  return await client.reply()
}

const LETTER = 'From: anna@example.test\r\nDate: Tue, 24 Nov 2026 07:52:43 +0000\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n'

test('Submission hides AUTH before TLS, refuses it, and offers it after STARTTLS', async () => {
  const client = await fixture.connect('submission')
  await client.reply()
  const before = await client.ask('EHLO laptop')
  assert.match(before, /STARTTLS/)
  assert.doesNotMatch(before, /AUTH/)
  assert.match(await client.ask(plain('anna@example.test', 'secret')), /^538 5\.7\.0 /)
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 5\.7\.0 /)
  assert.match(await client.ask('STARTTLS'), /^220 /)
  await client.startTls(fixture.tls)
  assert.match(await client.ask('EHLO laptop'), /AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN/)
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 5\.7\.0 /)
  assert.match(await client.ask(plain('anna@example.test', 'secret')), /^235 2\.7\.0 /)
  assert.match(await send(client, LETTER, 'carl@example.test'), /^250 /)
})

test('Submission drops what was said in clear text behind STARTTLS', async () => {
  const client = await fixture.connect('submission')
  await client.reply()
  await client.ask('EHLO laptop')
  client.send(`STARTTLS\r\nRSET\r\n${plain('anna@example.test', 'secret')}\r\nMAIL FROM:<anna@example.test>\r\n`)
  assert.match(await client.reply(), /^220 /)
  await client.startTls(fixture.tls)
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^503 /) // not even EHLO is remembered
  assert.match(await client.ask('EHLO laptop'), /^250/)
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 /)
})

test('Submission takes AUTH LOGIN', async () => {
  const client = await fixture.smtp('submissions')
  assert.match(await client.ask('AUTH LOGIN'), /^334 VXNlcm5hbWU6/)
  assert.match(await client.ask(base64('anna@example.test')), /^334 UGFzc3dvcmQ6/)
  assert.match(await client.ask(base64('secret')), /^235 /)
})

const refusals: [name: string, command: string, reply: RegExp][] = [
  ['a wrong password', plain('anna@example.test', 'wrong'), /^535 5\.7\.8 /],
  ['an unknown name', plain('nobody@example.test', 'secret'), /^535 5\.7\.8 /],
  ['a suspended account', plain('eve@example.test', 'secret'), /^535 5\.7\.13 /],
  ['acting for another', plain('anna@example.test', 'secret', 'carl@example.test'), /^535 5\.7\.8 /],
  ['an unknown mechanism', 'AUTH CRAM-MD5', /^504 /],
]
for (const [name, command, reply] of refusals) {
  test(`Submission refuses ${name}`, async () => {
    const client = await fixture.smtp('submissions')
    assert.match(await client.ask(command), reply)
    assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 /)
  })
}

test('Submission closes after three failed logins and counts them', async () => {
  const client = await fixture.smtp('submissions')
  await client.ask(plain('anna@example.test', 'a'))
  await client.ask(plain('anna@example.test', 'b'))
  assert.match(await client.ask(plain('anna@example.test', 'c')), /^421 4\.7\.0 /)
  await client.rest()
  const failures = await fixture.metric('twinpost_edge_login_failures_total', { mechanism: 'PLAIN', reason: 'denied' })
  assert.ok(failures >= 3)
})

test('Submission answers 454 while the directory is down', async () => {
  const client = await fixture.smtp('submissions')
  fixture.directory.down = true
  assert.match(await client.ask(plain('anna@example.test', 'secret')), /^454 4\.7\.0 /)
})

const senders: [name: string, address: string, reply: RegExp][] = [
  ["takes the account's own address", 'anna@example.test', /^250 /],
  ['takes an alias', 'A.Miller@example.test', /^250 /],
  ['takes a subaddress', 'anna+shop@example.test', /^250 /],
  ['takes the null sender of a notification', '', /^250 /],
  ["refuses another account's address", 'carl@example.test', /^553 5\.7\.1 /],
  ['refuses a foreign address', 'anna@elsewhere.example', /^553 5\.7\.1 /],
]
for (const [name, address, reply] of senders) {
  test(`Submission ${name}`, async () => {
    const client = await fixture.submit('anna@example.test')
    assert.match(await client.ask(`MAIL FROM:<${address}>`), reply)
  })
}

test('Submission queues what leaves with the letter of those who are here, as one', async () => {
  const client = await fixture.submit('anna@example.test')
  assert.match(
    await send(client, LETTER, 'x@Elsewhere.example', 'carl@example.test', 'y@other.example', 'x@elsewhere.example'),
    /^250 2\.0\.0 Accepted as /,
  )
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.recipients.length, 1)
  assert.equal(letter.queue?.account, fakeAccountId('anna@example.test'))
  assert.deepEqual(
    letter.queue.recipients.map(({ address }) => address),
    ['x@elsewhere.example', 'y@other.example'],
  )
  const block = Buffer.from(letter.queue.headerBlock).toString()
  assert.match(block, /^Received: from submission \(client address withheld\)/)
  assert.doesNotMatch(block, /Return-Path|Delivered-To/)
  assert.equal(letter.body.toString(), LETTER)
})

test('Submission sends a letter for others only to the shard of its author', async () => {
  const client = await fixture.submit('anna@example.test')
  assert.match(await send(client, LETTER, 'x@elsewhere.example'), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.deepEqual(letter.recipients, [])
  assert.equal(letter.queue?.eightBit, false)
})

test('Submission queues a large letter while it comes', async () => {
  const client = await fixture.submit('anna@example.test')
  const large = `${LETTER}${'x'.repeat(76)}\r\n`.padEnd(LETTER.length + 78) + `${'y'.repeat(76)}\r\n`.repeat(20_000)
  assert.match(await send(client, large, 'x@elsewhere.example', 'carl@example.test'), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.streamed, true)
  assert.equal(letter.queue?.recipients.length, 1)
  assert.equal(letter.body.length, large.length)
})

test('Submission hands on what the author wants to be told, and queues for it what is here', async () => {
  const client = await fixture.submit('anna@example.test')
  await client.ask('MAIL FROM:<anna@example.test> RET=HDRS ENVID=QQ314 BODY=8BITMIME')
  assert.match(
    await client.ask('RCPT TO:<carl@example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;carl@example.test'),
    /^250 /,
  )
  assert.match(await client.ask('RCPT TO:<x@elsewhere.example> NOTIFY=NEVER'), /^250 /)
  await client.ask('DATA')
  client.send(`${LETTER}.\r\n`)
  assert.match(await client.reply(), /^250 /)
  const { queue, recipients } = await fixture.shard.letterAt(0)
  assert.deepEqual(recipients, [])
  assert.deepEqual([queue?.ret, queue?.envid, queue?.eightBit], ['HDRS', 'QQ314', true])
  assert.deepEqual(queue?.recipients, [
    { address: 'carl@example.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;carl@example.test' },
    { address: 'x@elsewhere.example', notify: [], orcpt: null },
  ])
})

test('Submission asks an account that sends too much to come later', async () => {
  fixture.shard.queueOutcome = () => ({ kind: 'rate-limited' })
  const client = await fixture.submit('anna@example.test')
  assert.match(await send(client, LETTER, 'x@elsewhere.example'), /^452 4\.7\.1 /)
  fixture.shard.queueOutcome = () => ({ kind: 'queued' })
})

test('Submission refuses address literals: no server behind our own checks is reached by them', async () => {
  const client = await fixture.submit('anna@example.test')
  await client.ask('MAIL FROM:<anna@example.test>')
  assert.match(await client.ask('RCPT TO:<x@[127.0.0.1]>'), /^550 5\.1\.2 /)
  assert.match(await client.ask('DATA'), /^503 /)
})

test('Submission keeps a whole letter as it is, and says how it came in without the address', async () => {
  const client = await fixture.submit('anna@example.test')
  assert.match(await send(client, LETTER, 'carl@example.test'), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.body.toString(), LETTER)
  const block = letter.recipients[0]?.headerBlock ?? ''
  assert.match(block, /with ESMTPSA id /)
  assert.match(block, /\(TLSv1\.3 TLS_AES_\d+_GCM_SHA\d+\)/)
  assert.doesNotMatch(block, /127\.0\.0\.1|client\.example\.net/)
})

test('Submission adds Date and Message-ID, and repairs line ends', async () => {
  const client = await fixture.submit('anna@example.test')
  assert.match(
    await send(client, 'From: anna@example.test\nSubject: x\r\n\rtext\0\n\r\n', 'carl@example.test'),
    /^250 /,
  )
  const letter = await fixture.shard.letterAt(0)
  assert.match(
    letter.body.toString(),
    new RegExp(
      `^Date: [^\r]* \\+0000\r\nMessage-ID: <${letter.traceId}@${HOSTNAME}>\r\n` +
        'From: anna@example\\.test\r\nSubject: x\r\n\r\ntext\r\n\r\n$',
    ),
  )
})

test('Submission refuses a letter without From', async () => {
  const client = await fixture.submit('anna@example.test')
  assert.match(await send(client, 'Subject: x\r\n\r\nhi\r\n', 'carl@example.test'), /^550 5\.6\.0 /)
})

const authors: [name: string, from: string, reply: RegExp][] = [
  ['takes an alias', 'From: A <A.Miller@Example.test>', /^250 /],
  ['takes a subaddress', 'From: anna+shop@example.test', /^250 /],
  ['takes an address of another domain', 'From: Anna <anna@elsewhere.example>', /^250 /],
  ['refuses somebody else of ours', 'From: Carl <carl@example.test>', /^550 5\.7\.1 The address in From/],
  ['refuses an address of ours that nobody has', 'From: boss@example.test', /^550 5\.7\.1 /],
  ['refuses somebody else behind the own address', 'From: anna@example.test, carl@example.test', /^550 5\.7\.1 /],
  ['refuses somebody else in a second field', 'From: anna@example.test\r\nfrom : <carl@example.test>', /^550 5\.7\.1 /],
  ['refuses somebody else on a folded line', 'From: Carl\r\n <carl@example.test>', /^550 5\.7\.1 /],
  ['refuses somebody else with a dot at the end', 'From: carl@example.test.', /^550 5\.7\.1 /],
  ['refuses a quoted name of ours', 'From: "car l"@example.test', /^550 5\.7\.1 /],
]
for (const [name, from, reply] of authors) {
  test(`Submission ${name} in From`, async () => {
    const client = await fixture.submit('anna@example.test')
    assert.match(await send(client, `${from}\r\nSubject: x\r\n\r\nhi\r\n`, 'carl@example.test'), reply)
  })
}

test('Submission delivers to all shards at once, and a repetition after 451 uses the same ids', async () => {
  fixture.otherShard.outcome = () => ({ kind: 'unavailable' })
  const client = await fixture.submit('anna@example.test')
  const draft = 'From: anna@example.test\r\n\r\nboth\r\n' // Date and Message-ID differ at each try
  assert.match(await send(client, draft, 'carl@example.test', 'dora@example.test'), /^451 /)
  fixture.otherShard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
  assert.match(await send(client, draft, 'carl@example.test', 'dora@example.test'), /^250 /)
  for (const shard of [fixture.shard, fixture.otherShard]) {
    const [first, second] = [await shard.letterAt(0), await shard.letterAt(1)]
    assert.equal(first.recipients[0]?.deliveryId, second.recipients[0]?.deliveryId)
  }
  assert.equal((await fixture.otherShard.letterAt(1)).recipients[0]?.account, fakeAccountId('dora@example.test'))
})

/** The exchange of SCRAM up to the last reply. */
async function scram(client: WireClient, user: string, password: string, plus: boolean): Promise<string> {
  const peer = new ScramClient(user, password, plus ? client.channelBinding() : null)
  const text = (reply: string) => Buffer.from(reply.slice(4), 'base64').toString()
  const first = await client.ask(`AUTH SCRAM-SHA-256${plus ? '-PLUS' : ''} ${base64(peer.first())}`)
  const final = await client.ask(base64(peer.final(text(first))))
  if (!final.startsWith('334 ')) return final
  assert.ok(peer.accepts(text(final)), 'the server knows the keys')
  return await client.ask('')
}

test('Submission takes SCRAM-SHA-256 and -PLUS (RFC 4954, RFC 7677), and then a letter', async () => {
  for (const plus of [false, true]) {
    const client = await fixture.smtp('submissions')
    assert.match(await scram(client, 'anna@example.test', 'secret', plus), /^235 2\.7\.0 /)
    assert.match(await send(client, LETTER, 'carl@example.test'), /^250 /)
  }
})

test('Submission refuses SCRAM with a wrong password like any other, and counts it', async () => {
  const client = await fixture.smtp('submissions')
  assert.match(await scram(client, 'anna@example.test', 'wrong', false), /^535 5\.7\.8 /)
  assert.match(await scram(client, 'nobody@example.test', 'secret', false), /^535 5\.7\.8 /)
  assert.match(await client.ask('AUTH SCRAM-SHA-256 AAAA'), /^(421|535) /)
  assert.match(await client.rest(), /^$|421/)
})

test('Submission goes on after an exchange that the client cancelled', async () => {
  const client = await fixture.smtp('submissions')
  assert.match(await client.ask('AUTH SCRAM-SHA-256'), /^334$|^334 $/)
  assert.match(await client.ask('*'), /^501 /)
  assert.match(await scram(client, 'anna@example.test', 'secret', false), /^235 /)
})
