/**
 * Opens a log directory: finds the segments, proves and rewrites the unsealed tail, cuts what is torn, tells what is rotten.
 *
 * Invariants (replication design, rules 14 and 15): the tail is read, written to a new file and synced before any of its
 * LSNs counts as durable, on every start; what is cut is kept aside first; nothing known to be durable is cut; a crash at any
 * point of recovery leaves a directory that recovers to the same records.
 * Read next: `segment-walk.ts` (what is damaged), `tail.ts` (torn or rotten).
 */
import { type Epoch, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'
import { type EpochStart, epochStarts, openingEpoch } from './epochs.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  encodeBatchHeader,
  LOG_TAG_BYTES,
  type LogIdentity,
  logIdentity,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './format.ts'
import { chainAfter, chainBefore, describeSealed, type FoundSegment, findSegments, tagOf } from './sealed.ts'
import { isZero, type Walk, walkSegment } from './segment-walk.ts'
import {
  keepCutTail,
  makeDurableDirectory,
  removeUnfinished,
  rewriteTail,
  type Segment,
  segmentPath,
} from './segments.ts'
import { joinRanges, judgeTail, type LsnRange, type TailVerdict } from './tail.ts'

export interface RecoveryOptions {
  readonly disk: Disk
  readonly directory: string
  readonly shard: ShardName
  readonly random: Random
  readonly nowMs: number
  /** Epoch of the batch header that closes recovery, as `openingEpoch` takes it. */
  readonly epoch: Epoch | null | 'seen'
  readonly knownUpTo: number
}

/** What recovery found and did; for the log file, fsck and the tests. */
export interface RecoveryReport {
  readonly segmentCount: number
  readonly cut: { readonly fromLsn: Lsn; readonly bytes: number; readonly path: string } | null
  readonly rotten: readonly LsnRange[]
  /** Segments whose footer or header had to be made again from their records. */
  readonly mended: readonly string[]
}

export interface Recovered {
  readonly identity: LogIdentity
  readonly sealed: Segment[]
  readonly active: {
    readonly file: File
    readonly path: string
    readonly firstLsn: number
    readonly offsets: Uint32Array
    readonly sizeBytes: number
    readonly epochs: readonly EpochStart[]
    readonly chain: Buffer
    readonly horizon: number
  }
  readonly nextLsn: Lsn
  readonly chain: Buffer
  readonly epoch: Epoch
  /**
   * Damage was found in the tail, or at a former start and nothing was written since: records that were acknowledged may be missing at
   * the end. A tear looks the same and loses nothing, so only the peer can tell.
   */
  readonly endInDoubt: boolean
  /** The highest commit in any batch header of the tail. */
  readonly commit: number
  readonly report: RecoveryReport
}

export async function recoverLog(options: RecoveryOptions): Promise<Recovered> {
  const { disk, directory } = options
  await makeDurableDirectory(disk, directory)
  await removeUnfinished(disk, directory)
  const found = await findSegments(disk, directory, options.shard)
  const tag = found.length === 0 ? Buffer.from(options.random.bytes(LOG_TAG_BYTES)) : await tagOf(disk, found)
  const identity = logIdentity(tag)
  // The last segment is the tail even if it has a footer: the sync of that footer may be what failed.
  const last = found.pop() ?? null
  const { sealed, mended, rotten } = await describeAll(disk, found, identity, last?.firstLsn ?? 1)
  const firstLsn = last?.firstLsn ?? 1
  const tail = await readTail(disk, last, identity, await chainBefore(disk, sealed, found, last))
  if (last !== null && last.header === null) mended.push(last.path)
  const sealedUpTo = last?.trailer ? last.trailer.nextLsn - 1 : firstLsn - 1
  const verdict = judgeTail(tail.walk, Math.max(options.knownUpTo, sealedUpTo))
  rotten.push(...verdict.rotten)
  const nextLsn = toLsn(verdict.nextLsn)
  const started = sealed.map((segment) => segment.epochs.at(-1)?.epoch ?? 0)
  const written = [...found, last].map((one) => Math.max(one?.header?.epoch ?? 0, one?.trailer?.epoch ?? 0))
  const seen = Math.max(tail.walk.epoch, ...started, ...written)
  const epoch = openingEpoch(options.epoch, seen)

  const cut = await keepAside(options, tail.bytes.subarray(verdict.keepTo), nextLsn)
  const endInDoubt = tail.walk.endInDoubt || tail.walk.damages.length > 0 || cut !== null || verdict.rotten.length > 0
  const header: SegmentHeader = {
    tag,
    firstLsn: toLsn(firstLsn),
    createdMs: last?.header?.createdMs ?? options.nowMs,
    chain: tail.chainBefore,
    epoch,
    shard: options.shard,
  }
  // The last batch is durable as soon as the new file has its name: this header says so to the next recovery.
  const closing = encodeBatchHeader(identity, {
    epoch,
    firstLsn: nextLsn,
    recordCount: 0,
    byteCount: 0,
    syncedUpTo: nextLsn - 1,
    commit: tail.walk.commit,
    wallMs: options.nowMs,
    ...(endInDoubt ? { endInDoubt } : {}),
  })
  const chunks = [...keptChunks(tail.bytes, verdict, identity), closing]
  const file = await rewriteTail(disk, directory, header, chunks)
  const offsets = Uint32Array.from({ length: nextLsn - firstLsn }, (_, i) => tail.walk.offsets[i] ?? 0)
  const chain = chainAfter(tail.bytes, offsets, tail.chainBefore)
  return {
    identity,
    sealed,
    active: {
      file,
      path: segmentPath(directory, firstLsn),
      firstLsn,
      offsets,
      sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, SEGMENT_HEADER_BYTES),
      epochs: epochStarts(tail.walk.runs, { firstLsn, nextLsn }, tail.walk.epoch),
      chain,
      horizon: tail.walk.horizon,
    },
    nextLsn,
    chain,
    epoch,
    endInDoubt,
    commit: Math.min(tail.walk.commit, nextLsn - 1),
    report: { segmentCount: sealed.length + 1, cut, rotten: joinRanges(rotten), mended },
  }
}

/** What recovery cuts is kept for people who must find out later what was lost. Zeros are only space set aside. */
async function keepAside(options: RecoveryOptions, bytes: Buffer, nextLsn: Lsn): Promise<RecoveryReport['cut']> {
  if (isZero(bytes, 0)) return null
  const path = await keepCutTail(options.disk, options.directory, nextLsn, options.nowMs, bytes)
  return { fromLsn: nextLsn, bytes: bytes.length, path }
}

/** The batches that stay, with a new header for one that loses its last records. */
function keptChunks(bytes: Buffer, verdict: TailVerdict, identity: LogIdentity): Buffer[] {
  const kept = bytes.subarray(SEGMENT_HEADER_BYTES, Math.max(verdict.keepTo, SEGMENT_HEADER_BYTES))
  if (verdict.shortened === null) return [kept]
  const at = verdict.shortened.at - SEGMENT_HEADER_BYTES
  const header = encodeBatchHeader(identity, verdict.shortened.header)
  return [kept.subarray(0, at), header, kept.subarray(at + BATCH_HEADER_BYTES)]
}

interface Tail {
  readonly bytes: Buffer
  readonly walk: Walk
  readonly chainBefore: Buffer
}

/** What is known of all segments but the last, and what is missing between them. */
async function describeAll(
  disk: Disk,
  found: readonly FoundSegment[],
  identity: LogIdentity,
  tailFirstLsn: number,
): Promise<{ sealed: Segment[]; mended: string[]; rotten: LsnRange[] }> {
  const sealed: Segment[] = []
  const mended: string[] = []
  const rotten: LsnRange[] = []
  for (const [i, one] of found.entries()) {
    if (one.header === null || one.trailer === null) mended.push(one.path)
    const next = found[i + 1]?.firstLsn ?? tailFirstLsn
    const known = await describeSealed(disk, one, identity, next)
    rotten.push(...known.rotten)
    sealed.push(known.segment)
    if (next > known.segment.nextLsn) rotten.push({ first: known.segment.nextLsn, last: next - 1 })
  }
  return { sealed, mended, rotten }
}

async function readTail(
  disk: Disk,
  last: FoundSegment | null,
  identity: LogIdentity,
  chainBefore: Buffer,
): Promise<Tail> {
  const start = { identity, firstLsn: last?.firstLsn ?? 1, from: SEGMENT_HEADER_BYTES }
  if (last === null) {
    const bytes = Buffer.alloc(0)
    return { bytes, walk: walkSegment(bytes, { ...start, chain: chainBefore, from: 0, to: 0 }), chainBefore }
  }
  const file = await disk.open(last.path)
  try {
    const bytes = asBuffer(await file.read(0, last.trailer?.dataEnd ?? last.sizeBytes))
    const chain = last.header?.chain ?? chainBefore
    return { bytes, walk: walkSegment(bytes, { ...start, chain, to: bytes.length }), chainBefore: chain }
  } finally {
    await file.close()
  }
}
