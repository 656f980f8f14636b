import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge()
})
after(() => fixture.close())

test('SmtpConnection answers pipelined commands in one piece', async () => {
  const socket = connect(fixture.edge.port('smtp'), '127.0.0.1')
  await once(socket, 'data')
  socket.write('EHLO client.example.net\r\n')
  await once(socket, 'data')
  socket.write('MAIL FROM:<ben@example.net>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\n')
  const [replies] = await once(socket, 'data')
  assert.match(String(replies), /^250 [^\r]*\r\n250 [^\r]*\r\n354 [^\r]*\r\n$/)
  socket.destroy()
})

test('SmtpConnection answers a client that pipelines more than a socket buffers', async () => {
  const socket = connect(fixture.edge.port('smtp'), '127.0.0.1')
  await once(socket, 'data')
  const count = 20_000
  socket.write('NOOP\r\n'.repeat(count))
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.split('\n').length > count) break
  }
  assert.equal(text, '250 2.0.0 OK\r\n'.repeat(count))
})

test('SmtpConnection reads lines of dots as fast as others', async () => {
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  await client.ask('DATA')
  const lines = 300_000
  client.send(`Subject: dots\r\n\r\n${'..\r\n'.repeat(lines)}.\r\n`)
  assert.match(await client.reply(), /^250 /)
  const letter = await fixture.shard.letterAt(0)
  assert.equal(letter.body.toString(), `Subject: dots\r\n\r\n${'.\r\n'.repeat(lines)}`)
})

test('SmtpConnection bears a client that asks much and reads nothing: it is not read any further', async () => {
  const socket = connect(fixture.edge.port('smtp'), '127.0.0.1')
  await once(socket, 'data')
  socket.pause()
  const block = Buffer.from('EHLO client.example.net\r\n'.repeat(4_000))
  let sent = 0
  while (socket.write(block) || (await drained(socket))) {
    sent += block.length
    assert.ok(sent < 64 * 1024 * 1024, 'everything is read')
  }
  socket.destroy()
  const client = await fixture.smtp()
  assert.match(await client.ask('NOOP'), /^250 /)
})

/** False if the other side takes nothing for a while. */
function drained(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 500)
    socket.once('drain', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

test('SmtpConnection answers a client that ended its side behind the last command', async () => {
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  await client.ask('DATA')
  client.send('Subject: x\r\n\r\n.\r\n')
  client.end()
  assert.match(await client.reply(), /^250 /)
  await client.rest()
})

test('SmtpConnection takes a letter in chunks, refused ones too, and stays in step', async () => {
  const client = await fixture.smtp()
  const said = async (text: string) => {
    client.send(text)
    return await client.reply()
  }
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  const before = fixture.shard.letters.length
  assert.match(await said('BDAT 14\r\nSubject: x\r\n\r\n'), /^250 /)
  assert.match(await said('BDAT 3 LAST\r\n.\r\n'), /^250 2\.0\.0 Accepted as /)
  assert.equal((await fixture.shard.letterAt(before)).body.toString(), 'Subject: x\r\n\r\n.\r\n')
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  assert.match(await said('BDAT 4 LAST\r\na\nb\n'), /^550 5\.6\.0 /) // the same check as DATA
  assert.match(await said('BDAT 6 LAST\r\nQUIT\r\n'), /^503 /)
  assert.match(await client.ask('NOOP'), /^250 /)
  assert.equal(fixture.shard.letters.length, before + 1)
  assert.equal(await fixture.metric('twinpost_edge_body_budget_used_bytes'), 0)
})

test('SmtpConnection forgets a letter in chunks that RSET takes back', async () => {
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<anna@example.test>')
  const before = fixture.shard.letters.length
  client.send('BDAT 14\r\nSubject: x\r\n\r\n')
  assert.match(await client.reply(), /^250 /)
  assert.match(await client.ask('RSET'), /^250 /)
  assert.match(await client.ask('BDAT 0 LAST'), /^503 /)
  assert.equal(fixture.shard.letters.length, before)
  assert.equal(await fixture.metric('twinpost_edge_body_budget_used_bytes'), 0)
})
