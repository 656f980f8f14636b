import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'
import {
  BATCH_HEADER_BYTES,
  CHAIN_START,
  decodeBatchHeader,
  decodeRecordHeader,
  decodeSegmentHeader,
  encodeBatchHeader,
  encodeSegmentHeader,
  expectedChain,
  logIdentity,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  tagOfBatchHeader,
  writeRecordHeader,
} from './format.ts'
import { flipped } from './testing.ts'

const log = logIdentity(Buffer.from('0123456789abcdef', 'hex'))
const segment = {
  tag: log.tag,
  firstLsn: toLsn(4_294_967_297),
  createdMs: 1_767_225_600_000,
  chain: Buffer.alloc(32, 7),
  epoch: toEpoch(9),
  shard: toShardName('mail-node-with-a-name-of-fifty-two-characters-to-1/15'),
}
const batch = {
  epoch: toEpoch(2 ** 40 + 3),
  firstLsn: toLsn(2 ** 52 + 1),
  recordCount: 3,
  byteCount: 70_000,
  syncedUpTo: 2 ** 52,
  commit: 2 ** 52 - 1,
  wallMs: 1_767_225_600_123,
}
const record = {
  type: 30,
  lsn: toLsn(2 ** 52 + 1),
  epoch: toEpoch(7),
  wallMs: 1_767_225_600_123,
  metaLength: 5,
  bodyLength: 1_048_576,
  hash: Buffer.alloc(32, 1),
  metaCrc: 0xffff_ffff,
  bodyCrc: 1,
}

function encodedRecord(): Buffer {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES)
  writeRecordHeader(bytes, 0, log, record, CHAIN_START)
  return bytes
}

test('decodeSegmentHeader() gives back what encodeSegmentHeader() wrote', () => {
  const bytes = encodeSegmentHeader(segment)
  assert.equal(bytes.length, SEGMENT_HEADER_BYTES)
  assert.deepEqual(decodeSegmentHeader(bytes), { kind: 'valid', header: segment })
})

test('decodeSegmentHeader() tells a newer format apart from damage', () => {
  const bytes = encodeSegmentHeader(segment)
  for (let at = 0; at < bytes.length; at++) {
    assert.equal(decodeSegmentHeader(flipped(bytes, at)).kind, 'damaged', `byte ${at}`)
  }
  assert.equal(decodeSegmentHeader(bytes.subarray(0, 100)).kind, 'damaged')
  bytes.writeUInt16BE(2, 4)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, -4)), bytes.length - 4)
  assert.deepEqual(decodeSegmentHeader(bytes), { kind: 'newer', version: 2, flags: 0 })
})

test('decodeBatchHeader() gives back what encodeBatchHeader() wrote', () => {
  const bytes = encodeBatchHeader(log, batch)
  assert.equal(bytes.length, BATCH_HEADER_BYTES)
  assert.deepEqual(decodeBatchHeader(bytes, 0, log), batch)
  assert.deepEqual(tagOfBatchHeader(bytes, 0), log.tag)
})

test('decodeBatchHeader() refuses every flipped bit and every other log', () => {
  const bytes = encodeBatchHeader(log, batch)
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) assert.equal(decodeBatchHeader(flipped(bytes, at, bit), 0, log), null)
  }
  assert.equal(decodeBatchHeader(bytes, 0, logIdentity(Buffer.alloc(8, 5))), null)
})

test('decodeRecordHeader() gives back what writeRecordHeader() wrote', () => {
  const decoded = decodeRecordHeader(encodedRecord(), 0, log)
  assert.ok(decoded)
  const { chain, ...rest } = decoded
  assert.deepEqual(rest, { ...record, lastLsn: record.lsn, flags: 0 })
  assert.deepEqual(chain, expectedChain(encodedRecord(), 0, CHAIN_START))
})

test('decodeRecordHeader() refuses every flipped bit and every other log', () => {
  const bytes = encodedRecord()
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) assert.equal(decodeRecordHeader(flipped(bytes, at, bit), 0, log), null)
  }
  assert.equal(decodeRecordHeader(bytes, 0, logIdentity(Buffer.alloc(8, 5))), null)
})

test('expectedChain() changes with every original field and with the chain before, not with flags', () => {
  const bytes = encodedRecord()
  const chain = expectedChain(bytes, 0, CHAIN_START)
  for (let at = 6; at < 72; at++) assert.notDeepEqual(expectedChain(flipped(bytes, at), 0, CHAIN_START), chain)
  assert.notDeepEqual(expectedChain(bytes, 0, Buffer.alloc(32, 1)), chain)
  assert.deepEqual(expectedChain(flipped(bytes, 4), 0, CHAIN_START), chain)
})
