/**
 * The content of a piece: records as they stand on the disk of whoever wrote them, with what it takes to prove them.
 *
 *     format u16 | shard string | tag of the log 8 | count varint | per batch: epoch u64, first LSN u64, records varint, bytes varint, the bytes
 */
import { ByteReader } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { type ShardName, toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'
import { LOG_TAG_BYTES } from '../log/format.ts'
import type { RawBatch } from '../log/replica-log.ts'
import { BackupError } from './errors.ts'

const FORMAT_VERSION = 1

export interface PieceContent {
  readonly shard: ShardName
  readonly tag: Uint8Array
  readonly batches: readonly RawBatch[]
}

export function encodePiece({ shard, tag, batches }: PieceContent): Uint8Array {
  const writer = new ByteWriter().u16(FORMAT_VERSION).string(shard).raw(tag).varint(batches.length)
  for (const { epoch, firstLsn, recordCount, byteCount, chunks } of batches) {
    writer.u64(epoch).u64(firstLsn).varint(recordCount).varint(byteCount)
    for (const chunk of chunks) writer.raw(chunk)
  }
  return writer.finish()
}

/** @throws {BackupError} BACKUP_FORMAT_NEWER, BACKUP_DAMAGED */
export function decodePiece(bytes: Uint8Array, name: string): PieceContent {
  try {
    const reader = new ByteReader(bytes)
    const version = reader.u16()
    if (version !== FORMAT_VERSION)
      throw new BackupError('BACKUP_FORMAT_NEWER', `Cannot read ${name}: format ${version}`)
    const shard = toShardName(reader.string())
    const tag = reader.raw(LOG_TAG_BYTES)
    const batches: RawBatch[] = []
    for (let left = reader.varint(); left > 0; left--) {
      const [epoch, firstLsn, recordCount] = [toEpoch(reader.u64()), toLsn(reader.u64()), reader.varint()]
      const chunk = reader.raw(reader.varint())
      batches.push({ epoch, firstLsn, recordCount, byteCount: chunk.length, chunks: [chunk] })
    }
    reader.end()
    return { shard, tag, batches }
  } catch (cause) {
    if (cause instanceof BackupError) throw cause
    throw new BackupError('BACKUP_DAMAGED', `Cannot use ${name}: its content is not what it should be`, { cause })
  }
}
