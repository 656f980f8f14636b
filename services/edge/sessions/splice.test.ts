import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { STREAM_END } from '#lib/imap/session/compress/compression.ts'
import { Splice, type SpliceEnd } from './splice.ts'

/** A client at one end, a shard's stream at the other; what the shard says, and then its end. */
async function ending(...said: (string | Buffer)[]): Promise<{ end: SpliceEnd; heard: string }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const client = connect(address.port, '127.0.0.1')
  const [accepted]: Socket[] = await once(server, 'connection')
  assert.ok(accepted)
  const shard = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const over = new Promise<SpliceEnd>((resolve) => {
    new Splice({ client: accepted, shard, farewell: (text) => Buffer.from(`* BYE ${text}\r\n`), onEnd: resolve })
  })
  for (const chunk of said) shard.push(chunk)
  shard.push(null)
  let heard = ''
  for await (const chunk of client) heard += String(chunk)
  server.close()
  return { end: await over, heard }
}

test('Splice takes a stream that ends without a goodbye for a shard that is lost', async () => {
  const { end, heard } = await ending('a OK Done\r\n')
  assert.equal(end, 'shard-lost')
  assert.match(heard, /^a OK Done\r\n\* BYE The mail store/)
})

test('Splice knows the goodbye of a session, in clear text and compressed (RFC 4978)', async () => {
  assert.equal((await ending('* BYE Goodbye\r\n', 'a OK Done\r\n')).end, 'session-ended')
  assert.equal((await ending(Buffer.from([1, 2, 3]), STREAM_END)).end, 'session-ended')
})

test('Splice says nothing of its own into a compressed stream', async () => {
  const { end, heard } = await ending(Buffer.from([0x01, 0x00, 0x00, 0xff, 0xff]))
  assert.equal(end, 'shard-lost')
  assert.ok(!heard.includes('BYE'))
})
