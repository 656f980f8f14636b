/**
 * The conversation of two replicas, byte for byte: | version u8 | type u8 | epoch u64 | fields |, one message a frame. The epoch is
 * that of the primary that leads the conversation, in both directions (rule 3).
 *
 * Records travel as `batch` followed by as many `more` as it takes: no frame exceeds PEER_FRAME_BYTES_MAX. All frames of one batch
 * follow each other without any other between them. Decoding is strict: unknown versions, types, trailing bytes and values out of
 * range are errors, whatever follows.
 */
import { ByteReader, BytesError } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { type Epoch, type Lsn, type ShardName, toEpoch, toLsn, toShardName, ValueError } from '#lib/mail/types.ts'
import { PEER_FRAME_BYTES_MAX } from '#lib/ports/network.ts'
import type { LedgerReplica } from '../ledger/types.ts'
import { HASH_BYTES, LOG_TAG_BYTES } from '../log/format.ts'
import { PeerError } from './errors.ts'
import type { EpochStart, RawBatch } from './ports.ts'

export const PEER_PROTOCOL_VERSION = 1
/** Of messages that carry a whole `PeerSpace`; all others are written as version 1. */
const VERSION_WITH_SPACE = 2

const Type = {
  probe: 1,
  probed: 2,
  attach: 3,
  attached: 4,
  refused: 5,
  position: 6,
  positionIs: 7,
  begin: 8,
  begun: 9,
  batch: 10,
  more: 11,
  ack: 12,
  ready: 13,
  readied: 14,
  standing: 15,
  join: 16,
  beacon: 17,
  beaconAck: 18,
  handover: 19,
  leaving: 20,
  fetch: 21,
  fetched: 22,
} as const

/** Why a mirror refuses a primary. */
export const REFUSALS = {
  /** A higher epoch was promised: the sender is not primary any more. */
  'stale-epoch': 1,
  /** The primary's log lacks records that are known here to be committed. */
  'below-commit': 2,
  'histories-differ': 3,
  /** This replica is about to take over, is stopping, or is primary itself. */
  busy: 4,
  'wrong-shard': 5,
  'disk-failed': 6,
} as const
export type Refusal = keyof typeof REFUSALS

/** Of the mirror's volume. */
export interface PeerSpace {
  readonly freeBytes: number
  /** Null: the ledger's feature level does not let the mirror say it yet. */
  readonly totalBytes: number | null
  /** Records that it was sent wait there for space (rule 16). Where it may not say so: it has none. */
  readonly full: boolean
}

/** What a replica's log looks like from outside. */
export interface LogOutline {
  readonly tag: Uint8Array
  /** The newest EPOCHS_SENT_MAX. */
  readonly epochs: readonly EpochStart[]
  readonly lastLsn: Lsn
  readonly commit: Lsn
  readonly horizon: Lsn
}

export type PeerMessage = { readonly epoch: Epoch } & (
  | { readonly kind: 'probe'; readonly shard: ShardName }
  | {
      /** The frame's epoch is the one promised. */
      readonly kind: 'probed'
      readonly replica: LedgerReplica
      readonly ledgerVersion: number
      /** By its own note. */
      readonly inSync: boolean
      /** Of the last record. */
      readonly logEpoch: Epoch
      readonly lastLsn: Lsn
    }
  | {
      readonly kind: 'attach'
      readonly shard: ShardName
      /** Of this connection: the other channels join it by this number. */
      readonly link: number
      readonly ledgerVersion: number
      /** The ledger may hold the mirror in its in-sync set. */
      readonly inSync: boolean
      readonly replica: LedgerReplica
    }
  | {
      readonly kind: 'attached'
      readonly replica: LedgerReplica
      /** By its own note. */
      readonly inSync: boolean
      readonly space: PeerSpace
      /** Records of it are rotten, or its end is in doubt. */
      readonly damaged: boolean
      /** Fenced, or about to stop: it would not serve if it were made primary. */
      readonly standsBack: boolean
      readonly log: LogOutline
    }
  | {
      readonly kind: 'refused'
      readonly reason: Refusal
      readonly promisedEpoch: Epoch
      readonly ledgerVersion: number
    }
  | { readonly kind: 'position'; readonly lsn: Lsn }
  | { readonly kind: 'positionIs'; readonly lsn: Lsn; readonly chain: Uint8Array | null }
  /** The mirror keeps what it has up to `common`. `reset`: `common` is 0 and what it has is another log. */
  | { readonly kind: 'begin'; readonly common: Lsn; readonly reset: boolean; readonly tag: Uint8Array }
  | { readonly kind: 'begun'; readonly lastLsn: Lsn; readonly cutBytes: number }
  | {
      readonly kind: 'batch'
      readonly of: Epoch
      readonly firstLsn: Lsn
      readonly recordCount: number
      readonly byteCount: number
      readonly commit: Lsn
      readonly piece: Uint8Array
    }
  | { readonly kind: 'more'; readonly piece: Uint8Array }
  | { readonly kind: 'ack'; readonly durable: Lsn; readonly freeBytes: number }
  | { readonly kind: 'ready'; readonly barrier: Lsn; readonly ledgerVersion: number }
  | { readonly kind: 'readied'; readonly ledgerVersion: number }
  /** What the ledger says now. */
  | { readonly kind: 'standing'; readonly ledgerVersion: number; readonly inSync: boolean }
  | { readonly kind: 'join'; readonly shard: ShardName; readonly link: number }
  | { readonly kind: 'beacon'; readonly sequence: number; readonly commit: Lsn; readonly ledgerVersion: number }
  | {
      readonly kind: 'beaconAck'
      readonly sequence: number
      readonly durable: Lsn
      readonly space: PeerSpace
      readonly damaged: boolean
      readonly standsBack: boolean
    }
  /** The ledger names the receiver primary. */
  | { readonly kind: 'handover'; readonly ledgerVersion: number }
  | { readonly kind: 'leaving'; readonly diskFailed: boolean }
  | { readonly kind: 'fetch'; readonly lsn: Lsn }
  /** `byteCount` 0: it cannot be read here either. The bytes follow as `piece` and `more`. */
  | { readonly kind: 'fetched'; readonly lsn: Lsn; readonly byteCount: number; readonly piece: Uint8Array }
)

type Fields = PeerMessage extends infer M ? (M extends PeerMessage ? Omit<M, 'epoch'> : never) : never
/** A message without its epoch, which the sender adds. */
export type PeerFields = Fields

/** Space for the fields before the first piece of a batch. */
const PIECE_BYTES_MAX = PEER_FRAME_BYTES_MAX - 128

/** One frame, in pieces: record bytes are not copied. */
export function encodeMessage(epoch: Epoch, message: PeerFields): Uint8Array[] {
  const writer = new ByteWriter(128).u8(versionOf(message)).u8(Type[message.kind]).u64(epoch)
  const piece = writeFields(writer, message)
  return piece === null || piece.byteLength === 0 ? [writer.finish()] : [writer.finish(), piece]
}

/** All frames of one batch of records, each in pieces. */
export function encodeBatch(epoch: Epoch, batch: RawBatch, commit: Lsn): Uint8Array[][] {
  const { epoch: of, firstLsn, recordCount, byteCount } = batch
  const head = { kind: 'batch', of, firstLsn, recordCount, byteCount, commit, piece: EMPTY } as const
  return inFrames(encodeMessage(epoch, head), epoch, batch.chunks)
}

/** All frames of one fetched record. */
export function encodeFetched(epoch: Epoch, lsn: Lsn, bytes: Uint8Array): Uint8Array[][] {
  const head = { kind: 'fetched', lsn, byteCount: bytes.byteLength, piece: EMPTY } as const
  return inFrames(encodeMessage(epoch, head), epoch, [bytes])
}

const EMPTY = Buffer.alloc(0)

/** `head` and `more` frames, filled with views of the chunks. */
function inFrames(head: Uint8Array[], epoch: Epoch, chunks: readonly Uint8Array[]): Uint8Array[][] {
  const frames = [head]
  let frame = head
  let room = PIECE_BYTES_MAX
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (room === 0) {
        frame = encodeMessage(epoch, { kind: 'more', piece: EMPTY })
        frames.push(frame)
        room = PIECE_BYTES_MAX
      }
      const taken = chunk.subarray(at, at + room)
      frame.push(taken)
      at += taken.byteLength
      room -= taken.byteLength
    }
  }
  return frames
}

/** @throws {PeerError} PEER_MALFORMED, PEER_VERSION. Pieces, tags and chains are views into `frame`. */
export function decodeMessage(frame: Buffer): PeerMessage {
  try {
    const reader = new ByteReader(frame)
    const version = reader.u8()
    const type = reader.u8()
    if (version !== PEER_PROTOCOL_VERSION && !(version === VERSION_WITH_SPACE && SPEAK_OF_SPACE.has(type))) {
      throw new PeerError('PEER_VERSION', `Cannot read a frame of version ${version}`)
    }
    const epoch = toEpoch(reader.u64())
    const message = { epoch, ...readFields(type, reader, version) }
    reader.end()
    return message
  } catch (error) {
    if (error instanceof BytesError || error instanceof ValueError) {
      throw new PeerError('PEER_MALFORMED', 'Cannot read a frame of the peer', { cause: error })
    }
    throw error
  }
}

/** Writes all fields but a trailing piece of record bytes, which it returns. */
function writeFields(writer: ByteWriter, m: PeerFields): Uint8Array | null {
  switch (m.kind) {
    case 'probe':
      writer.string(m.shard)
      return null
    case 'probed':
      writeReplica(writer, m.replica)
      writer.u64(m.ledgerVersion).bool(m.inSync).u64(m.logEpoch).u64(m.lastLsn)
      return null
    case 'attach':
      writer.string(m.shard).u32(m.link).u64(m.ledgerVersion).bool(m.inSync)
      writeReplica(writer, m.replica)
      return null
    case 'attached':
      writeReplica(writer, m.replica)
      writer.bool(m.inSync).u64(m.space.freeBytes).bool(m.damaged).bool(m.standsBack)
      writeSpace(writer, m.space)
      writeOutline(writer, m.log)
      return null
    case 'refused':
      writer.u8(REFUSALS[m.reason]).u64(m.promisedEpoch).u64(m.ledgerVersion)
      return null
    case 'position':
      writer.u64(m.lsn)
      return null
    case 'positionIs':
      writer.u64(m.lsn).optional(m.chain, (chain) => writer.raw(chain))
      return null
    case 'begin':
      writer.u64(m.common).bool(m.reset).raw(m.tag)
      return null
    case 'begun':
      writer.u64(m.lastLsn).u64(m.cutBytes)
      return null
    case 'batch':
      writer.u64(m.of).u64(m.firstLsn).u32(m.recordCount).u32(m.byteCount).u64(m.commit)
      return m.piece
    case 'more':
      return m.piece
    case 'ack':
      writer.u64(m.durable).u64(m.freeBytes)
      return null
    case 'ready':
      writer.u64(m.barrier).u64(m.ledgerVersion)
      return null
    case 'readied':
      writer.u64(m.ledgerVersion)
      return null
    case 'standing':
      writer.u64(m.ledgerVersion).bool(m.inSync)
      return null
    case 'join':
      writer.string(m.shard).u32(m.link)
      return null
    case 'beacon':
      writer.u64(m.sequence).u64(m.commit).u64(m.ledgerVersion)
      return null
    case 'beaconAck':
      writer.u64(m.sequence).u64(m.durable).u64(m.space.freeBytes).bool(m.damaged).bool(m.standsBack)
      writeSpace(writer, m.space)
      return null
    case 'handover':
      writer.u64(m.ledgerVersion)
      return null
    case 'leaving':
      writer.bool(m.diskFailed)
      return null
    case 'fetch':
      writer.u64(m.lsn)
      return null
    case 'fetched':
      writer.u64(m.lsn).u32(m.byteCount)
      return m.piece
    default:
      return m satisfies never
  }
}

function readFields(type: number, r: ByteReader, version: number): PeerFields {
  switch (type) {
    case Type.probe:
      return { kind: 'probe', shard: toShardName(r.string()) }
    case Type.probed:
      return {
        kind: 'probed',
        replica: readReplica(r),
        ledgerVersion: r.u64(),
        inSync: readBool(r),
        logEpoch: toEpoch(r.u64()),
        lastLsn: toLsn(r.u64()),
      }
    case Type.attach: {
      const start = { shard: toShardName(r.string()), link: r.u32(), ledgerVersion: r.u64(), inSync: readBool(r) }
      return { kind: 'attach', ...start, replica: readReplica(r) }
    }
    case Type.attached: {
      const start = { replica: readReplica(r), inSync: readBool(r) }
      const freeBytes = r.u64()
      const condition = { damaged: readBool(r), standsBack: readBool(r), space: readSpace(r, version, freeBytes) }
      return { kind: 'attached', ...start, ...condition, log: readOutline(r) }
    }
    case Type.refused:
      return {
        kind: 'refused',
        reason: readRefusal(r.u8()),
        promisedEpoch: toEpoch(r.u64()),
        ledgerVersion: r.u64(),
      }
    case Type.position:
      return { kind: 'position', lsn: toLsn(r.u64()) }
    case Type.positionIs:
      return { kind: 'positionIs', lsn: toLsn(r.u64()), chain: readBool(r) ? r.raw(HASH_BYTES) : null }
    case Type.begin:
      return { kind: 'begin', common: toLsn(r.u64()), reset: readBool(r), tag: r.raw(LOG_TAG_BYTES) }
    case Type.begun:
      return { kind: 'begun', lastLsn: toLsn(r.u64()), cutBytes: r.u64() }
    case Type.batch: {
      const start = { of: toEpoch(r.u64()), firstLsn: toLsn(r.u64()), recordCount: r.u32(), byteCount: r.u32() }
      return { kind: 'batch', ...start, commit: toLsn(r.u64()), piece: r.raw(r.remaining) }
    }
    case Type.more:
      return { kind: 'more', piece: r.raw(r.remaining) }
    case Type.ack:
      return { kind: 'ack', durable: toLsn(r.u64()), freeBytes: r.u64() }
    case Type.ready:
      return { kind: 'ready', barrier: toLsn(r.u64()), ledgerVersion: r.u64() }
    case Type.readied:
      return { kind: 'readied', ledgerVersion: r.u64() }
    case Type.standing:
      return { kind: 'standing', ledgerVersion: r.u64(), inSync: readBool(r) }
    case Type.join:
      return { kind: 'join', shard: toShardName(r.string()), link: r.u32() }
    case Type.beacon:
      return { kind: 'beacon', sequence: r.u64(), commit: toLsn(r.u64()), ledgerVersion: r.u64() }
    case Type.beaconAck: {
      const start = { sequence: r.u64(), durable: toLsn(r.u64()) }
      const freeBytes = r.u64()
      const condition = { damaged: readBool(r), standsBack: readBool(r), space: readSpace(r, version, freeBytes) }
      return { kind: 'beaconAck', ...start, ...condition }
    }
    case Type.handover:
      return { kind: 'handover', ledgerVersion: r.u64() }
    case Type.leaving:
      return { kind: 'leaving', diskFailed: readBool(r) }
    case Type.fetch:
      return { kind: 'fetch', lsn: toLsn(r.u64()) }
    case Type.fetched:
      return { kind: 'fetched', lsn: toLsn(r.u64()), byteCount: r.u32(), piece: r.raw(r.remaining) }
    default:
      throw new PeerError('PEER_MALFORMED', `Cannot read a frame of type ${type}`)
  }
}

const SPEAK_OF_SPACE: ReadonlySet<number> = new Set([Type.attached, Type.beaconAck])

function versionOf(message: PeerFields): number {
  const whole = 'space' in message && message.space.totalBytes !== null
  return whole ? VERSION_WITH_SPACE : PEER_PROTOCOL_VERSION
}

/** What version 2 adds to the free bytes of version 1. */
function writeSpace(writer: ByteWriter, { totalBytes, full }: PeerSpace): void {
  if (totalBytes !== null) writer.u64(totalBytes).bool(full)
}

function readSpace(r: ByteReader, version: number, freeBytes: number): PeerSpace {
  if (version < VERSION_WITH_SPACE) return { freeBytes, totalBytes: null, full: freeBytes === 0 }
  return { freeBytes, totalBytes: r.u64(), full: readBool(r) }
}

function writeReplica(writer: ByteWriter, replica: LedgerReplica): void {
  writer.string(replica.id).u8(replica.member).string(replica.podUid).string(replica.incarnation).string(replica.bootId)
}

function readReplica(r: ByteReader): LedgerReplica {
  const id = r.string()
  const member = r.u8()
  if (member > 1) throw new PeerError('PEER_MALFORMED', `Cannot read a replica of member ${member}`)
  return { id, member, podUid: r.string(), incarnation: r.string(), bootId: r.string() }
}

function writeOutline(writer: ByteWriter, log: LogOutline): void {
  writer.raw(log.tag).list(log.epochs, ({ epoch, firstLsn, latestLsn, chain }) => {
    writer
      .u64(epoch)
      .u64(firstLsn)
      .optional(chain, (known) => writer.raw(known))
    // Where the first record can be read there is nothing to doubt.
    if (chain === null) writer.u64(latestLsn)
  })
  writer.u64(log.lastLsn).u64(log.commit).u64(log.horizon)
}

function readOutline(r: ByteReader): LogOutline {
  const tag = r.raw(LOG_TAG_BYTES)
  let before = 0
  const epochs = r.list(() => {
    const [epoch, firstLsn] = [toEpoch(r.u64()), toLsn(r.u64())]
    const chain = readBool(r) ? r.raw(HASH_BYTES) : null
    const latestLsn = chain === null ? toLsn(r.u64()) : firstLsn
    if (epoch <= before || latestLsn < firstLsn) {
      throw new PeerError('PEER_MALFORMED', 'Cannot read an epoch vector out of order')
    }
    before = epoch
    return { epoch, firstLsn, latestLsn, chain }
  })
  return { tag, epochs, lastLsn: toLsn(r.u64()), commit: toLsn(r.u64()), horizon: toLsn(r.u64()) }
}

function readBool(r: ByteReader): boolean {
  const byte = r.u8()
  if (byte > 1) throw new PeerError('PEER_MALFORMED', `Cannot read ${byte} as yes or no`)
  return byte === 1
}

function readRefusal(code: number): Refusal {
  for (const [reason, number] of Object.entries(REFUSALS)) if (number === code) return reason as Refusal // a key of it
  throw new PeerError('PEER_MALFORMED', `Cannot read ${code} as a reason to refuse`)
}
