/**
 * fsck of a log that nobody has open: walks every segment, proves every checksum, hash and the chain, and tells what is wrong as
 * values. Reads only. Shares the walk with recovery, so that both call the same things damaged.
 */
import { hash } from 'node:crypto'
import type { Lsn, ShardName } from '#lib/mail/types.ts'
import { toLsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { decodeOffsets, SectionType } from './footer.ts'
import {
  asBuffer,
  decodeRecordHeader,
  type LogIdentity,
  logIdentity,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import { type FoundSegment, findSegments, readSection, tagOf } from './sealed.ts'
import { type Walk, walkSegment } from './segment-walk.ts'
import { judgeTail, type LsnRange } from './tail.ts'

export type LogProblem =
  /** Header or footer of a segment is damaged; the records themselves stand in for it. */
  | { readonly kind: 'header' | 'footer' | 'offsets'; readonly segment: string }
  /** Records that were durable and are damaged: fetch them from the peer. */
  | { readonly kind: 'rotten'; readonly segment: string; readonly range: LsnRange; readonly what: string }
  /** The end that the next start cuts: it was never reported durable. */
  | { readonly kind: 'torn'; readonly segment: string; readonly from: Lsn; readonly bytes: number }
  /** A whole record that does not follow from the one before it. */
  | { readonly kind: 'chain'; readonly segment: string; readonly lsn: Lsn }
  /** The checksums match and the SHA-256 does not. */
  | { readonly kind: 'hash'; readonly segment: string; readonly lsn: Lsn }
  /** No segment holds these. */
  | { readonly kind: 'gap'; readonly range: LsnRange }
  /** Bytes between records that belong to nothing; no record is missing. */
  | { readonly kind: 'debris'; readonly segment: string; readonly at: number }

export interface CheckedSegment {
  readonly path: string
  readonly firstLsn: number
  readonly nextLsn: number
  readonly sizeBytes: number
  readonly sealed: boolean
}

export interface LogCheck {
  readonly segments: readonly CheckedSegment[]
  readonly problems: readonly LogProblem[]
  /** The last LSN that a start now would keep. */
  readonly lastLsn: number
  readonly recordCount: number
}

/** @throws {LogError} LOG_FOREIGN, LOG_FORMAT_NEWER, LOG_UNREADABLE */
export async function checkLog(options: { disk: Disk; directory: string; shard: ShardName }): Promise<LogCheck> {
  const { disk, directory, shard } = options
  const found = await findSegments(disk, directory, shard)
  if (found.length === 0) return { segments: [], problems: [], lastLsn: 0, recordCount: 0 }
  const identity = logIdentity(await tagOf(disk, found))
  const segments: CheckedSegment[] = []
  const problems: LogProblem[] = []
  let nextLsn = found[0]?.firstLsn ?? 1
  let chain: Buffer | null = null
  let recordCount = 0
  for (const [i, one] of found.entries()) {
    if (one.firstLsn > nextLsn) {
      problems.push({ kind: 'gap', range: { first: nextLsn, last: one.firstLsn - 1 } })
      chain = null
    }
    const isLast = i === found.length - 1
    const checked = await checkSegment(disk, one, identity, chain, isLast)
    problems.push(...checked.problems)
    nextLsn = Math.max(checked.nextLsn, isLast ? 0 : (found[i + 1]?.firstLsn ?? 0))
    if (!isLast && nextLsn > checked.nextLsn) {
      problems.push({ kind: 'gap', range: { first: checked.nextLsn, last: nextLsn - 1 } })
    }
    chain = checked.chain
    recordCount += checked.recordCount
    const { path, firstLsn, sizeBytes } = one
    segments.push({ path, firstLsn, nextLsn: checked.nextLsn, sizeBytes, sealed: one.trailer !== null })
  }
  return { segments, problems, lastLsn: nextLsn - 1, recordCount }
}

async function checkSegment(
  disk: Disk,
  found: FoundSegment,
  identity: LogIdentity,
  chainBefore: Buffer | null,
  isLast: boolean,
): Promise<{ problems: LogProblem[]; nextLsn: number; chain: Buffer | null; recordCount: number }> {
  const segment = found.path
  const problems: LogProblem[] = []
  if (found.header === null) problems.push({ kind: 'header', segment })
  if (found.trailer === null && !isLast) problems.push({ kind: 'footer', segment })
  const file = await disk.open(segment)
  try {
    const bytes = asBuffer(await file.read(0, found.sizeBytes))
    const chain = chainBefore ?? found.header?.chain ?? null
    const to = found.trailer?.dataEnd ?? found.sizeBytes
    const walk = walkSegment(bytes, { identity, firstLsn: found.firstLsn, chain, from: SEGMENT_HEADER_BYTES, to })
    // All of a segment that has a successor or a footer was durable.
    const knownUpTo =
      found.trailer !== null ? found.trailer.nextLsn - 1 : isLast ? found.firstLsn - 1 : walk.nextLsn - 1
    const verdict = judgeTail(walk, knownUpTo)
    for (const damage of walk.damages) {
      if (damage.at >= verdict.keepTo) break
      if (damage.last < damage.first) problems.push({ kind: 'debris', segment, at: damage.at })
      else if (damage.kind === 'chain') problems.push({ kind: 'chain', segment, lsn: toLsn(damage.first) })
      else {
        const range = { first: damage.first, last: damage.last }
        problems.push({ kind: 'rotten', segment, range, what: damage.kind })
      }
    }
    if (verdict.keepTo < walk.end && (isLast || found.trailer !== null)) {
      const cutBytes = walk.end - verdict.keepTo
      problems.push({ kind: 'torn', segment, from: toLsn(verdict.nextLsn), bytes: cutBytes })
    }
    const { falseHashes, recordCount } = proveHashes(bytes, walk, verdict.nextLsn, identity)
    for (const lsn of falseHashes) problems.push({ kind: 'hash', segment, lsn })
    if (found.trailer !== null) {
      const section = await readSection(file, found.sections, SectionType.offsets)
      const offsets = section === null ? null : decodeOffsets(section)
      const same = offsets?.length === walk.offsets.length && offsets.every((at, i) => at === walk.offsets[i])
      if (!same && walk.damages.length === 0) problems.push({ kind: 'offsets', segment })
    }
    return { problems, nextLsn: verdict.nextLsn, chain: walk.chain.length > 0 ? walk.chain : null, recordCount }
  } finally {
    await file.close()
  }
}

/** CRC32C finds accidents; the SHA-256 in the header also finds what was made to look right. */
function proveHashes(
  bytes: Buffer,
  walk: Walk,
  nextLsn: number,
  identity: LogIdentity,
): { falseHashes: Lsn[]; recordCount: number } {
  const damaged = new Set(walk.damages.filter(({ kind }) => kind !== 'lost').map((damage) => damage.first))
  const falseHashes: Lsn[] = []
  let recordCount = 0
  for (const at of walk.offsets) {
    if (at === 0) continue
    const header = decodeRecordHeader(bytes, at, identity)
    if (header === null || header.lsn >= nextLsn) continue
    recordCount++
    const contentAt = at + RECORD_HEADER_BYTES
    const content = bytes.subarray(contentAt, contentAt + header.metaLength + header.bodyLength)
    if (!damaged.has(header.lsn) && !hash('sha256', content, 'buffer').equals(header.hash)) falseHashes.push(header.lsn)
  }
  return { falseHashes, recordCount }
}
