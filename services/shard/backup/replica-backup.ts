/** Backup in a replica: where it goes as the settings say, and when this replica is the one that writes. */
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Logger } from '#lib/log/logger.ts'
import { type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { ReplicaLog } from '../log/replica-log.ts'
import { type Archive, FolderArchive } from './archive.ts'
import { BackupKeeper, type BackupPolicy } from './keeper.ts'
import { Seal } from './seal.ts'

export interface BackupTarget {
  readonly archive: Archive
  readonly seal: Seal
  readonly policy: BackupPolicy
}

export interface BackupSettings {
  readonly backupFolder: string | null
  readonly backupSecretFile: string | null
  readonly backupEverySeconds: number
  readonly backupBaseEveryHours: number
  readonly backupKeepHours: number
}

const HOUR_MS = 3_600_000

/** Null: no backup is wanted. @throws {BackupError} BACKUP_KEY */
export function backupTarget(settings: BackupSettings, random: Random): BackupTarget | null {
  const { backupFolder, backupSecretFile } = settings
  if (backupFolder === null) return null
  return {
    archive: new FolderArchive(new NodeDisk(dirname(backupFolder)), basename(backupFolder)),
    seal: new Seal(backupSecretFile === null ? null : readSecret(backupSecretFile), random),
    policy: {
      everyMs: settings.backupEverySeconds * 1_000,
      baseEveryMs: settings.backupBaseEveryHours * HOUR_MS,
      keepMs: settings.backupKeepHours * HOUR_MS,
    },
  }
}

/** Editors end files with a line break that belongs to no secret. */
export function readSecret(path: string): Buffer {
  return Buffer.from(readFileSync(path, 'utf8').trim())
}

export function startBackup(
  { archive, seal, policy }: BackupTarget,
  replica: {
    readonly shard: ShardName
    readonly log: ReplicaLog
    readonly machine: { status(): { readonly role: string; readonly commit: number } }
    readonly clock: Clock
    readonly logger: Logger
  },
): BackupKeeper {
  const { shard, log, machine, clock, logger } = replica
  const keeper = new BackupKeeper({
    shard,
    log,
    archive,
    seal,
    policy,
    clock,
    commit(): Lsn | null {
      const { role, commit } = machine.status()
      return role === 'primary' ? toLsn(commit) : null
    },
    onNotice: (notice) => logger[notice.kind === 'failed' ? 'error' : 'info'](notice, 'backup'),
  })
  keeper.start()
  return keeper
}
