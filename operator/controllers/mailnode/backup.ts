/** The backup of a MailNode's shards in its pods: a claim that all of them mount, and the secret of the encryption. Pure. */

import type { MailNode } from '#operator/api/mail-node.ts'
import { durationSeconds } from '#operator/api/resource.ts'
import type { EnvVar, Volume, VolumeMount } from '#operator/cluster/objects.ts'
import { PATHS } from '../array-context.ts'

/** Key in the Secret. */
export const BACKUP_SECRET_KEY = 'secret'
const HOUR_S = 3_600

export function backupEnv({ spec: { backup } }: MailNode): EnvVar[] {
  if (backup === undefined) return []
  const hours = (duration: string) => String(Math.max(1, Math.ceil(durationSeconds(duration) / HOUR_S)))
  return [
    { name: 'TWINPOST_BACKUP_FOLDER', value: `${PATHS.backup}/twinpost` },
    ...(backup.secretName === undefined
      ? []
      : [{ name: 'TWINPOST_BACKUP_SECRET_FILE', value: `${PATHS.backupSecret}/${BACKUP_SECRET_KEY}` }]),
    { name: 'TWINPOST_BACKUP_EVERY_SECONDS', value: String(durationSeconds(backup.every)) },
    { name: 'TWINPOST_BACKUP_BASE_EVERY_HOURS', value: hours(backup.baseEvery) },
    { name: 'TWINPOST_BACKUP_KEEP_HOURS', value: hours(backup.keep) },
  ]
}

export function backupMounts({ spec: { backup } }: MailNode): VolumeMount[] {
  if (backup === undefined) return []
  return [
    { name: 'backup', mountPath: PATHS.backup },
    ...(backup.secretName === undefined
      ? []
      : [{ name: 'backup-secret', mountPath: PATHS.backupSecret, readOnly: true }]),
  ]
}

export function backupVolumes({ spec: { backup } }: MailNode): Volume[] {
  if (backup === undefined) return []
  return [
    { name: 'backup', persistentVolumeClaim: { claimName: backup.claimName } },
    ...(backup.secretName === undefined
      ? []
      : [{ name: 'backup-secret', secret: { secretName: backup.secretName, defaultMode: 0o440 } }]),
  ]
}
