import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { INFLATE_PIECE_BYTES, MIB } from '../../limits.ts'
import { MemoryAccount } from '../../testing/memory-account.ts'
import { MemoryHost, settle, TEST_NOW_MS } from '../../testing/memory-host.ts'
import { ImapSession } from '../session.ts'
import { Compression, CompressionBudget, STREAM_END } from './compression.ts'

const SYNC = { finishFlush: constants.Z_SYNC_FLUSH }
const packed = (text: string | Buffer) => deflateRawSync(Buffer.from(text), SYNC)

async function collect(pieces: AsyncGenerator<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

test('Compression.pack() makes one stream of writes that each can be read at once', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 8 }), (writes) => {
      const compression = new Compression()
      let stream: Buffer = Buffer.alloc(0)
      let said: Buffer = Buffer.alloc(0)
      for (const bytes of writes) {
        stream = Buffer.concat([stream, compression.pack(bytes)])
        said = Buffer.concat([said, bytes])
        assert.deepEqual(inflateRawSync(stream, SYNC), said)
      }
      assert.deepEqual(inflateRawSync(Buffer.concat([stream, STREAM_END])), said)
      compression.close()
    }),
  )
})

test('Compression.unpack() gives what the client said, however its stream is cut', async () => {
  const said = Buffer.from('a1 NOOP\r\n'.repeat(5000))
  const stream = packed(said)
  for (const size of [1, 7, stream.length]) {
    const compression = new Compression()
    const pieces: Buffer[] = []
    for (let at = 0; at < stream.length; at += size) {
      pieces.push(await collect(compression.unpack(stream.subarray(at, at + size))))
    }
    assert.deepEqual(Buffer.concat(pieces), said)
    compression.close()
  }
})

test('Compression.unpack() holds one piece of a flood and ends it', async () => {
  const flood = deflateRawSync(Buffer.alloc(200 * MIB), SYNC)
  assert.ok(flood.length < MIB)
  const compression = new Compression()
  let got = 0
  await assert.rejects(
    async () => {
      for await (const piece of compression.unpack(flood)) {
        assert.ok(piece.length <= 8 * INFLATE_PIECE_BYTES)
        got += piece.length
      }
    },
    { code: 'COMPRESS_INPUT' },
  )
  assert.ok(got <= 64 * MIB + 100 * flood.length)
  compression.close()
})

test('Compression.unpack() refuses what is no deflate stream, and what follows its end', async () => {
  const damaged = new Compression()
  await assert.rejects(collect(damaged.unpack(Buffer.from('a1 NOOP\r\n'))), { code: 'COMPRESS_INPUT' })
  const ended = new Compression()
  await assert.rejects(
    async () => {
      await collect(ended.unpack(deflateRawSync(Buffer.from('a1 NOOP\r\n'))))
      await collect(ended.unpack(packed('a2 NOOP\r\n')))
    },
    { code: 'COMPRESS_INPUT' },
  )
})

test('Compression.unpack() comes to an end when the session ends in the middle', async () => {
  const compression = new Compression()
  const pieces = compression.unpack(packed(Buffer.alloc(MIB)))
  await pieces.next()
  compression.close()
  await collect(pieces)
})

function begin(host = new MemoryHost()) {
  const session = new ImapSession(new MemoryAccount({ nowMs: () => TEST_NOW_MS }), host)
  const ended = session.run()
  let stream: Buffer = Buffer.alloc(0)
  return {
    host,
    session,
    ended,
    say: (text: string) => session.receive(Buffer.from(text)),
    sayPacked: (text: string) => session.receive(packed(text)),
    heard: () => Buffer.from(host.take(), 'latin1'),
    /** All that was said since COMPRESS. */
    unpacked() {
      stream = Buffer.concat([stream, Buffer.from(host.take(), 'latin1')])
      return inflateRawSync(stream, SYNC).toString('latin1')
    },
  }
}

test('RFC 4978 section 3: both ways are compressed behind the answer; a second COMPRESS is refused', async () => {
  const { say, sayPacked, heard, unpacked, ended, host } = begin()
  await say('a1 COMPRESS DEFLATE\r\n')
  assert.equal(heard().toString(), 'a1 OK Compression begins behind this line\r\n')
  await sayPacked('a2 NOOP\r\na3 COMPRESS DEFLATE\r\n')
  await sayPacked('a4 LOGOUT\r\n')
  assert.deepEqual(await ended, { kind: 'logout' })
  const said =
    'a2 OK Done\r\na3 NO [COMPRESSIONACTIVE] Compression is active already\r\n* BYE Goodbye\r\na4 OK Done\r\n'
  assert.equal(unpacked(), said)
  assert.ok(host.compression.take() && host.compression.take(), 'the place is free again')
})

test('RFC 4978 with RFC 2177: what happens during IDLE is told at once', async () => {
  const host = new MemoryHost()
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
  const session = new ImapSession(account, host)
  void session.run()
  await session.receive(Buffer.from('a1 SELECT INBOX\r\na2 COMPRESS DEFLATE\r\n'))
  host.take()
  await session.receive(packed('a3 IDLE\r\n'))
  let stream = Buffer.from(host.take(), 'latin1')
  assert.equal(inflateRawSync(stream, SYNC).toString(), '+ idling\r\n')
  await account.append({
    mailbox: 'INBOX',
    flags: { system: 0, keywords: [] },
    internalDateMs: null,
    body: [Buffer.from('a: b\r\n\r\n')],
  })
  await settle()
  stream = Buffer.concat([stream, Buffer.from(host.take(), 'latin1')])
  assert.match(inflateRawSync(stream, SYNC).toString(), /EXISTS\r\n\* 1 RECENT\r\n$/)
  session.end()
})

test('COMPRESS is refused while something is sent behind it, when all places are taken, and by another name', async () => {
  const { say, heard, session } = begin()
  await say('a1 COMPRESS DEFLATE\r\na2 NOOP\r\n')
  assert.match(heard().toString(), /^a1 BAD .*\r\na2 OK Done\r\n$/)
  await say('a3 COMPRESS GZIP\r\n')
  assert.match(heard().toString(), /^a3 BAD /)
  session.end()
  const full = begin(Object.assign(new MemoryHost(), { compression: new CompressionBudget(0) }))
  await full.say('a1 COMPRESS DEFLATE\r\n')
  assert.match(full.heard().toString(), /^a1 NO \[LIMIT\]/)
  full.session.end()
})

test('a session whose client sends damaged compressed data says BYE', async () => {
  const { say, heard, unpacked, ended } = begin()
  await say('a1 COMPRESS DEFLATE\r\n')
  heard()
  await say('a2 NOOP\r\n')
  assert.deepEqual(await ended, { kind: 'bye', reason: 'Compressed data is damaged' })
  assert.equal(unpacked(), '* BYE Compressed data is damaged\r\n')
})
