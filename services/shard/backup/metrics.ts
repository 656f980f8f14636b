/** The series of the backup; a replica that is not primary has zeros. */
import { Gauge, type Registry } from '#lib/metrics/metrics.ts'
import type { BackupCounts } from './keeper.ts'

/** @param counts Null: no backup is wanted, or the log is not open yet */
export function createBackupMetrics(registry: Registry, counts: () => BackupCounts | null): void {
  const gauge = (name: string, help: string, read: (counts: BackupCounts) => number) =>
    new Gauge({
      name: `twinpost_shard_backup_${name}`,
      help,
      registers: [registry],
      collect() {
        const now = counts()
        this.set(now === null ? 0 : read(now))
      },
    })
  gauge('saved_lsn', 'Highest LSN in the archive, as this primary knows.', ({ savedLsn }) => savedLsn)
  gauge('saved_timestamp_seconds', 'When all that was committed was in the archive last; 0: not yet.', ({ savedMs }) =>
    Math.round((savedMs ?? 0) / 1_000),
  )
  gauge('failures', 'Rounds that failed since the start.', ({ failures }) => failures)
}
