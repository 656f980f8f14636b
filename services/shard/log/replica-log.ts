/**
 * What replication needs of the log beyond `types.ts`: raw records in and out, the end cut, single records repaired. Implemented by
 * `log.ts`, and in memory by `../replication/testing/memory-replica-log.ts`.
 */
import type { Epoch, Lsn } from '#lib/mail/types.ts'
import type { EpochStart } from './epochs.ts'
import type { PeerRecord } from './repair.ts'
import type { LsnRange } from './tail.ts'
import type { ShardLog } from './types.ts'

/** Records as they stand on the disk of whoever wrote them, without a batch header: each replica writes its own. */
export interface RawBatch {
  /** Of all its records. */
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  /** At least one. */
  readonly recordCount: number
  readonly byteCount: number
  readonly chunks: readonly Uint8Array[]
}

export interface CutTail {
  readonly fromLsn: Lsn
  readonly bytes: number
  /** Where the tail was kept, for people. */
  readonly path: string
}

/**
 * A log that can be a mirror's. A mirror calls `appendRaw`, a primary `append`; between the two roles `drained()` is awaited.
 */
export interface ReplicaLog extends ShardLog {
  /** Eight random bytes of this log, equal on both replicas: a record proves itself only under the tag it was written with. */
  readonly tag: Uint8Array
  /** Of the records that `append` makes and of all headers that the log writes; on a mirror that of the last record. */
  readonly epoch: Epoch
  /** Nothing above was dropped by compaction; 0 as long as nothing was at all. A log that ends below cannot be continued from here. */
  readonly horizon: Lsn
  /** The highest commit known here: of `noteCommit`, and after a restart of the batch headers on disk. Never above `lastLsn`. */
  readonly commit: Lsn
  /** Damaged records found so far. */
  readonly rotten: readonly LsnRange[]
  /**
   * Opening found the end damaged: what it cut, or what went astray, may have been acknowledged. Remembered over restarts until
   * something is written after `trustEnd`.
   */
  readonly endInDoubt: boolean
  /** What was appended waits for space on the disk (rule 16): nothing is lost, and nothing goes on until there is some. */
  readonly full: boolean
  /** `trustEnd` was called since the log was opened. */
  readonly endProved: boolean
  /** The end was compared with that of a replica which holds all that was acknowledged, or nobody is left who could say. */
  trustEnd(): void
  /** Who may know a record that was found rotten while it was read. True: it was put back, and is read once more. */
  onRotten(rescue: (lsn: Lsn) => Promise<boolean>): void
  /** Where each epoch begins, durable records only, in order (rule 9). */
  epochs(): readonly EpochStart[]
  /** @throws {LogError} LOG_EPOCH_BACKWARDS */
  setEpoch(epoch: Epoch): void
  /** Batch headers written from now on carry it; lower ones are ignored. */
  noteCommit(commit: Lsn): void
  /** Chain value of a durable record, the start value for LSN 0; null if its header is rotten or was dropped. @throws {LogError} LOG_NO_SUCH_RECORD */
  chainAt(lsn: Lsn): Promise<Uint8Array | null>
  /**
   * Durable records from `from` on, at least one and beyond it at most `bytesMax`, all of one epoch, dropped runs as such. Their
   * checksums are proved. @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD; LOG_DROPPED_RECORD if `from` is inside of a run
   */
  readRaw(from: Lsn, bytesMax: number): Promise<RawBatch>
  /**
   * A mirror takes a primary's records: proves checksums, hashes, density and chain, then writes and syncs them in order as `append`
   * does, under a batch header of its own. Chunks must not change until durable. Several calls may share one sync.
   * @throws {LogError} LOG_BAD_BATCH, and then nothing of it was taken; LOG_STOPPED
   */
  appendRaw(batch: RawBatch): void
  /** Resolves when all that was appended is durable. Rejects if the log fails first. */
  drained(): Promise<void>
  /**
   * Removes all above `lsn` from a drained log; the tail is kept aside first. Also forgets an epoch in which nothing was written. The
   * caller proves that nothing committed goes. Null: no record was above.
   */
  cutAbove(lsn: Lsn): Promise<CutTail | null>
  /** An empty log becomes a copy of the peer's: takes its tag. @throws {LogError} LOG_FOREIGN if it is not empty */
  adopt(tag: Uint8Array): Promise<void>
  /** One durable record with its header, or the dropped run that it was part of, proved, to repair the peer's. @throws {LogError} as `readRaw` */
  readRawRecord(lsn: Lsn): Promise<Uint8Array>
  /**
   * Puts the peer's bytes in the place of rotten records that are neighbours, after proving that they are those records: by the hash in
   * the own headers if one is readable, otherwise by the chain around them. @throws {LogError} LOG_BAD_BATCH if they are not
   */
  repair(records: readonly PeerRecord[]): Promise<void>
}
