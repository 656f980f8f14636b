/** Backup in a replica: where it goes as the settings say, and when this replica is the one that writes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { ReplicaLog } from '../log/replica-log.ts'
import type { Archive } from './archive.ts'
import { BackupKeeper, type BackupPolicy } from './keeper.ts'
import { openArchive } from './open-archive.ts'
import { Seal } from './seal.ts'

export interface BackupTarget {
  readonly archive: Archive
  readonly seal: Seal
  readonly policy: BackupPolicy
}

export interface BackupSettings {
  /** A folder or `s3://BUCKET/PREFIX`; null: no backup is wanted. */
  readonly backupArchive: string | null
  readonly backupEndpoint: string | null
  readonly backupRegion: string
  /** Folder of a Secret: `secret`, `accessKeyId`, `secretAccessKey`, each only if it is needed. */
  readonly backupSecretDir: string | null
  readonly backupEverySeconds: number
  readonly backupBaseEveryHours: number
  readonly backupKeepHours: number
}

const HOUR_MS = 3_600_000

/** Null: no backup is wanted. @throws {BackupError} BACKUP_KEY, BACKUP_STORE */
export function backupTarget(settings: BackupSettings, random: Random): BackupTarget | null {
  const { backupArchive, backupEndpoint: endpoint, backupRegion: region, backupSecretDir: folder } = settings
  if (backupArchive === null) return null
  const file = (name: string) => (folder === null ? null : secretFile(join(folder, name)))
  const [accessKeyId, secretAccessKey] = [file('accessKeyId'), file('secretAccessKey')].map((one) => one && String(one))
  return {
    archive: openArchive(backupArchive, {
      endpoint,
      region,
      accessKeyId: accessKeyId ?? null,
      secretAccessKey: secretAccessKey ?? null,
    }),
    seal: new Seal(file('secret'), random),
    policy: {
      everyMs: settings.backupEverySeconds * 1_000,
      baseEveryMs: settings.backupBaseEveryHours * HOUR_MS,
      keepMs: settings.backupKeepHours * HOUR_MS,
    },
  }
}

/** Null: there is no such file. */
function secretFile(path: string): Buffer | null {
  try {
    return readSecret(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
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
