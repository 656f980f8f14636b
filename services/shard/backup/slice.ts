/** Looks into records as they stand on disk: where each ends, when it was made, and so a part of a batch. Pure. */
import { toLsn } from '#lib/mail/types.ts'
import { asBuffer, decodeRecordHeader, type LogIdentity, RECORD_HEADER_BYTES } from '../log/format.ts'
import type { RawBatch } from '../log/replica-log.ts'
import { BackupError } from './errors.ts'

export interface Slice {
  readonly batch: RawBatch
  readonly lastLsn: number
  /** Wall time of the last record. */
  readonly lastMs: number
  /** Chain value of the last record. */
  readonly chain: Buffer
}

export interface SliceBounds {
  readonly from: number
  readonly to: number
  /** The first record that is newer, and all behind it, stays out. */
  readonly untilMs?: number
}

/** The records of a batch within bounds; null: there is none. @throws {BackupError} BACKUP_DAMAGED */
export function sliceBatch(
  batch: RawBatch,
  log: LogIdentity,
  { from, to, untilMs = Infinity }: SliceBounds,
): Slice | null {
  const [only] = batch.chunks
  const bytes = batch.chunks.length === 1 && only ? asBuffer(only) : Buffer.concat(batch.chunks)
  let begin = -1
  let at = 0
  let firstLsn = 0
  let last: Omit<Slice, 'batch'> | null = null
  while (at < bytes.length) {
    const header = decodeRecordHeader(bytes, at, log)
    if (header === null)
      throw new BackupError('BACKUP_DAMAGED', `Cannot read the records from ${batch.firstLsn} on: one has no header`)
    if (header.lastLsn > to || header.wallMs > untilMs) break
    if (header.lsn >= from && begin < 0) {
      begin = at
      firstLsn = header.lsn
    }
    at += RECORD_HEADER_BYTES + header.metaLength + header.bodyLength
    last = { lastLsn: header.lastLsn, lastMs: header.wallMs, chain: Buffer.from(header.chain) }
  }
  if (begin < 0 || last === null) return null
  const chunk = bytes.subarray(begin, at)
  const recordCount = last.lastLsn - firstLsn + 1
  return {
    ...last,
    batch: { epoch: batch.epoch, firstLsn: toLsn(firstLsn), recordCount, byteCount: chunk.length, chunks: [chunk] },
  }
}
