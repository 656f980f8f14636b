/**
 * What the rest of the shard sees of its log. Implementation: `log.ts`; on disk: docs/internals/log.md.
 *
 * Invariants: an LSN never means two records; LSNs are dense from 1; `append` decides LSNs synchronously and in order;
 * records of one `append` call are in one batch; nothing is reported durable before its sync resolved; opening cuts a torn
 * tail and never skips a damaged record in the middle.
 */
import type { Epoch, Lsn } from '#lib/mail/types.ts'

/** A record to be appended. The log does not look into `meta` and `body`, and does not copy them: do not reuse the buffers. */
export interface NewRecord {
  readonly type: number
  /** The fact, in the binary encoding of `../records`. At most RECORD_META_BYTES_MAX. */
  readonly meta: Uint8Array
  /** Message bytes, in pieces; at most RECORD_BODY_BYTES_MAX altogether (larger letters are chunk records). */
  readonly body?: readonly Uint8Array[]
}

export const RECORD_BODY_BYTES_MAX = 1024 * 1024
export const RECORD_META_BYTES_MAX = 16 * 1024 * 1024

export interface LogRecord {
  readonly lsn: Lsn
  readonly epoch: Epoch
  readonly type: number
  /** Wall time of the primary when it made the batch, ms. */
  readonly wallMs: number
  readonly meta: Uint8Array
  /** Empty if the record has none. */
  readonly body: Uint8Array
}

/** One encoded batch as it goes to the local disk and, unchanged, to a mirror. */
export interface EncodedBatch {
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  readonly recordCount: number
  readonly chunks: readonly Uint8Array[]
}

export interface AppendedRange {
  readonly first: Lsn
  readonly last: Lsn
}

export interface ScanOptions {
  /** False: bodies are skipped over and come out empty. */
  readonly bodies: boolean
  /** Told of records that compaction dropped, in order with those that are there. */
  readonly dropped?: (run: AppendedRange) => void
}

export interface ShardLog {
  /** Next LSN minus one: what was handed out, durable or not. */
  readonly lastLsn: Lsn
  /** Everything up to here survives a crash of this machine. */
  readonly durableLsn: Lsn
  /** Compaction has looked at effects up to here: facts at or below may rest on others that it dropped. 0: it dropped nothing. */
  readonly horizon: Lsn
  /** Takes the records into the next batch. LSNs are decided now; writing and syncing follow by group commit. @throws {LogError} LOG_STOPPED after a disk error */
  append(records: readonly NewRecord[]): AppendedRange
  /** Called in order after each sync with the new durable LSN. */
  onDurable(listener: (durable: Lsn) => void): void
  /** Called in order when a batch is encoded and its local write begins: the mirror gets the same bytes in parallel. */
  onBatch(listener: (batch: EncodedBatch) => void): void
  /** Called once when a write or sync failed: nothing more is written (replication.md rule 15). */
  onFailure(listener: (error: Error) => void): void
  /** Reads one record whole, checksums proved. Also of records that are appended but not yet synced. @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD, LOG_DROPPED_RECORD */
  read(lsn: Lsn): Promise<LogRecord>
  /** Reads a part of a record's body without reading all of it. The body checksum is proved the first time a record is touched. */
  readBody(lsn: Lsn, offset: number, length: number): Promise<Uint8Array>
  /** All durable records from `from` to `to` in order, without those that compaction dropped; a visitor that returns a promise is awaited. */
  scan(from: Lsn, to: Lsn, options: ScanOptions, visit: (record: LogRecord) => void | Promise<void>): Promise<void>
  /** Bytes of all segments on disk. */
  sizeBytes(): number
  close(): Promise<void>
}
