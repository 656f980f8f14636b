/** The backup of a MailNode's shards in its pods: a claim that all of them mount, and the secret of the encryption. Pure. */

import type { MailNode } from '#operator/api/mail-node.ts'
import { durationSeconds } from '#operator/api/resource.ts'
import type { EnvVar, Volume, VolumeMount } from '#operator/cluster/objects.ts'
import { PATHS } from '../array-context.ts'

const HOUR_S = 3_600

export function backupEnv({ spec: { backup } }: MailNode): EnvVar[] {
  if (backup === undefined) return []
  const { bucket, secretName, every, baseEvery, keep } = backup
  const hours = (duration: string) => String(Math.max(1, Math.ceil(durationSeconds(duration) / HOUR_S)))
  const settings: [name: string, value: string | undefined][] = [
    ['ARCHIVE', bucket ? `s3://${bucket.name}/${bucket.prefix ?? ''}` : `${PATHS.backup}/twinpost`],
    ['ENDPOINT', bucket?.endpoint],
    ['REGION', bucket?.region],
    ['SECRET_DIR', secretName && PATHS.backupSecret],
    ['EVERY_SECONDS', String(durationSeconds(every))],
    ['BASE_EVERY_HOURS', hours(baseEvery)],
    ['KEEP_HOURS', hours(keep)],
  ]
  return settings.flatMap(([name, value]) => (value === undefined ? [] : [{ name: `TWINPOST_BACKUP_${name}`, value }]))
}

export function backupMounts({ spec: { backup } }: MailNode): VolumeMount[] {
  return [
    ...(backup?.claimName === undefined ? [] : [{ name: 'backup', mountPath: PATHS.backup }]),
    ...(backup?.secretName === undefined
      ? []
      : [{ name: 'backup-secret', mountPath: PATHS.backupSecret, readOnly: true }]),
  ]
}

export function backupVolumes({ spec: { backup } }: MailNode): Volume[] {
  const { claimName, secretName } = backup ?? {}
  return [
    ...(claimName === undefined ? [] : [{ name: 'backup', persistentVolumeClaim: { claimName } }]),
    ...(secretName === undefined ? [] : [{ name: 'backup-secret', secret: { secretName, defaultMode: 0o440 } }]),
  ]
}
