import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, afterEach, before, test } from 'node:test'
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
    shard.verdict = () => ({ kind: 'ok' })
    shard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
    shard.silent = false
    shard.dropOnLetter = false
  }
  fixture.directory.down = false
})

const LETTER = 'From: ben@example.net\r\nSubject: hello\r\n\r\nline\r\n'

async function envelope(client: WireClient, from: string, ...to: string[]): Promise<string[]> {
  const replies = [await client.ask(`MAIL FROM:<${from}>`)]
  for (const address of to) replies.push(await client.ask(`RCPT TO:<${address}>`))
  return replies
}

async function data(client: WireClient, letter: string): Promise<string> {
  assert.match(await client.ask('DATA'), /^354 /)
  client.send(`${letter.replace(/^\./gm, '..')}.\r\n`)
  return await client.reply()
}

test('SmtpService stores a letter with its bytes and header block', async () => {
  const client = await fixture.smtp()
  assert.deepEqual(await envelope(client, 'ben@example.net', 'anna@example.test'), [
    '250 2.1.0 Accepted',
    '250 2.1.5 Accepted',
  ])
  const body = `${LETTER}.dot\r\n..\r\n`
  const reply = await data(client, body)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(reply, `250 2.0.0 Accepted as ${letter.traceId}`)
  assert.equal(letter.body.toString(), body)
  assert.equal(letter.reversePath, 'ben@example.net')
  assert.equal(letter.streamed, false)
  const [recipient] = letter.recipients
  assert.equal(recipient?.account, fakeAccountId('anna@example.test'))
  assert.equal(recipient?.mailbox, 'INBOX')
  assert.match(
    recipient?.headerBlock ?? '',
    new RegExp(
      '^Return-Path: <ben@example\\.net>\r\n' +
        'Delivered-To: anna@example\\.test\r\n' +
        'Received: from client\\.example\\.net \\(\\[127\\.0\\.0\\.1\\]\\)' +
        ` by mx\\.example\\.test\r\n\twith ESMTP id ${letter.traceId} for <anna@example\\.test>;\r\n` +
        '\t\\w{3}, \\d+ \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\r\n$',
    ),
  )
})

test('SmtpService announces what it can do, and no AUTH to other servers', async () => {
  const client = await fixture.connect('smtp')
  assert.equal(await client.reply(), `220 ${HOSTNAME} ESMTP Twinpost`)
  const said = await client.ask('EHLO client.example.net')
  const words = said.split('\r\n').map((line) => line.slice(4))
  assert.deepEqual(words, [
    HOSTNAME,
    'PIPELINING',
    '8BITMIME',
    'ENHANCEDSTATUSCODES',
    'CHUNKING',
    'LIMITS RCPTMAX=1000',
    'STARTTLS',
    'SIZE 52428800',
  ])
})

const recipientCases: [name: string, said: string, reply: RegExp][] = [
  ['refuses an unknown address', 'RCPT TO:<nobody@example.test>', /^550 5\.1\.1 /],
  ['refuses to relay', 'RCPT TO:<x@elsewhere.example>', /^550 5\.7\.1 /],
  ['refuses a suspended account', 'RCPT TO:<eve@example.test>', /^550 5\.2\.1 /],
  ['refuses parameters', 'RCPT TO:<anna@example.test> NOTIFY=NEVER', /^555 5\.5\.4 /],
  ['refuses what is no address', 'RCPT TO:<>', /^501 5\.1\.3 /],
  ['accepts an alias', 'RCPT TO:<a.miller@example.test>', /^250 /],
  ['accepts a subaddress', 'RCPT TO:<anna+lists@example.test>', /^250 /],
  ['accepts another case', 'RCPT TO:<Anna@EXAMPLE.test>', /^250 /],
]
for (const [name, said, reply] of recipientCases) {
  test(`SmtpService ${name}`, async () => {
    const client = await fixture.smtp()
    await envelope(client, 'ben@example.net')
    assert.match(await client.ask(said), reply)
  })
}

const verdictCases: [kind: 'unknown' | 'suspended' | 'over-quota' | 'too-large' | 'unavailable', reply: RegExp][] = [
  ['unknown', /^550 5\.1\.1 /],
  ['suspended', /^550 5\.2\.1 /],
  ['over-quota', /^452 4\.2\.2 /],
  ['too-large', /^552 5\.2\.3 /],
  ['unavailable', /^451 4\.3\.0 /],
]
for (const [kind, reply] of verdictCases) {
  test(`SmtpService answers the shard's verdict ${kind}`, async () => {
    fixture.shard.verdict = () => ({ kind })
    const client = await fixture.smtp()
    await envelope(client, 'ben@example.net')
    assert.match(await client.ask('RCPT TO:<anna@example.test>'), reply)
  })
}

test('SmtpService asks the shard with the size that MAIL gave', async () => {
  const sizes: number[] = []
  fixture.shard.verdict = ({ sizeBytes }) => {
    sizes.push(sizeBytes)
    return { kind: 'ok' }
  }
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net> SIZE=4711 BODY=8BITMIME')
  await client.ask('RCPT TO:<anna@example.test>')
  assert.deepEqual(sizes, [4711])
})

test('SmtpService follows an account that has moved and delivers to its new shard', async () => {
  fixture.shard.verdict = () => ({ kind: 'moved', target: 'n1/2' })
  const client = await fixture.smtp()
  assert.match((await envelope(client, 'ben@example.net', 'anna@example.test')).join(), /^250[^,]*,250/)
  assert.match(await data(client, LETTER), /^250 /)
  assert.equal((await fixture.otherShard.letterAt(0)).recipients[0]?.account, fakeAccountId('anna@example.test'))
  assert.ok(fixture.directory.forgotten.includes(fakeAccountId('anna@example.test')))
})

test('SmtpService follows an account that moves between RCPT and DATA, with the same delivery id', async () => {
  fixture.shard.outcome = () => ({ kind: 'moved', target: 'n1/2' })
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  assert.match(await data(client, LETTER), /^250 /)
  const [first, second] = [await fixture.shard.letterAt(0), await fixture.otherShard.letterAt(0)]
  assert.equal(first.recipients[0]?.deliveryId, second.recipients[0]?.deliveryId)
})

test('SmtpService gives up on an account that moves in circles', async () => {
  fixture.shard.verdict = () => ({ kind: 'moved', target: 'n1/2' })
  fixture.otherShard.verdict = () => ({ kind: 'moved', target: 'n1/0' })
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net')
  assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^451 4\.3\.0 /)
})

test('SmtpService defers while the directory is down and goes on when it is back', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net')
  fixture.directory.down = true
  assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^451 4\.4\.3 /)
  fixture.directory.down = false
  assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^250 /)
})

test('SmtpService takes recipients of one shard only in a transaction', async () => {
  const client = await fixture.smtp()
  const replies = await envelope(
    client,
    'ben@example.net',
    'anna@example.test',
    'dora@example.test',
    'carl@example.test',
  )
  assert.match(replies[2] ?? '', /^452 4\.5\.3 /)
  assert.match(replies[3] ?? '', /^250 /)
  assert.match(await data(client, LETTER), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.deepEqual(
    letter.recipients.map((recipient) => recipient.account),
    [fakeAccountId('anna@example.test'), fakeAccountId('carl@example.test')],
  )
  for (const { headerBlock } of letter.recipients) assert.doesNotMatch(headerBlock, / for </)
})

test('SmtpService lets the null sender have one recipient', async () => {
  const client = await fixture.smtp()
  const replies = await envelope(client, '', 'anna@example.test', 'carl@example.test')
  assert.match(replies[1] ?? '', /^250 /)
  assert.match(replies[2] ?? '', /^452 4\.5\.3 /)
  assert.match(await data(client, LETTER), /^250 /)
  assert.match((await fixture.shard.letterAt(0)).recipients[0]?.headerBlock ?? '', /^Return-Path: <>\r\n/)
})

test('SmtpService delivers once to an account that was named by two addresses', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test', 'a.miller@example.test')
  assert.match(await data(client, LETTER), /^250 /)
  assert.equal((await fixture.shard.letterAt(0)).recipients.length, 1)
})

const outcomeCases: [name: string, anna: string, carl: string, reply: RegExp][] = [
  ['is 250 when all are stored', 'stored', 'stored', /^250 /],
  ['is 550 when all are gone', 'unknown', 'unknown', /^550 5\.1\.1 /],
  ['is 452 when all are full', 'over-quota', 'over-quota', /^452 4\.2\.2 /],
  ['is 451 when some are full', 'stored', 'over-quota', /^451 4\.3\.0 /],
  ['is 451 when one is gone', 'unknown', 'stored', /^451 4\.3\.0 /],
  ['is 451 when one cannot be stored', 'stored', 'unavailable', /^451 4\.3\.0 /],
]
for (const [name, anna, carl, reply] of outcomeCases) {
  test(`SmtpService's one reply ${name}`, async () => {
    fixture.shard.outcome = (account) => {
      const kind = account === fakeAccountId('anna@example.test') ? anna : carl
      if (kind === 'unknown' || kind === 'over-quota' || kind === 'unavailable') return { kind }
      return { kind: 'stored', uid: 7, duplicate: false }
    }
    const client = await fixture.smtp()
    await envelope(client, 'ben@example.net', 'anna@example.test', 'carl@example.test')
    assert.match(await data(client, `Subject: ${name}\r\n\r\n`), reply)
  })
}

test('SmtpService delivers a repeated letter with the ids of the try that was answered 451', async () => {
  fixture.shard.outcome = (account) =>
    account === fakeAccountId('carl@example.test')
      ? { kind: 'unavailable' }
      : { kind: 'stored', uid: 1, duplicate: false }
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test', 'carl@example.test')
  assert.match(await data(client, LETTER), /^451 /)
  fixture.shard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: true })
  const again = await fixture.smtp()
  await envelope(again, 'ben@example.net', 'carl@example.test', 'anna@example.test')
  assert.match(await data(again, LETTER), /^250 /)
  const [first, second] = [await fixture.shard.letterAt(0), await fixture.shard.letterAt(1)]
  const ids = (letter: typeof first) => new Map(letter.recipients.map((one) => [one.account, one.deliveryId]))
  assert.equal(ids(first).size, 2)
  for (const [account, id] of ids(first)) assert.equal(ids(second).get(account), id)
  const other = await fixture.smtp()
  await envelope(other, 'ben@example.net', 'anna@example.test')
  await data(other, `${LETTER}another\r\n`)
  const third = await fixture.shard.letterAt(2)
  assert.notEqual(
    ids(third).get(fakeAccountId('anna@example.test')),
    ids(first).get(fakeAccountId('anna@example.test')),
  )
})

test('SmtpService waits for a shard that restarts and delivers with the same id', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  fixture.shard.dropOnLetter = true
  const reply = data(client, LETTER)
  const first = await fixture.shard.letterAt(0)
  await fixture.shard.stop()
  fixture.shard.dropOnLetter = false
  await fixture.shard.start()
  assert.match(await reply, /^250 /)
  const last = fixture.shard.letters.at(-1)
  assert.ok(fixture.shard.letters.length > 1)
  assert.equal(last?.recipients[0]?.deliveryId, first.recipients[0]?.deliveryId)
  assert.deepEqual(last?.body, first.body)
})

test('SmtpService answers 451 when the shard stays away', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  await fixture.shard.stop()
  assert.match(await data(client, LETTER), /^451 4\.3\.0 /)
  await fixture.shard.start()
  assert.match((await envelope(client, 'ben@example.net', 'anna@example.test'))[1] ?? '', /^250 /)
})

test('SmtpService answers 451 when the shard keeps silent', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  fixture.shard.silent = true
  assert.match(await data(client, LETTER), /^451 4\.3\.0 /)
})

test('SmtpService forgets the transaction at RSET', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  assert.match(await client.ask('RSET'), /^250 /)
  assert.match(await client.ask('DATA'), /^503 /)
})

test('SmtpService answers pipelined commands in order', async () => {
  const client = await fixture.smtp()
  client.send('MAIL FROM:<ben@example.net>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\n')
  const replies = [await client.reply(), await client.reply(), await client.reply(), await client.reply()]
  assert.deepEqual(
    replies.map((reply) => reply.trim().slice(0, 3)),
    ['250', '550', '250', '354'],
  )
  client.send(`${LETTER}.\r\nQUIT\r\n`)
  assert.match(await client.reply(), /^250 /)
  assert.match((await client.reply()).trim(), /^221 /)
})

test('SmtpService refuses unknown MAIL parameters and BINARYMIME with 555', async () => {
  const client = await fixture.smtp()
  assert.match(await client.ask('MAIL FROM:<ben@example.net> FOO=BAR'), /^555 5\.5\.4 /)
  assert.match(await client.ask('MAIL FROM:<ben@example.net> BODY=BINARYMIME'), /^555 5\.5\.4 /)
  assert.match(await client.ask('MAIL FROM:<ben@example.net> SMTPUTF8'), /^555 5\.5\.4 /)
})

test('SmtpService refuses a letter that has gone round in circles', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  const hops = 'Received: from a by b; Tue, 24 Nov 2026 07:52:43 +0000\r\n'.repeat(101)
  assert.match(await data(client, `${hops}${LETTER}`), /^554 5\.4\.6 /)
  assert.equal(fixture.shard.letters.length, 0)
})

test('SmtpService bears over-long lines: commands are refused, lines of a letter are kept', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  const body = `Subject: long\r\n\r\n${'x'.repeat(200_000)}\r\n`
  assert.match(await data(client, body), /^250 /)
  assert.equal((await fixture.shard.letterAt(0)).body.toString(), body)
  client.send(`NOOP ${'x'.repeat(20_000)}\r\n`)
  assert.match(await client.reply(), /^421 /)
  await client.rest()
})

const faults: [name: string, body: string][] = [
  ['a bare LF', 'a\r\nb\nc\r\n'],
  ['a bare CR', 'a\r\nb\rc\r\n'],
  ['a NUL byte', 'a\r\nb\0c\r\n'],
  ['LF dot LF', 'a\n.\nMAIL FROM:<x@example.net>\r\n'],
  ['LF dot CRLF', 'a\n.\r\nMAIL FROM:<x@example.net>\r\n'],
  ['CR dot CR', 'a\r.\rMAIL FROM:<x@example.net>\r\n'],
]
for (const [name, body] of faults) {
  test(`SmtpService refuses ${name} at every border, after the true end`, async () => {
    const client = await fixture.smtp()
    const wire = `Subject: x\r\n\r\n${body}`
    for (let cut = 14; cut < wire.length; cut++) {
      await envelope(client, 'ben@example.net', 'anna@example.test')
      await client.ask('DATA')
      await client.sendAlone(wire.slice(0, cut))
      client.send(`${wire.slice(cut)}.\r\n`)
      assert.match(await client.reply(), /^550 5\.6\.0 /, `cut at ${cut}`)
    }
    assert.match(await client.ask('NOOP'), /^250 /) // in step: nothing of the body was a command
    assert.equal(fixture.shard.letters.length, 0)
  })
}

test('SmtpService keeps a letter whole whatever its segments', async () => {
  const client = await fixture.smtp()
  const wire = 'Subject: x\r\n\r\n..\r\na\r\n...b\r\n'
  for (let cut = 1; cut < wire.length + 4; cut++) {
    await envelope(client, 'ben@example.net', 'anna@example.test')
    await client.ask('DATA')
    const whole = `${wire}.\r\n`
    await client.sendAlone(whole.slice(0, cut))
    client.send(whole.slice(cut))
    assert.match(await client.reply(), /^250 /)
    const letter = await fixture.shard.letterAt(cut - 1)
    assert.equal(letter.body.toString(), 'Subject: x\r\n\r\n.\r\na\r\n..b\r\n')
  }
})

test('SmtpService streams a large letter to the shard', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  const body = `Subject: large\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(60_000)}`
  assert.match(await data(client, body), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.streamed, true)
  assert.equal(letter.body.toString(), body)
})

test('SmtpService sends a letter of several frames that is held in memory again after a loss', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  fixture.shard.dropOnLetter = true
  const body = `Subject: middling\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(8_000)}`
  const reply = data(client, body)
  await fixture.shard.letterAt(0)
  fixture.shard.dropOnLetter = false
  assert.match(await reply, /^250 /)
  assert.equal(fixture.shard.letters.at(-1)?.body.toString(), body)
})

test('SmtpService stores nothing of a large letter with a fault near its end', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  const aborted = once(fixture.shard, 'aborted')
  const body = `Subject: large\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(40_000)}bad\nline\r\n`
  assert.match(await data(client, body), /^550 5\.6\.0 /)
  await aborted
  assert.equal(fixture.shard.letters.length, 0)
})

test('SmtpService stores nothing of a large letter whose client goes away', async () => {
  const client = await fixture.smtp()
  await envelope(client, 'ben@example.net', 'anna@example.test')
  await client.ask('DATA')
  const aborted = once(fixture.shard, 'aborted')
  client.send(`Subject: large\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(40_000)}`)
  client.end()
  await aborted
  assert.equal(fixture.shard.letters.length, 0)
})
