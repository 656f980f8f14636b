/**
 * The footer of a sealed segment: sections with a type and a version each, a directory of the sections, and a trailer of
 * fixed size at the very end. It only repeats what the segment says: a lost footer is made again by a walk, and a
 * reader skips sections that it does not know. Layout: docs/internals/log.md.
 */
import { crc32c } from '#lib/bytes/crc32c.ts'
import { type Epoch, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { EpochStart } from './epochs.ts'
import { FORMAT_VERSION, HASH_BYTES, LOG_TAG_BYTES, type LogIdentity, readU64, writeU64 } from './format.ts'
import { FOOTER_BYTES_MAX } from './limits.ts'

export const TRAILER_BYTES = 128
const TRAILER_MAGIC = 0x5450_4631 // 'TPF1'
const ENTRY_BYTES = 16
const EPOCH_BYTES = 16 + HASH_BYTES
const TRAILER_HORIZON_AT = 96
const TRAILER_CRC_AT = 124

/** Numbers are never reused; 3 and 16..18 were planned and not needed (docs/decisions/0011-what-a-rebuild-reads.md). */
export const SectionType = { offsets: 1, epochs: 2 } as const

export interface Section {
  readonly type: number
  readonly version: number
  readonly bytes: Buffer
}

export interface Trailer {
  readonly firstLsn: number
  readonly nextLsn: number
  /** Where batches end and the footer begins. */
  readonly dataEnd: number
  readonly sectionCount: number
  /** Highest epoch in the segment, empty batches included. */
  readonly epoch: Epoch
  readonly lastWallMs: number
  /** Chain value of the last record. */
  readonly chain: Buffer
  /** The highest of any dropped run in the segment; 0 if it has none. */
  readonly horizon: number
  readonly directoryCrc: number
}

export interface SectionEntry {
  readonly type: number
  readonly version: number
  /** Position in the segment. */
  readonly at: number
  readonly length: number
  readonly crc: number
}

export type NewFooter = Omit<Trailer, 'sectionCount' | 'directoryCrc'>

/** The footer as it is written at `dataEnd`. */
export function encodeFooter(log: LogIdentity, footer: NewFooter, sections: readonly Section[]): Buffer[] {
  const directory = Buffer.alloc(sections.length * ENTRY_BYTES)
  let at = 0
  sections.forEach((section, i) => {
    directory.writeUInt16BE(section.type, i * ENTRY_BYTES)
    directory.writeUInt16BE(section.version, i * ENTRY_BYTES + 2)
    directory.writeUInt32BE(at, i * ENTRY_BYTES + 4)
    directory.writeUInt32BE(section.bytes.length, i * ENTRY_BYTES + 8)
    directory.writeUInt32BE(crc32c(section.bytes), i * ENTRY_BYTES + 12)
    at += section.bytes.length
  })
  const trailer = Buffer.alloc(TRAILER_BYTES)
  trailer.writeUInt32BE(TRAILER_MAGIC, 0)
  trailer.writeUInt16BE(FORMAT_VERSION, 4)
  log.tag.copy(trailer, 8)
  writeU64(trailer, footer.firstLsn, 16)
  writeU64(trailer, footer.nextLsn, 24)
  writeU64(trailer, footer.dataEnd, 32)
  trailer.writeUInt32BE(sections.length, 40)
  writeU64(trailer, footer.epoch, 48)
  writeU64(trailer, footer.lastWallMs, 56)
  footer.chain.copy(trailer, 64)
  writeU64(trailer, footer.horizon, TRAILER_HORIZON_AT)
  trailer.writeUInt32BE(crc32c(directory), 120)
  trailer.writeUInt32BE(crc32c(trailer.subarray(0, TRAILER_CRC_AT)), TRAILER_CRC_AT)
  return [...sections.map((section) => section.bytes), directory, trailer]
}

/** @param bytes The last bytes of a segment, at least TRAILER_BYTES. @returns null if no footer of this format ends there. */
export function decodeTrailer(bytes: Buffer): (Trailer & { tag: Buffer }) | null {
  const at = bytes.length - TRAILER_BYTES
  if (at < 0 || bytes.readUInt32BE(at) !== TRAILER_MAGIC || bytes.readUInt16BE(at + 4) !== FORMAT_VERSION) return null
  if (bytes.readUInt32BE(at + TRAILER_CRC_AT) !== crc32c(bytes.subarray(at, at + TRAILER_CRC_AT))) return null
  return {
    tag: Buffer.from(bytes.subarray(at + 8, at + 8 + LOG_TAG_BYTES)),
    firstLsn: readU64(bytes, at + 16),
    nextLsn: readU64(bytes, at + 24),
    dataEnd: readU64(bytes, at + 32),
    sectionCount: bytes.readUInt32BE(at + 40),
    epoch: toEpoch(readU64(bytes, at + 48)),
    lastWallMs: readU64(bytes, at + 56),
    chain: Buffer.from(bytes.subarray(at + 64, at + 64 + HASH_BYTES)),
    horizon: readU64(bytes, at + TRAILER_HORIZON_AT),
    directoryCrc: bytes.readUInt32BE(at + 120),
  }
}

/** Where the directory of sections lies, or null if the numbers cannot be true. */
export function directoryExtent(trailer: Trailer, segmentBytes: number): { at: number; length: number } | null {
  const length = trailer.sectionCount * ENTRY_BYTES
  const at = segmentBytes - TRAILER_BYTES - length
  if (at < trailer.dataEnd || segmentBytes - trailer.dataEnd > FOOTER_BYTES_MAX) return null
  return { at, length }
}

/** @returns null if the directory is damaged. */
export function decodeDirectory(trailer: Trailer, directory: Buffer): SectionEntry[] | null {
  if (crc32c(directory) !== trailer.directoryCrc) return null
  const entries: SectionEntry[] = []
  for (let i = 0; i < directory.length; i += ENTRY_BYTES) {
    entries.push({
      type: directory.readUInt16BE(i),
      version: directory.readUInt16BE(i + 2),
      at: trailer.dataEnd + directory.readUInt32BE(i + 4),
      length: directory.readUInt32BE(i + 8),
      crc: directory.readUInt32BE(i + 12),
    })
  }
  return entries
}

/** Section `offsets` version 1: the position of each record's header, u32 each, 0 if it is unknown. */
export function encodeOffsets(offsets: Uint32Array): Section {
  const bytes = Buffer.allocUnsafe(offsets.length * 4)
  for (let i = 0; i < offsets.length; i++) bytes.writeUInt32BE(offsets[i] ?? 0, i * 4)
  return { type: SectionType.offsets, version: 1, bytes }
}

export function decodeOffsets(bytes: Buffer): Uint32Array {
  const offsets = new Uint32Array(bytes.length >>> 2)
  for (let i = 0; i < offsets.length; i++) offsets[i] = bytes.readUInt32BE(i * 4)
  return offsets
}

/**
 * Section `epochs` version 1: epochs that begin in this segment: epoch u64, first LSN u64, chain value of that record. Left out where rot
 * hides one of them: readers then ask the records themselves, which may have been repaired by then.
 */
export function encodeEpochs(epochs: readonly EpochStart[]): Section[] {
  if (epochs.some(({ chain }) => chain === null)) return []
  const bytes = Buffer.alloc(epochs.length * EPOCH_BYTES)
  epochs.forEach((start, i) => {
    writeU64(bytes, start.epoch, i * EPOCH_BYTES)
    writeU64(bytes, start.firstLsn, i * EPOCH_BYTES + 8)
    start.chain?.copy(bytes, i * EPOCH_BYTES + 16)
  })
  return [{ type: SectionType.epochs, version: 1, bytes }]
}

export function decodeEpochs(bytes: Buffer): EpochStart[] {
  const epochs: EpochStart[] = []
  for (let at = 0; at + EPOCH_BYTES <= bytes.length; at += EPOCH_BYTES) {
    const firstLsn = toLsn(readU64(bytes, at + 8))
    epochs.push({
      epoch: toEpoch(readU64(bytes, at)),
      firstLsn,
      latestLsn: firstLsn,
      chain: Buffer.from(bytes.subarray(at + 16, at + EPOCH_BYTES)),
    })
  }
  return epochs
}
