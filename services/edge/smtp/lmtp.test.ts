import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { fakeAccountId } from '../testing/fake-directory.ts'

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
})

test('LMTP speaks LHLO only and offers neither STARTTLS nor AUTH', async () => {
  const client = await fixture.connect('lmtp')
  await client.reply()
  assert.match(await client.ask('EHLO relay'), /^500 /)
  const said = await client.ask('LHLO relay')
  assert.match(said, /PIPELINING/)
  assert.doesNotMatch(said, /STARTTLS|AUTH/)
})

test('LMTP answers each accepted RCPT, over several shards, repeated ones too', async () => {
  fixture.shard.outcome = (account) =>
    account === fakeAccountId('carl@example.test')
      ? { kind: 'over-quota' }
      : { kind: 'stored', uid: 1, duplicate: false }
  fixture.otherShard.outcome = () => ({ kind: 'unavailable' })
  const client = await fixture.smtp('lmtp')
  await client.ask('MAIL FROM:<ben@example.net>')
  const rcpts = ['anna', 'nobody', 'carl', 'dora', 'anna', 'a.miller']
  const said = []
  for (const name of rcpts) said.push((await client.ask(`RCPT TO:<${name}@example.test>`)).slice(0, 3))
  assert.deepEqual(said, ['250', '550', '250', '250', '250', '250'])
  await client.ask('DATA')
  client.send('Subject: x\r\n\r\nhi\r\n.\r\n')
  const replies: string[] = []
  for (let i = 0; i < 5; i++) replies.push((await client.reply()).trim().slice(0, 9))
  assert.deepEqual(replies, ['250 2.0.0', '452 4.2.2', '451 4.3.0', '250 2.0.0', '250 2.0.0'])
  assert.match(await client.ask('NOOP'), /250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.recipients.length, 2)
  assert.match(letter.recipients[0]?.headerBlock ?? '', /with LMTP id /)
  assert.equal((await fixture.otherShard.letterAt(0)).traceId, letter.traceId)
})

test('LMTP refuses a faulty letter once for each recipient', async () => {
  const client = await fixture.smtp('lmtp')
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  await client.ask('RCPT TO:<dora@example.test>')
  await client.ask('DATA')
  client.send('Subject: x\r\n\r\nhi\nho\r\n.\r\n')
  for (let i = 0; i < 2; i++) assert.match((await client.reply()).trim(), /^550 5\.6\.0 /)
})

test('LMTP streams a large letter to several shards', async () => {
  const client = await fixture.smtp('lmtp')
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  await client.ask('RCPT TO:<dora@example.test>')
  await client.ask('DATA')
  const body = `Subject: large\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(40_000)}`
  client.send(`${body}.\r\n`)
  for (let i = 0; i < 2; i++) assert.match((await client.reply()).trim(), /^250 /)
  for (const shard of [fixture.shard, fixture.otherShard]) {
    const letter = await shard.letterAt(0)
    assert.equal(letter.streamed, true)
    assert.equal(letter.body.toString(), body)
  }
})

test('LMTP goes on with the shards that are there when one is lost in the middle of a large letter', async () => {
  const client = await fixture.smtp('lmtp')
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  await client.ask('RCPT TO:<dora@example.test>')
  await client.ask('DATA')
  const half = `${'0123456789'.repeat(7)}\r\n`.repeat(40_000)
  await client.sendAlone(`Subject: large\r\n\r\n${half}`)
  await fixture.otherShard.stop()
  client.send(`${half}.\r\n`)
  assert.match((await client.reply()).trim(), /^250 /)
  assert.match((await client.reply()).trim(), /^451 /)
  await fixture.otherShard.start()
  assert.equal((await fixture.shard.letterAt(0)).body.length, 18 + 2 * half.length)
})
