/** What a log is opened with, and what it tells of each commit. */
import type { Epoch, Lsn, ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'

export interface LogOptions {
  readonly disk: Disk
  /** Folder of this log alone; made if it is not there. */
  readonly directory: string
  readonly shard: ShardName
  readonly clock: Clock
  readonly random: Random
  /**
   * Right by which this process life appends; not given: one above all that this log has seen (a replica without a ledger). 'seen':
   * none, as of a mirror; `setEpoch` gives it later.
   */
  readonly epoch?: Epoch | 'seen'
  /** An LSN that is known to have been durable here, as the applied LSN of the index: damage up to it is never cut. */
  readonly knownUpTo?: Lsn
  readonly segmentBytes?: number
  /** A batch waits a moment for company (`gather.ts`); only with somebody who calls `noteCommit`. */
  readonly gather?: boolean
  /** Writes begin to wait for space, or do so no longer (rule 16). */
  readonly onSpace?: (full: boolean) => void
}

/** What one group commit did; for metrics and for the rule that a slow disk hands over. */
export interface CommitSample {
  readonly records: number
  readonly bytes: number
  /** Write and sync. */
  readonly durableMs: number
}
