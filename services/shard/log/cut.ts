/**
 * Cuts the end of a log for replication (rule 9) and gives an empty log another tag. Works on closed segments: `log.ts` stops
 * writing before and recovers afterwards.
 *
 * Invariants: what is cut is durable in `cut/` before anything of it is removed; segments go from the end, each removal durable
 * before the next, so that a crash leaves a log that ends somewhere between the old and the new end.
 */
import { type Epoch, type Lsn, type ShardName, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { syncNames } from './durability.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  CHAIN_START,
  decodeBatchHeader,
  decodeRecordHeader,
  encodeBatchHeader,
  type LogIdentity,
  logIdentity,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import type { CutTail } from './replica-log.ts'
import { type Walk, walkSegment } from './segment-walk.ts'
import { createSegment, keepCutTail } from './segments.ts'
import { shorten } from './tail.ts'

const BATCH_PATTERN = magicBytes(BATCH_MAGIC)
const RECORD_PATTERN = magicBytes(RECORD_MAGIC)

export interface CutSegment {
  readonly path: string
  readonly firstLsn: number
  readonly dataEnd: number
}

export interface CutOptions {
  readonly disk: Disk
  readonly directory: string
  readonly shard: ShardName
  readonly identity: LogIdentity
  /** All segments in order, the one being written last. */
  readonly segments: readonly CutSegment[]
  readonly lsn: Lsn
  /** Of the last record that is left: the log goes on in it. */
  readonly epoch: Epoch
  readonly nowMs: number
}

/** @returns The tail that was kept aside; null if no record was above. */
export async function cutSegments(options: CutOptions): Promise<CutTail | null> {
  const { disk, directory, shard, identity, segments, lsn, epoch, nowMs } = options
  const last = segments.findLastIndex((segment) => segment.firstLsn <= lsn + 1)
  const kept = segments[Math.max(last, 0)]
  if (kept === undefined) return null
  const removed = segments.slice(Math.max(last, 0) + 1)
  const bytes = await readSegment(disk, kept)
  const start = { identity, firstLsn: kept.firstLsn, chain: null, from: SEGMENT_HEADER_BYTES, to: bytes.length }
  const walk = walkSegment(bytes, start)
  const keepTo = endOfKept(bytes, walk, kept.firstLsn, lsn)
  const { shortened, keepTo: end } = shorten(walk, keepTo, lsn + 1)
  forgetStrays(bytes.subarray(SEGMENT_HEADER_BYTES, end), identity, lsn)
  const tail = [bytes.subarray(end), ...(await Promise.all(removed.map((segment) => readSegment(disk, segment))))]
  const hasRecords = walk.nextLsn > lsn + 1 || removed.length > 0
  const cut = hasRecords ? await keepTail(options, tail) : null
  for (const segment of [...removed].reverse()) {
    await disk.remove(segment.path)
    await syncNames(disk, directory)
  }
  const chunks: Uint8Array[] = [bytes.subarray(SEGMENT_HEADER_BYTES, end)]
  if (shortened !== null) {
    chunks.length = 0
    chunks.push(bytes.subarray(SEGMENT_HEADER_BYTES, shortened.at), encodeBatchHeader(identity, shortened.header))
    chunks.push(bytes.subarray(shortened.at + BATCH_HEADER_BYTES, end))
  }
  const chain = bytes.subarray(32, 32 + CHAIN_START.length)
  const header = { tag: identity.tag, firstLsn: toLsn(kept.firstLsn), createdMs: nowMs, chain, epoch, shard }
  const file = await createSegment(disk, directory, header, chunks)
  await file.close()
  return cut
}

/** An empty log begins anew under another tag. */
export async function adoptTag(
  disk: Disk,
  directory: string,
  shard: ShardName,
  tag: Uint8Array,
  nowMs: number,
): Promise<void> {
  const { tag: own } = logIdentity(tag)
  const header = { tag: own, firstLsn: toLsn(1), createdMs: nowMs, chain: CHAIN_START, epoch: toEpoch(0), shard }
  const file = await createSegment(disk, directory, header, [])
  await file.close()
}

async function readSegment(disk: Disk, segment: CutSegment): Promise<Buffer> {
  const file = await disk.open(segment.path)
  try {
    return asBuffer(await file.read(0, segment.dataEnd))
  } finally {
    await file.close()
  }
}

/** Position behind the last kept record: empty batch headers that follow it go too, they may be of an epoch that ends here. */
function endOfKept(bytes: Buffer, { offsets, batches }: Walk, firstLsn: number, lsn: number): number {
  const index = lsn - firstLsn
  if (index < 0) return SEGMENT_HEADER_BYTES
  const at = offsets[index] ?? 0
  if (at > 0) return at + RECORD_HEADER_BYTES + bytes.readUInt32BE(at + 32) + bytes.readUInt32BE(at + 36)
  // Rotten: where it ends is where the next one, or a batch behind the last record that is whole, begins, if there is one.
  const before = offsets.slice(0, index).findLast((one) => one > 0) ?? 0
  const batch = batches.find(({ at, header }) => at > before && header.firstLsn > lsn)
  const next = offsets.slice(index + 1).find((one) => one > 0)
  return Math.min(next ?? bytes.length, batch?.at ?? bytes.length)
}

/**
 * Headers of what is cut that a write left in a wrong place, over something that is rotten now. The next recovery would take them for
 * witnesses that more was synced than is left.
 */
function forgetStrays(kept: Buffer, identity: LogIdentity, lsn: number): void {
  for (let at = kept.indexOf(BATCH_PATTERN); at !== -1; at = kept.indexOf(BATCH_PATTERN, at + 1)) {
    const header = decodeBatchHeader(kept, at, identity)
    if (header !== null && (header.firstLsn > lsn || header.syncedUpTo > lsn)) kept.fill(0, at, at + BATCH_HEADER_BYTES)
  }
  for (let at = kept.indexOf(RECORD_PATTERN); at !== -1; at = kept.indexOf(RECORD_PATTERN, at + 1)) {
    const header = decodeRecordHeader(kept, at, identity)
    if (header !== null && header.lsn > lsn) kept.fill(0, at, at + RECORD_HEADER_BYTES)
  }
}

async function keepTail({ disk, directory, lsn, nowMs }: CutOptions, tail: readonly Buffer[]): Promise<CutTail> {
  const bytes = Buffer.concat(tail)
  const fromLsn = toLsn(lsn + 1)
  const path = await keepCutTail(disk, directory, fromLsn, nowMs, bytes)
  return { fromLsn, bytes: bytes.length, path }
}

function magicBytes(magic: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(magic)
  return bytes
}
