/**
 * Format 1 of the log, byte for byte as docs/internals/log.md states it: the constants and the three headers. All numbers
 * are big-endian; u64 stay below 2^53.
 *
 * Segment: header, batches one after another, and when it is sealed a footer (`footer.ts`).
 * Batch: header, then its records. Record: header, meta, body.
 * Invariants: a header is believed only if its CRC32C matches; batch and record headers are bound to the log by its tag, 8
 * random bytes that no sender of mail knows, so that a letter cannot contain a header that anyone would take for one.
 */
import { hash } from 'node:crypto'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { type Epoch, type Lsn, type ShardName, toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'

export const FORMAT_VERSION = 1

export const SEGMENT_MAGIC = 0x5450_5331 // 'TPS1'
export const BATCH_MAGIC = 0x5450_4231 // 'TPB1'
export const RECORD_MAGIC = 0x5450_5231 // 'TPR1'

export const SEGMENT_HEADER_BYTES = 192
export const BATCH_HEADER_BYTES = 72
export const RECORD_HEADER_BYTES = 120

export const LOG_TAG_BYTES = 8
/** SHA-256 whole: letters come from people who may look for collisions, and 16 bytes more are 0.4 % of a 4 KiB letter. */
export const HASH_BYTES = 32

/** The chain value before LSN 1. */
export const CHAIN_START: Buffer = Buffer.alloc(HASH_BYTES)

/** Record flag: stands for a run of records that compaction dropped. Its meta is `RUN_META_BYTES` long: the horizon of that compaction. */
export const RECORD_FLAG_DROPPED = 1
export const RUN_META_BYTES = 8

/** Batch flag: `endInDoubt`. */
const BATCH_FLAG_DOUBT = 1

const SHARD_NAME_BYTES_MAX = 55

// Record header. Bytes 6..72 are the original ones: the chain covers them and nothing ever changes them.
const RECORD_ORIGINAL_AT = 6
const RECORD_HASH_AT = 40
const RECORD_CHAIN_AT = 72
const RECORD_SPAN_AT = 112
const RECORD_CRC_AT = 116
// Batch header.
const BATCH_COUNT_AT = 32
const BATCH_SYNCED_AT = 40
const BATCH_CRC_AT = 68
// Segment header.
const SEGMENT_EPOCH_AT = 64
const SEGMENT_SHARD_AT = 72
const SEGMENT_CRC_AT = 188

export interface SegmentHeader {
  /** Of this log; equal in all its segments and on both replicas. */
  readonly tag: Buffer
  readonly firstLsn: Lsn
  readonly createdMs: number
  /** Chain value of the record before the first. */
  readonly chain: Buffer
  /** In which the file was written. A second witness beside the first batch header, so that rot makes no epoch come twice. */
  readonly epoch: Epoch
  readonly shard: ShardName
}

export interface BatchHeader {
  readonly epoch: Epoch
  /** Of its first record; of the next record to come if the batch is empty. */
  readonly firstLsn: Lsn
  readonly recordCount: number
  /** Bytes of its records, without this header. */
  readonly byteCount: number
  /** Everything up to here was durable on the disk that holds this header, before the header was written. */
  readonly syncedUpTo: number
  /** Commit as the writer of the batch knew it. */
  readonly commit: number
  readonly wallMs: number
  /** Recovery found the end damaged, and nobody has said since whether what it cut was acknowledged. */
  readonly endInDoubt?: true
}

export interface RecordHeader {
  readonly type: number
  readonly flags: number
  readonly lsn: Lsn
  /** `lsn`, unless it stands for a run of dropped records. */
  readonly lastLsn: Lsn
  readonly epoch: Epoch
  readonly wallMs: number
  readonly metaLength: number
  readonly bodyLength: number
  /** SHA-256 of meta and body. */
  readonly hash: Buffer
  /** Chain value of this record. */
  readonly chain: Buffer
  readonly metaCrc: number
  readonly bodyCrc: number
}

/** What a header's checksum and identity are proved against. */
export interface LogIdentity {
  readonly tag: Buffer
  /** CRC32C of the tag: where checksums of record headers begin. */
  readonly seed: number
}

export function logIdentity(tag: Uint8Array): LogIdentity {
  return { tag: Buffer.from(tag), seed: crc32c(tag) }
}

/** Writes a whole number below 2^53. */
export function writeU64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at)
  buffer.writeUInt32BE(value % 0x1_0000_0000, at + 4)
}

/** Reads a number; one of 2^53 and more comes back inexact and is refused by the callers' range checks. */
export function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4)
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const buffer = Buffer.alloc(SEGMENT_HEADER_BYTES)
  buffer.writeUInt32BE(SEGMENT_MAGIC, 0)
  buffer.writeUInt16BE(FORMAT_VERSION, 4)
  header.tag.copy(buffer, 8)
  writeU64(buffer, header.firstLsn, 16)
  writeU64(buffer, header.createdMs, 24)
  header.chain.copy(buffer, 32)
  writeU64(buffer, header.epoch, SEGMENT_EPOCH_AT)
  buffer.writeUInt8(header.shard.length, SEGMENT_SHARD_AT)
  buffer.write(header.shard, SEGMENT_SHARD_AT + 1, 'latin1')
  buffer.writeUInt32BE(crc32c(buffer.subarray(0, SEGMENT_CRC_AT)), SEGMENT_CRC_AT)
  return buffer
}

export type SegmentHeaderVerdict =
  | { kind: 'valid'; header: SegmentHeader }
  | { kind: 'newer'; version: number; flags: number }
  | { kind: 'damaged' }

export function decodeSegmentHeader(bytes: Buffer): SegmentHeaderVerdict {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.readUInt32BE(0) !== SEGMENT_MAGIC) return { kind: 'damaged' }
  if (bytes.readUInt32BE(SEGMENT_CRC_AT) !== crc32c(bytes.subarray(0, SEGMENT_CRC_AT))) return { kind: 'damaged' }
  const version = bytes.readUInt16BE(4)
  const flags = bytes.readUInt16BE(6)
  if (version !== FORMAT_VERSION || flags !== 0) return { kind: 'newer', version, flags }
  const nameLength = Math.min(bytes.readUInt8(SEGMENT_SHARD_AT), SHARD_NAME_BYTES_MAX)
  const header = {
    tag: Buffer.from(bytes.subarray(8, 8 + LOG_TAG_BYTES)),
    firstLsn: toLsn(readU64(bytes, 16)),
    createdMs: readU64(bytes, 24),
    chain: Buffer.from(bytes.subarray(32, 32 + HASH_BYTES)),
    epoch: toEpoch(readU64(bytes, SEGMENT_EPOCH_AT)),
    shard: toShardName(bytes.toString('latin1', SEGMENT_SHARD_AT + 1, SEGMENT_SHARD_AT + 1 + nameLength)),
  }
  return { kind: 'valid', header }
}

/** Writes a batch header at `at`. */
export function writeBatchHeader(buffer: Buffer, at: number, log: LogIdentity, header: BatchHeader): void {
  buffer.writeUInt32BE(BATCH_MAGIC, at)
  buffer.writeUInt16BE(FORMAT_VERSION, at + 4)
  buffer.writeUInt16BE(header.endInDoubt === true ? BATCH_FLAG_DOUBT : 0, at + 6)
  log.tag.copy(buffer, at + 8)
  writeU64(buffer, header.epoch, at + 16)
  writeU64(buffer, header.firstLsn, at + 24)
  buffer.writeUInt32BE(header.recordCount, at + BATCH_COUNT_AT)
  buffer.writeUInt32BE(header.byteCount, at + BATCH_COUNT_AT + 4)
  writeU64(buffer, header.syncedUpTo, at + BATCH_SYNCED_AT)
  writeU64(buffer, header.commit, at + BATCH_SYNCED_AT + 8)
  writeU64(buffer, header.wallMs, at + BATCH_SYNCED_AT + 16)
  buffer.writeUInt32BE(0, at + 64)
  buffer.writeUInt32BE(crc32c(buffer.subarray(at, at + BATCH_CRC_AT)), at + BATCH_CRC_AT)
}

export function encodeBatchHeader(log: LogIdentity, header: BatchHeader): Buffer {
  const buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES)
  writeBatchHeader(buffer, 0, log, header)
  return buffer
}

/** The batch header at `at`, or null if none that this log wrote stands there. */
export function decodeBatchHeader(bytes: Buffer, at: number, log: LogIdentity): BatchHeader | null {
  if (at + BATCH_HEADER_BYTES > bytes.length || bytes.readUInt32BE(at) !== BATCH_MAGIC) return null
  if (log.tag.compare(bytes, at + 8, at + 8 + LOG_TAG_BYTES) !== 0) return null
  if (bytes.readUInt32BE(at + BATCH_CRC_AT) !== crc32c(bytes.subarray(at, at + BATCH_CRC_AT))) return null
  return {
    epoch: toEpoch(readU64(bytes, at + 16)),
    firstLsn: toLsn(readU64(bytes, at + 24)),
    recordCount: bytes.readUInt32BE(at + BATCH_COUNT_AT),
    byteCount: bytes.readUInt32BE(at + BATCH_COUNT_AT + 4),
    syncedUpTo: readU64(bytes, at + BATCH_SYNCED_AT),
    commit: readU64(bytes, at + BATCH_SYNCED_AT + 8),
    wallMs: readU64(bytes, at + BATCH_SYNCED_AT + 16),
    ...((bytes.readUInt16BE(at + 6) & BATCH_FLAG_DOUBT) === 0 ? {} : { endInDoubt: true }),
  }
}

/** The tag inside a batch header whose own checksum matches: how a log is known again whose segment header is lost. */
export function tagOfBatchHeader(bytes: Buffer, at: number): Buffer | null {
  if (at + BATCH_HEADER_BYTES > bytes.length || bytes.readUInt32BE(at) !== BATCH_MAGIC) return null
  if (bytes.readUInt32BE(at + BATCH_CRC_AT) !== crc32c(bytes.subarray(at, at + BATCH_CRC_AT))) return null
  return Buffer.from(bytes.subarray(at + 8, at + 8 + LOG_TAG_BYTES))
}

export type NewRecordHeader = Omit<RecordHeader, 'flags' | 'lastLsn' | 'chain'>

/** Writes a record header at `at` and returns its chain value: a view into `buffer`. */
export function writeRecordHeader(
  buffer: Buffer,
  at: number,
  log: LogIdentity,
  header: NewRecordHeader,
  previousChain: Buffer,
): Buffer {
  buffer.writeUInt32BE(RECORD_MAGIC, at)
  buffer.writeUInt16BE(0, at + 4)
  buffer.writeUInt16BE(header.type, at + RECORD_ORIGINAL_AT)
  writeU64(buffer, header.lsn, at + 8)
  writeU64(buffer, header.epoch, at + 16)
  writeU64(buffer, header.wallMs, at + 24)
  buffer.writeUInt32BE(header.metaLength, at + 32)
  buffer.writeUInt32BE(header.bodyLength, at + 36)
  header.hash.copy(buffer, at + RECORD_HASH_AT)
  previousChain.copy(buffer, at + RECORD_CHAIN_AT)
  const chainField = buffer.subarray(at + RECORD_CHAIN_AT, at + RECORD_CHAIN_AT + HASH_BYTES)
  hash('sha256', buffer.subarray(at + RECORD_ORIGINAL_AT, at + RECORD_CHAIN_AT + HASH_BYTES), 'buffer').copy(chainField)
  buffer.writeUInt32BE(header.metaCrc, at + 104)
  buffer.writeUInt32BE(header.bodyCrc, at + 108)
  buffer.writeUInt32BE(0, at + RECORD_SPAN_AT)
  buffer.writeUInt32BE(crc32c(buffer.subarray(at, at + RECORD_CRC_AT), log.seed), at + RECORD_CRC_AT)
  return chainField
}

/** Records in a row, all of one epoch, whose bytes compaction gave up. */
export interface DroppedRun {
  readonly first: Lsn
  readonly last: Lsn
  readonly epoch: Epoch
  /** Of the last of them. */
  readonly wallMs: number
  /** Chain value of the last: what the next record follows. */
  readonly chain: Buffer
  /** Up to where the log was compacted when the run was made: whoever ends below it needs a full copy. */
  readonly horizon: number
}

/** What stands in the log for a dropped run, header and meta. */
export function encodeDroppedRun(log: LogIdentity, run: DroppedRun): Buffer {
  const { first: lsn, last, epoch, wallMs, chain, horizon } = run
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES + RUN_META_BYTES)
  writeU64(bytes, horizon, RECORD_HEADER_BYTES)
  const meta = bytes.subarray(RECORD_HEADER_BYTES)
  const fields = { type: 0, lsn, epoch, wallMs, metaLength: RUN_META_BYTES, bodyLength: 0 }
  const sums = { hash: hash('sha256', meta, 'buffer'), metaCrc: crc32c(meta), bodyCrc: 0 }
  writeRecordHeader(bytes, 0, log, { ...fields, ...sums }, CHAIN_START)
  // The original chain value, not one of this header: the chain runs over original headers alone.
  chain.copy(bytes, RECORD_CHAIN_AT)
  bytes.writeUInt16BE(RECORD_FLAG_DROPPED, 4)
  bytes.writeUInt32BE(last - lsn, RECORD_SPAN_AT)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, RECORD_CRC_AT), log.seed), RECORD_CRC_AT)
  return bytes
}

export function isDropped({ flags }: RecordHeader): boolean {
  return (flags & RECORD_FLAG_DROPPED) !== 0
}

/** The horizon that a run's meta at `at` tells; 0 if its length is wrong. */
export function horizonOfRun(bytes: Buffer, at: number, header: RecordHeader): number {
  return header.metaLength === RUN_META_BYTES ? readU64(bytes, at + RECORD_HEADER_BYTES) : 0
}

/** The record header at `at`, or null if none that this log wrote stands there. `hash` and `chain` are views. */
export function decodeRecordHeader(bytes: Buffer, at: number, log: LogIdentity): RecordHeader | null {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32BE(at) !== RECORD_MAGIC) return null
  const crc = crc32c(bytes.subarray(at, at + RECORD_CRC_AT), log.seed)
  if (bytes.readUInt32BE(at + RECORD_CRC_AT) !== crc) return null
  const flags = bytes.readUInt16BE(at + 4)
  const lsn = readU64(bytes, at + 8)
  return {
    flags,
    type: bytes.readUInt16BE(at + RECORD_ORIGINAL_AT),
    lsn: toLsn(lsn),
    lastLsn: toLsn((flags & RECORD_FLAG_DROPPED) === 0 ? lsn : lsn + bytes.readUInt32BE(at + RECORD_SPAN_AT)),
    epoch: toEpoch(readU64(bytes, at + 16)),
    wallMs: readU64(bytes, at + 24),
    metaLength: bytes.readUInt32BE(at + 32),
    bodyLength: bytes.readUInt32BE(at + 36),
    hash: bytes.subarray(at + RECORD_HASH_AT, at + RECORD_HASH_AT + HASH_BYTES),
    chain: bytes.subarray(at + RECORD_CHAIN_AT, at + RECORD_CHAIN_AT + HASH_BYTES),
    metaCrc: bytes.readUInt32BE(at + 104),
    bodyCrc: bytes.readUInt32BE(at + 108),
  }
}

/** Whether the record at `at` follows in the chain. A dropped run cannot be proved so: the record behind it proves it. */
export function follows(bytes: Buffer, at: number, header: RecordHeader, previousChain: Buffer): boolean {
  return isDropped(header) || expectedChain(bytes, at, previousChain).equals(header.chain)
}

/** What the chain value of the record at `at` must be after `previousChain`. */
export function expectedChain(bytes: Buffer, at: number, previousChain: Buffer): Buffer {
  const input = Buffer.allocUnsafe(RECORD_CHAIN_AT + HASH_BYTES - RECORD_ORIGINAL_AT)
  bytes.copy(input, 0, at + RECORD_ORIGINAL_AT, at + RECORD_CHAIN_AT)
  previousChain.copy(input, RECORD_CHAIN_AT - RECORD_ORIGINAL_AT)
  return hash('sha256', input, 'buffer')
}

/** The chain value that stands in the record header at `at`: a view. */
export function chainOfRecord(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(at + RECORD_CHAIN_AT, at + RECORD_CHAIN_AT + HASH_BYTES)
}

/** The same bytes as a Buffer, without copying. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
