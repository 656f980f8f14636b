/**
 * What lies in a log directory before anything is changed: the segments, their headers and footers, and, where a footer is
 * damaged, what the records themselves say. Reads only.
 */
import { crc32c } from '#lib/bytes/crc32c.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import { epochStarts } from './epochs.ts'
import { LogError } from './errors.ts'
import {
  decodeDirectory,
  decodeEpochs,
  decodeTrailer,
  directoryExtent,
  type SectionEntry,
  SectionType,
  TRAILER_BYTES,
  type Trailer,
} from './footer.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  CHAIN_START,
  chainOfRecord,
  decodeSegmentHeader,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  tagOfBatchHeader,
} from './format.ts'
import { type Walk, walkSegment } from './segment-walk.ts'
import { firstLsnOfName, type Segment } from './segments.ts'
import type { LsnRange } from './tail.ts'

export interface FoundSegment {
  readonly path: string
  readonly firstLsn: number
  readonly sizeBytes: number
  readonly header: SegmentHeader | null
  readonly trailer: Trailer | null
  readonly sections: readonly SectionEntry[]
}

export async function findSegments(disk: Disk, directory: string, shard: ShardName): Promise<FoundSegment[]> {
  const names = await disk.list(directory)
  const found: FoundSegment[] = []
  for (const name of names.sort()) {
    const firstLsn = firstLsnOfName(name)
    if (firstLsn === null) continue
    const file = await disk.open(`${directory}/${name}`)
    try {
      found.push(await lookAt(file, `${directory}/${name}`, firstLsn, shard))
    } finally {
      await file.close()
    }
  }
  return found
}

async function lookAt(file: File, path: string, firstLsn: number, shard: ShardName): Promise<FoundSegment> {
  const sizeBytes = await file.size()
  const verdict = decodeSegmentHeader(asBuffer(await file.read(0, SEGMENT_HEADER_BYTES)))
  if (verdict.kind === 'newer') {
    throw new LogError('LOG_FORMAT_NEWER', `Cannot read ${path}: format ${verdict.version}, flags ${verdict.flags}`)
  }
  const header = verdict.kind === 'valid' && verdict.header.firstLsn === firstLsn ? verdict.header : null
  if (header !== null && header.shard !== shard) {
    throw new LogError('LOG_FOREIGN', `Cannot open ${path} for ${shard}: it belongs to ${header.shard}`)
  }
  const { trailer, sections } = await readTrailer(file, sizeBytes)
  return { path, firstLsn, sizeBytes, header, trailer: trailer?.firstLsn === firstLsn ? trailer : null, sections }
}

/** Trailer and directory of sections; no trailer if one of the two is missing or damaged. */
export async function readTrailer(
  file: File,
  sizeBytes: number,
): Promise<{ trailer: (Trailer & { tag: Buffer }) | null; sections: SectionEntry[] }> {
  const none = { trailer: null, sections: [] }
  if (sizeBytes < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return none
  const trailer = decodeTrailer(asBuffer(await file.read(sizeBytes - TRAILER_BYTES, TRAILER_BYTES)))
  const extent = trailer === null ? null : directoryExtent(trailer, sizeBytes)
  if (trailer === null || extent === null) return none
  const sections = decodeDirectory(trailer, asBuffer(await file.read(extent.at, extent.length)))
  return sections === null ? none : { trailer, sections }
}

/** A section's bytes, or null if it is missing or damaged. */
export async function readSection(file: File, sections: readonly SectionEntry[], type: number): Promise<Buffer | null> {
  const entry = sections.find((section) => section.type === type && section.version === 1)
  if (entry === undefined) return null
  const bytes = asBuffer(await file.read(entry.at, entry.length))
  return bytes.length === entry.length && crc32c(bytes) === entry.crc ? bytes : null
}

/** The tag of a log is in every header it writes. @throws {LogError} LOG_UNREADABLE if no header is left. */
export async function tagOf(disk: Disk, found: readonly FoundSegment[]): Promise<Buffer> {
  for (const segment of found) if (segment.header !== null) return segment.header.tag
  for (const segment of found) {
    const file = await disk.open(segment.path)
    try {
      const { trailer } = await readTrailer(file, segment.sizeBytes)
      if (trailer !== null) return trailer.tag
      const tag = tagOfBatchHeader(asBuffer(await file.read(SEGMENT_HEADER_BYTES, BATCH_HEADER_BYTES)), 0)
      if (tag !== null) return tag
    } finally {
      await file.close()
    }
  }
  throw new LogError('LOG_UNREADABLE', `Cannot open ${found[0]?.path}: nothing in it says which log it belongs to`)
}

/** A sealed segment from its footer, or, where the footer is damaged, from its records. */
export async function describeSealed(
  disk: Disk,
  found: FoundSegment,
  identity: LogIdentity,
  nextFirstLsn: number,
): Promise<{ segment: Segment; rotten: LsnRange[] }> {
  const { path, firstLsn, sizeBytes, trailer } = found
  const file = await disk.open(path)
  try {
    const epochs = trailer === null ? null : await readSection(file, found.sections, SectionType.epochs)
    if (trailer !== null && epochs !== null) {
      const { nextLsn, dataEnd, horizon } = trailer
      const starts = decodeEpochs(epochs)
      const segment = { path, firstLsn, nextLsn, dataEnd, sizeBytes, epochs: starts, horizon, offsets: null }
      return { segment, rotten: [] }
    }
    const bytes = asBuffer(await file.read(0, sizeBytes))
    const start = { identity, firstLsn, chain: found.header?.chain ?? null, from: SEGMENT_HEADER_BYTES }
    const walk = walkSegment(bytes, { ...start, to: trailer?.dataEnd ?? sizeBytes })
    const nextLsn = Math.max(nextFirstLsn, walk.nextLsn)
    const rotten: LsnRange[] = walk.damages.filter((damage) => damage.last >= damage.first)
    if (nextLsn > walk.nextLsn) rotten.push({ first: walk.nextLsn, last: nextLsn - 1 })
    const offsets = Uint32Array.from({ length: nextLsn - firstLsn }, (_, i) => walk.offsets[i] ?? 0)
    const dataEnd = trailer?.dataEnd ?? endOfRecords(walk, bytes)
    const starts = epochStarts(walk.runs, { firstLsn, nextLsn }, walk.epoch)
    return {
      segment: { path, firstLsn, nextLsn, dataEnd, sizeBytes, epochs: starts, horizon: walk.horizon, offsets },
      rotten,
    }
  } finally {
    await file.close()
  }
}

/** Where the last record ends; behind it stands what is left of a footer. */
function endOfRecords(walk: Walk, bytes: Buffer): number {
  const at = walk.offsets.findLast((offset) => offset > 0)
  if (at === undefined) return SEGMENT_HEADER_BYTES
  return at + RECORD_HEADER_BYTES + bytes.readUInt32BE(at + 32) + bytes.readUInt32BE(at + 36)
}

/** Chain value at the end of the sealed segments. */
export async function chainBefore(
  disk: Disk,
  sealed: readonly Segment[],
  found: readonly FoundSegment[],
  open: FoundSegment | null,
): Promise<Buffer> {
  if (open?.header) return open.header.chain
  const last = sealed.at(-1)
  if (last === undefined) return CHAIN_START
  const trailer = found.find((segment) => segment.path === last.path)?.trailer
  if (trailer) return trailer.chain
  const file = await disk.open(last.path)
  try {
    const bytes = asBuffer(await file.read(0, last.sizeBytes))
    return chainAfter(bytes, last.offsets ?? new Uint32Array(0), CHAIN_START)
  } finally {
    await file.close()
  }
}

/** Chain value of the last record whose header can be read: what the next record follows. */
export function chainAfter(bytes: Buffer, offsets: Uint32Array, chainStart: Buffer): Buffer {
  const at = offsets.findLast((offset) => offset > 0)
  return at === undefined ? chainStart : Buffer.from(chainOfRecord(bytes, at))
}
