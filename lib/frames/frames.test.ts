import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BytesError } from '#lib/bytes/reader.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameDecoder } from './codec.ts'
import * as protocol from './shard-protocol.ts'

const account = toAccountId('a'.repeat(16))

test('FrameDecoder cuts the same frames out of a stream however it is chunked', () => {
  const frame = fc.record({
    type: fc.nat(255),
    requestId: fc.nat(0xffff_ffff),
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 97 })), (frames, cuts) => {
      const stream = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.requestId, f.payload)))
      const decoder = new FrameDecoder()
      const seen: string[] = []
      let at = 0
      for (let i = 0; at < stream.length; i++) {
        const size = cuts[i % Math.max(1, cuts.length)] ?? 50
        decoder.push(stream.subarray(at, at + size))
        at += size
        for (let next = decoder.next(); next; next = decoder.next()) {
          seen.push(`${next.type} ${next.requestId} ${next.payload.toString('hex')}`)
        }
      }
      assert.deepEqual(
        seen,
        frames.map((f) => `${f.type} ${f.requestId} ${Buffer.from(f.payload).toString('hex')}`),
      )
      assert.equal(decoder.rest().length, 0)
    }),
  )
})

const broken: [name: string, bytes: Buffer, code: string][] = [
  ['a length of 4 GiB', Buffer.from('ffffffff0101000000000000', 'hex'), 'FRAME_TOO_LARGE'],
  ['one byte more than a frame may have', lengthPrefix(FRAME_PAYLOAD_BYTES_MAX + 1), 'FRAME_TOO_LARGE'],
  ['a version of tomorrow', Buffer.from('00000000016300000000', 'hex'), 'FRAME_VERSION'],
]
function lengthPrefix(length: number): Buffer {
  const head = Buffer.alloc(10)
  head.writeUInt32BE(length, 0)
  head[5] = 1
  return head
}
for (const [name, bytes, code] of broken) {
  test(`FrameDecoder refuses ${name}`, () => {
    const decoder = new FrameDecoder()
    decoder.push(bytes)
    assert.throws(() => decoder.next(), { code })
  })
}

test('FrameDecoder.rest() gives the raw bytes that follow the last frame', () => {
  const decoder = new FrameDecoder()
  decoder.push(Buffer.concat([encodeFrame(31, 0, Buffer.from('x')), Buffer.from('a1 NOOP\r\n')]))
  assert.equal(decoder.next()?.type, 31)
  assert.equal(decoder.rest().toString(), 'a1 NOOP\r\n')
})

const id = Buffer.alloc(16, 7)
const sessionOpen: protocol.SessionOpen = {
  protocol: 'imap',
  account,
  login: 'anna@example.test',
  sessionId: 's1',
  clientAddress: '2001:db8::1',
  clientPort: 40_000,
  tls: 'TLSv1.3',
  clientId: ['name', '雷鸟'],
}
const payloads: [name: string, value: unknown, encoded: Buffer, decode: (payload: Uint8Array) => unknown][] = [
  row(
    'hello',
    { purpose: 'rpc', shard: toShardName('n1/0'), caller: 'edge n1-0' },
    protocol.encodeHello,
    protocol.decodeHello,
  ),
  row('refused', { reason: 'moved', message: 'gone', target: 'n2/1' }, protocol.encodeRefusal, protocol.decodeRefusal),
  row(
    'recipientsCheck',
    [{ account, sizeBytes: 2 ** 33 }],
    protocol.encodeRecipientsCheck,
    protocol.decodeRecipientsCheck,
  ),
  row(
    'recipientsVerdict',
    [{ kind: 'ok' }, { kind: 'moved', target: 'n2/1' }, { kind: 'over-quota' }],
    protocol.encodeRecipientsVerdict,
    protocol.decodeRecipientsVerdict,
  ),
  row('replicaOpen', 'bulk' as const, protocol.encodeReplicaOpen, protocol.decodeReplicaOpen),
  row('deliverEnd', { commit: false, amendments: [] }, protocol.encodeDeliverEnd, protocol.decodeDeliverEnd),
  row(
    'deliverEnd with amendments',
    { commit: true, amendments: [{ mailbox: '\\Junk', headerBlock: Buffer.from('X: y\r\n') }] },
    protocol.encodeDeliverEnd,
    protocol.decodeDeliverEnd,
  ),
  row(
    'deliverResult',
    [{ kind: 'stored', uid: 7, duplicate: true }, { kind: 'unavailable' }, { kind: 'moved', target: 'n2/0' }],
    protocol.encodeDeliverResult,
    protocol.decodeDeliverResult,
  ),
  row('sessionOpen', sessionOpen, protocol.encodeSessionOpen, protocol.decodeSessionOpen),
  row('sessionOpened', { capabilities: 'IMAP4rev1 IDLE' }, protocol.encodeSessionOpened, protocol.decodeSessionOpened),
  row(
    'sessionsEnd',
    { account, reason: 'password changed' },
    (v) => protocol.encodeSessionsEnd(v.account, v.reason),
    protocol.decodeSessionsEnd,
  ),
]
function row<T>(
  name: string,
  value: T,
  encode: (value: T) => Buffer,
  decode: (payload: Uint8Array) => unknown,
): [string, unknown, Buffer, (payload: Uint8Array) => unknown] {
  return [name, value, encode(value), decode]
}
for (const [name, value, encoded, decode] of payloads) {
  test(`${name} payload comes back as it was`, () => assert.deepEqual(decode(encoded), value))
  test(`${name} payload with bytes after its end or cut short is refused`, () => {
    assert.throws(() => decode(Buffer.concat([encoded, Buffer.from([0])])), CodedError)
    for (let length = 0; length < encoded.length; length++) {
      assert.throws(() => decode(encoded.subarray(0, length)), CodedError, `cut at ${length}`)
    }
  })
  test(`${name} payload decoder answers any bytes with a value or a coded error`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decode(bytes)
        } catch (error) {
          assert.ok(error instanceof CodedError, String(error))
        }
      }),
    )
  })
}

test('decodeDeliverBegin() gives recipients and a view of the body that follows', () => {
  const begin = {
    traceId: 't1',
    reversePath: 'bob@example.net',
    fromUser: true,
    recipients: [{ account, deliveryId: id, mailbox: 'INBOX', headerBlock: Buffer.from('Received: x\r\n') }],
    complete: true,
  }
  const body = Buffer.from('Subject: hi\r\n\r\nhello\r\n')
  const decoded = protocol.decodeDeliverBegin(Buffer.concat([protocol.encodeDeliverBegin(begin), body]))
  assert.deepEqual({ ...decoded }, { ...begin, body })
  assert.throws(() => protocol.decodeDeliverBegin(protocol.encodeDeliverBegin(begin).subarray(0, 10)), BytesError)
})

test('sessionOpen of a session that shares mailboxes comes back as it was; one of before has no identity', () => {
  const identity = { address: 'anna@example.test', addresses: ['anna@example.test', 'a@example.test'] }
  const encoded = protocol.encodeSessionOpen({ ...sessionOpen, identity })
  assert.deepEqual(protocol.decodeSessionOpen(encoded), { ...sessionOpen, identity })
  assert.throws(() => protocol.decodeSessionOpen(encoded.subarray(0, -1)), CodedError)
  assert.equal(protocol.decodeSessionOpen(protocol.encodeSessionOpen(sessionOpen)).identity, undefined)
})

test('what a POP3 session must know of its login comes back as it was, and nothing comes of what is not understood', () => {
  for (const utf8 of [false, true]) {
    for (const loginDelaySeconds of [0, 60]) {
      const facts = { utf8, loginDelaySeconds }
      assert.deepEqual(protocol.readPop3ClientFacts(protocol.pop3ClientFacts(facts)), facts)
    }
  }
  const odd = ['name', 'utf8', 'login-delay', 'soon', 'x']
  assert.deepEqual(protocol.readPop3ClientFacts(odd), { utf8: false, loginDelaySeconds: 0 })
})
