import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'
import { PEER_FRAME_BYTES_MAX } from '#lib/ports/network.ts'
import { Assembler } from './assembler.ts'
import { BATCH_BYTES_MAX_RECEIVED } from './limits.ts'
import {
  decodeMessage,
  encodeBatch,
  encodeFetched,
  encodeMessage,
  type PeerFields,
  REFUSALS,
  type Refusal,
} from './messages.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 300)

/** Plain objects, as the decoder makes them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

const number = fc.maxSafeNat()
const lsn = number.map((n) => toLsn(n))
const chain = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const tag = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes))
const piece = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const shard = fc.constantFrom(toShardName('n1/0'), toShardName('mail-7/15'))
const replica = record({
  id: fc.string(),
  member: fc.nat(1),
  podUid: fc.string(),
  incarnation: fc.string(),
  bootId: fc.string(),
})
const space = fc.oneof(
  // A mirror that may not say more yet.
  number.map((freeBytes) => ({ freeBytes, totalBytes: null, full: freeBytes === 0 })),
  record({ freeBytes: number, totalBytes: number, full: fc.boolean() }),
)
const log = record({
  tag,
  epochs: fc
    .uniqueArray(
      record({
        epoch: number.map((n) => toEpoch(n + 1 > Number.MAX_SAFE_INTEGER ? n : n + 1)),
        firstLsn: lsn,
        latestLsn: lsn,
        chain: fc.option(chain, { nil: null }),
      })
        // Only where the first record cannot be read two numbers travel.
        .map((start) =>
          start.chain === null
            ? {
                ...start,
                firstLsn: toLsn(Math.min(start.firstLsn, start.latestLsn)),
                latestLsn: toLsn(Math.max(start.firstLsn, start.latestLsn)),
              }
            : { ...start, latestLsn: start.firstLsn },
        ),
      {
        selector: (start) => start.epoch,
        maxLength: 5,
      },
    )
    .map((starts) => starts.sort((a, b) => a.epoch - b.epoch)),
  lastLsn: lsn,
  commit: lsn,
  horizon: lsn,
})
const link = fc.nat(0xffff_ffff)
const u32 = fc.nat(0xffff_ffff)
const kind = <K extends PeerFields['kind']>(name: K) => fc.constant(name)

const message: fc.Arbitrary<PeerFields> = fc.oneof(
  record({ kind: kind('probe'), shard }),
  record({
    kind: kind('probed'),
    replica,
    ledgerVersion: number,
    inSync: fc.boolean(),
    logEpoch: number.map((n) => toEpoch(n)),
    lastLsn: lsn,
  }),
  record({ kind: kind('attach'), shard, link, ledgerVersion: number, inSync: fc.boolean(), replica }),
  record({
    kind: kind('attached'),
    replica,
    inSync: fc.boolean(),
    space,
    damaged: fc.boolean(),
    standsBack: fc.boolean(),
    log,
  }),
  record({
    kind: kind('refused'),
    reason: fc.constantFrom<Refusal>(
      'stale-epoch',
      'below-commit',
      'histories-differ',
      'busy',
      'wrong-shard',
      'disk-failed',
    ),
    promisedEpoch: number.map((n) => toEpoch(n)),
    ledgerVersion: number,
  }),
  record({ kind: kind('position'), lsn }),
  record({ kind: kind('positionIs'), lsn, chain: fc.option(chain) }),
  record({ kind: kind('begin'), common: lsn, reset: fc.boolean(), tag }),
  record({ kind: kind('begun'), lastLsn: lsn, cutBytes: number }),
  record({
    kind: kind('batch'),
    of: number.map((n) => toEpoch(n)),
    firstLsn: lsn,
    recordCount: u32,
    byteCount: u32,
    commit: lsn,
    piece,
  }),
  record({ kind: kind('more'), piece }),
  record({ kind: kind('ack'), durable: lsn, freeBytes: number }),
  record({ kind: kind('ready'), barrier: lsn, ledgerVersion: number }),
  record({ kind: kind('readied'), ledgerVersion: number }),
  record({ kind: kind('standing'), ledgerVersion: number, inSync: fc.boolean() }),
  record({ kind: kind('join'), shard, link }),
  record({ kind: kind('beacon'), sequence: number, commit: lsn, ledgerVersion: number }),
  record({
    kind: kind('beaconAck'),
    sequence: number,
    durable: lsn,
    space,
    damaged: fc.boolean(),
    standsBack: fc.boolean(),
  }),
  record({ kind: kind('handover'), ledgerVersion: number }),
  record({ kind: kind('leaving'), diskFailed: fc.boolean() }),
  record({ kind: kind('fetch'), lsn }),
  record({ kind: kind('fetched'), lsn, byteCount: u32, piece }),
)

test('decodeMessage() gives back every message that encodeMessage() wrote', () => {
  fc.assert(
    fc.property(number, message, (epoch, fields) => {
      const decoded = decodeMessage(Buffer.concat(encodeMessage(toEpoch(epoch), fields)))
      assert.deepEqual(decoded, { epoch, ...fields })
    }),
    { numRuns: RUNS * 3 },
  )
})

function assertRefusedOrSame(bytes: Buffer): void {
  try {
    const { epoch, ...fields } = decodeMessage(bytes)
    // What is taken is written in one way only.
    assert.deepEqual(Buffer.concat(encodeMessage(epoch, fields)), bytes)
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error)
    assert.match(String(error.code), /^PEER_(MALFORMED|VERSION)$/)
  }
}

test('decodeMessage() refuses every message that is cut short or has a byte more', () => {
  fc.assert(
    fc.property(message, fc.nat(200), (fields, cut) => {
      const bytes = Buffer.concat(encodeMessage(toEpoch(3), fields))
      const carriesPiece = fields.kind === 'batch' || fields.kind === 'more' || fields.kind === 'fetched'
      if (carriesPiece) return
      const short = bytes.subarray(0, cut % bytes.length)
      assert.throws(() => decodeMessage(short), { code: short.length === 0 ? 'PEER_MALFORMED' : /^PEER_/ })
      assert.throws(() => decodeMessage(Buffer.concat([bytes, Buffer.alloc(1)])), { code: 'PEER_MALFORMED' })
    }),
    { numRuns: RUNS },
  )
})

test('decodeMessage() never does anything but answer or refuse, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => assertAnswered(Buffer.from(bytes))),
    { numRuns: RUNS },
  )
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (fields, at, value) => {
      const bytes = Buffer.concat(encodeMessage(toEpoch(3), fields))
      bytes[at % bytes.length] = value
      assertAnswered(bytes)
    }),
    { numRuns: RUNS * 3 },
  )
})

function assertAnswered(bytes: Buffer): void {
  try {
    decodeMessage(bytes)
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error)
    assert.match(String(error.code), /^PEER_(MALFORMED|VERSION)$/)
  }
}

test('decodeMessage() takes yes and no in one form only', () => {
  const bytes = Buffer.concat(encodeMessage(toEpoch(1), { kind: 'leaving', diskFailed: true }))
  bytes[bytes.length - 1] = 2
  assert.throws(() => decodeMessage(bytes), { code: 'PEER_MALFORMED' })
  assertRefusedOrSame(bytes)
})

test('decodeMessage() refuses a version that it does not know', () => {
  const bytes = Buffer.concat(encodeMessage(toEpoch(1), { kind: 'leaving', diskFailed: true }))
  bytes[0] = 2
  assert.throws(() => decodeMessage(bytes), { code: 'PEER_VERSION' })
})

test('REFUSALS gives each reason a number of its own', () => {
  assert.equal(new Set(Object.values(REFUSALS)).size, Object.keys(REFUSALS).length)
})

test('Assembler puts a batch of any size together again from frames within limits', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400_000), { minLength: 1, maxLength: 6 }), (sizes) => {
      const chunks = sizes.map((size, i) => Buffer.alloc(size, i + 1))
      const byteCount = sizes.reduce((sum, size) => sum + size, 0)
      const batch = { epoch: toEpoch(2), firstLsn: toLsn(7), recordCount: 3, byteCount, chunks }
      const assembler = new Assembler()
      const frames = encodeBatch(toEpoch(4), batch, toLsn(6))
      for (const [i, frame] of frames.entries()) {
        const bytes = Buffer.concat(frame)
        assert.ok(bytes.length <= PEER_FRAME_BYTES_MAX)
        const decoded = decodeMessage(bytes)
        assert.ok(decoded.kind === 'batch' || decoded.kind === 'more')
        const whole = assembler.take(decoded)
        assert.equal(whole !== null, i === frames.length - 1)
        if (whole) assert.ok(Buffer.concat(whole.chunks).equals(Buffer.concat(chunks)))
      }
      assert.equal(assembler.open, false)
    }),
    { numRuns: 30 },
  )
})

function taken(fields: Extract<PeerFields, { kind: 'batch' | 'more' | 'fetched' }>, assembler = new Assembler()) {
  return assembler.take({ epoch: toEpoch(4), ...fields })
}

const head = { kind: 'batch', of: toEpoch(2), firstLsn: toLsn(1), recordCount: 1, commit: toLsn(0) } as const

test('Assembler refuses more than was announced, more than it may hold, and pieces of nothing', () => {
  const bytes = Buffer.alloc(10)
  assert.throws(() => taken({ kind: 'more', piece: bytes }), { code: 'PEER_UNEXPECTED' })
  assert.throws(() => taken({ ...head, byteCount: 9, piece: bytes }), { code: 'PEER_MALFORMED' })
  assert.throws(() => taken({ ...head, byteCount: 0xffff_ffff, piece: bytes }), { code: 'PEER_TOO_MUCH' })
  assert.throws(() => taken({ ...head, byteCount: BATCH_BYTES_MAX_RECEIVED + 1, piece: bytes }), {
    code: 'PEER_TOO_MUCH',
  })
  const assembler = new Assembler()
  assert.equal(taken({ ...head, byteCount: 11, piece: bytes }, assembler), null)
  assert.throws(() => taken({ ...head, byteCount: 10, piece: bytes }, assembler), { code: 'PEER_UNEXPECTED' })
  assert.throws(() => assembler.take({ epoch: toEpoch(5), kind: 'more', piece: bytes }), { code: 'PEER_STALE' })
})

test('encodeFetched() says that there is nothing by no bytes', () => {
  const [frame] = encodeFetched(toEpoch(1), toLsn(9), new Uint8Array(0))
  const decoded = decodeMessage(Buffer.concat(frame ?? []))
  assert.deepEqual(decoded, { epoch: 1, kind: 'fetched', lsn: 9, byteCount: 0, piece: Buffer.alloc(0) })
})
