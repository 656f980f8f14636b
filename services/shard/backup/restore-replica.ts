/**
 * A replica directory out of an archive, on the volume of a member that is stopped. It is a new incarnation that no ledger knows, and
 * it says of itself that a ledger was there: so it serves nothing by itself, and takes over only by an administrator's word
 * (`promote --force`), which lets UIDs and MODSEQs jump (replication design, rule 11).
 */
import { toEpoch } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'
import type { ReplicaLock } from '../log/lock.ts'
import { Log } from '../log/log.ts'
import { ReplicaDirectory } from '../log/replica-directory.ts'
import { BackupError } from './errors.ts'
import { type BackupReport, type BackupSource, replay, restoreLog } from './restore.ts'

export interface RestoreOptions {
  readonly source: BackupSource
  readonly untilMs: number | null
  /** The volume. */
  readonly disk: Disk
  readonly lock: ReplicaLock
  /** Whose volume it is, as `n1-0`. */
  readonly pod: string
  readonly clock: Clock
  readonly random: Random
}

/** @throws {BackupError} before anything is written if the archive cannot give what is asked; BACKUP_TARGET: there is a replica already */
export async function restoreReplica(options: RestoreOptions): Promise<BackupReport> {
  const { source, untilMs, disk, lock, pod, clock, random } = options
  const { shard } = source
  const directory = `shard-${shard.slice(shard.indexOf('/') + 1)}`
  if ((await disk.list(directory)).length > 0) {
    throw new BackupError(
      'BACKUP_TARGET',
      `There is a ${directory} on this volume: move it aside, nothing is overwritten`,
    )
  }
  // Once through without writing: a backup that is damaged at its end must not leave half a replica.
  await replay(source, untilMs)
  const nowMs = clock.nowMs()
  const replica = await ReplicaDirectory.open({ disk, directory, shard, replica: pod, random, nowMs, lock })
  try {
    const log = await Log.open({ disk, directory: replica.logDirectory, shard, clock, random, epoch: 'seen' })
    const report = await restoreLog(source, untilMs, log)
    const highestEpochPromised = toEpoch(log.epoch)
    await log.close()
    await replica.storeNote({ highestEpochPromised, highestLedgerVersion: 1, inSync: false, jumpUids: 0 })
    return report
  } finally {
    await replica.close()
  }
}
