import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { EdgeSmtpServer } from './smtp-connection.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge()
})
after(() => fixture.close())

// What EdgeConnection and EdgeStream override must be there, and be called by the library: the tests around this one see to
// the second; this one says plainly what an update of the package has taken away.
const overridden: [owner: string, prototype: object, names: string[]][] = [
  [
    'SMTPConnection',
    SMTPConnection.prototype,
    [
      ...['init', 'connectionReady', 'send', 'upgrade', 'handler_EHLO', 'handler_DATA'],
      ...['_createParser', '_whenWritable', '_validateMailParams'],
    ],
  ],
  [
    'SMTPStream',
    SMTPStream.prototype,
    ['startDataMode', '_write', '_feedDataStream', '_endDataMode', '_countDataBytes'],
  ],
]
for (const [owner, prototype, names] of overridden) {
  for (const name of names) {
    test(`smtp-server still has ${owner}.${name}`, () => {
      assert.equal(typeof Reflect.get(prototype, name), 'function')
    })
  }
}

test('EdgeConnection is served at once: no wait for early talkers', async () => {
  let served = false
  const smtp = new EdgeSmtpServer(
    {
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      onConnect(_session, done) {
        served = true
        done()
      },
    },
    { mayTakeLetter: () => true },
  )
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const client = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
  const [socket] = await once(listener, 'connection')
  smtp.connect(socket, {})
  assert.equal(served, true) // before any timer can have run
  const [greeting] = await once(client, 'data')
  assert.match(String(greeting), /^220 /)
  client.destroy()
  listener.close()
})

test('EdgeConnection answers pipelined commands in one piece', async () => {
  const socket = connect(fixture.edge.port('smtp'), '127.0.0.1')
  await once(socket, 'data')
  socket.write('EHLO client.example.net\r\n')
  await once(socket, 'data')
  socket.write('MAIL FROM:<ben@example.net>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\n')
  const [replies] = await once(socket, 'data')
  assert.match(String(replies), /^250 [^\r]*\r\n250 [^\r]*\r\n354 [^\r]*\r\n$/)
  socket.destroy()
})

test('EdgeConnection answers a client that pipelines more than a socket buffers', async () => {
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

test('EdgeConnection reads lines of dots as fast as others', async () => {
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
