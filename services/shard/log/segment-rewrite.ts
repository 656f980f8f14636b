/**
 * Lays the records of one segment anew in a new file, with the peer's bytes for those that have no place in the old one. What is still
 * missing stays missing: a hole without bytes.
 *
 * Invariants: no whole record is lost, changed or moved to another LSN; the new file is synced before it takes the name, so that a crash
 * leaves the old segment or the new one.
 * The cost is one read and one write of a segment while nothing is appended: well under a second, once for a write that went astray.
 */
import { type Epoch, type ShardName, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { type EpochRun, epochStarts } from './epochs.ts'
import { encodeEpochs, encodeFooter, encodeOffsets } from './footer.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  decodeRecordHeader,
  decodeSegmentHeader,
  encodeBatchHeader,
  horizonOfRun,
  isDropped,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from './limits.ts'
import type { PeerRecord } from './repair.ts'

import { createSegment } from './segments.ts'

export interface RewriteOptions {
  readonly disk: Disk
  readonly directory: string
  readonly shard: ShardName
  readonly identity: LogIdentity
  readonly segment: {
    readonly path: string
    readonly firstLsn: number
    readonly nextLsn: number
    readonly dataEnd: number
    /** By LSN - firstLsn; 0: unknown. */
    readonly offsets: Uint32Array
  }
  /** It has a successor, and so a footer. */
  readonly sealed: boolean
  /** Chain value before its first record, if its own header does not tell. */
  readonly chainBefore: Uint8Array | null
  readonly records: readonly PeerRecord[]
  readonly epoch: Epoch
  readonly commit: number
  readonly nowMs: number
}

interface Piece {
  readonly header: RecordHeader
  readonly bytes: Buffer
}

/** @returns False if nothing tells what its first record follows: then nothing was changed. */
export async function rewriteSegment(options: RewriteOptions): Promise<boolean> {
  const { disk, directory, shard, identity, segment, sealed, chainBefore, epoch, nowMs } = options
  const bytes = await readFile(disk, segment.path, segment.dataEnd)
  const verdict = decodeSegmentHeader(bytes)
  const own = verdict.kind === 'valid' ? verdict.header : null
  const before = own?.chain ?? chainBefore
  if (before === null) return false
  const pieces = piecesOf(options, bytes)
  const { chunks, offsets, dataEnd } = layOut(options, pieces)
  if (sealed) {
    const { firstLsn, nextLsn } = segment
    const runs = pieces.map(runOf)
    const highest = runs.reduce((max, run) => Math.max(max, run.epoch), own?.epoch ?? 0)
    const starts = epochStarts(runs, { firstLsn, nextLsn }, highest)
    const last = pieces.at(-1)
    const facts = {
      firstLsn,
      nextLsn,
      dataEnd,
      epoch: toEpoch(highest),
      lastWallMs: last?.header.wallMs ?? nowMs,
      chain: Buffer.from(last?.header.chain ?? before),
      horizon: pieces.reduce((max, { bytes, header }) => Math.max(max, horizonIn(bytes, header)), 0),
    }
    chunks.push(...encodeFooter(identity, facts, [encodeOffsets(offsets), ...encodeEpochs(starts)]))
  }
  const header = {
    tag: identity.tag,
    firstLsn: toLsn(segment.firstLsn),
    createdMs: own?.createdMs ?? nowMs,
    chain: Buffer.from(before),
    epoch: own?.epoch ?? epoch,
    shard,
  }
  const file = await createSegment(disk, directory, header, chunks)
  await file.close()
  return true
}

/** All records whose header can be read, and those of the peer, in order. */
function piecesOf({ identity, segment, records }: RewriteOptions, bytes: Buffer): Piece[] {
  const given = new Map<number, Uint8Array>(records.map((record) => [record.lsn, record.bytes]))
  const pieces: Piece[] = []
  for (let lsn = segment.firstLsn; lsn < segment.nextLsn; ) {
    const at = segment.offsets[lsn - segment.firstLsn] ?? 0
    const peers = given.get(lsn)
    const from = peers === undefined ? bytes.subarray(at) : asBuffer(peers)
    const header = at === 0 && peers === undefined ? null : decodeRecordHeader(from, 0, identity)
    if (header === null || header.lsn !== lsn) {
      lsn++
      continue
    }
    // One whose content is damaged keeps its length, so that it can be repaired in place.
    const length = RECORD_HEADER_BYTES + header.metaLength + header.bodyLength
    const whole = from.subarray(0, length)
    pieces.push({ header, bytes: whole.length < length ? Buffer.concat([whole], length) : whole })
    lsn = header.lastLsn + 1
  }
  return pieces
}

function layOut(
  { identity, segment, epoch, commit, nowMs }: RewriteOptions,
  pieces: readonly Piece[],
): { chunks: Buffer[]; offsets: Uint32Array; dataEnd: number } {
  const offsets = new Uint32Array(segment.nextLsn - segment.firstLsn)
  const chunks: Buffer[] = []
  // The file gets its name when all of it is synced: so does every batch in it.
  const syncedUpTo = segment.nextLsn - 1
  let at = SEGMENT_HEADER_BYTES
  for (const batch of batchesOf(pieces)) {
    const [first] = batch
    const last = batch.at(-1)
    if (first === undefined || last === undefined) continue
    const { lsn: firstLsn, epoch: of, wallMs } = first.header
    const byteCount = batch.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const recordCount = last.header.lastLsn - firstLsn + 1
    const header = { epoch: of, firstLsn, recordCount, byteCount, syncedUpTo, commit, wallMs }
    chunks.push(encodeBatchHeader(identity, header))
    at += BATCH_HEADER_BYTES
    for (const { header: one, bytes } of batch) {
      for (let lsn: number = one.lsn; lsn <= one.lastLsn; lsn++) offsets[lsn - segment.firstLsn] = at
      chunks.push(bytes)
      at += bytes.length
    }
  }
  const closing = { epoch, firstLsn: toLsn(segment.nextLsn), recordCount: 0, byteCount: 0, syncedUpTo, commit }
  chunks.push(encodeBatchHeader(identity, { ...closing, wallMs: nowMs }))
  return { chunks, offsets, dataEnd: at + BATCH_HEADER_BYTES }
}

/** Neighbours of one epoch, as many as a batch takes. */
function batchesOf(pieces: readonly Piece[]): Piece[][] {
  const batches: Piece[][] = []
  let bytes = 0
  for (const piece of pieces) {
    const open = batches.at(-1)
    const last = open?.at(-1)?.header
    const fits = open !== undefined && open.length < BATCH_RECORDS_MAX && bytes + piece.bytes.length <= BATCH_BYTES_MAX
    if (fits && last?.lastLsn === piece.header.lsn - 1 && last.epoch === piece.header.epoch) {
      open.push(piece)
      bytes += piece.bytes.length
    } else {
      batches.push([piece])
      bytes = piece.bytes.length
    }
  }
  return batches
}

function runOf({ header }: Piece): EpochRun {
  const { epoch, lsn: first, lastLsn: last, chain } = header
  return { epoch, first, last, chain: isDropped(header) ? null : Buffer.from(chain) }
}

function horizonIn(bytes: Buffer, header: RecordHeader): number {
  return isDropped(header) ? horizonOfRun(bytes, 0, header) : 0
}

async function readFile(disk: Disk, path: string, length: number): Promise<Buffer> {
  const file = await disk.open(path)
  try {
    return asBuffer(await file.read(0, length))
  } finally {
    await file.close()
  }
}
