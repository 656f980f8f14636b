/** What can be wrong with a backup, for administrators. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const BACKUP_ERRORS = {
  BACKUP_MISSING: { retry: false, meaning: 'The archive holds no such object, or nothing that reaches back so far.' },
  BACKUP_DAMAGED: {
    retry: false,
    meaning: 'An object of the archive is not what was written, or a part of the log is missing.',
  },
  BACKUP_KEY: {
    retry: false,
    meaning: 'The key does not open the archive: it was written with another one, or with none.',
  },
  BACKUP_FORMAT_NEWER: { retry: false, meaning: 'The object was written by a newer version of this program.' },
  BACKUP_STORE: { retry: true, meaning: 'The bucket cannot be reached, or refuses what is asked of it.' },
  BACKUP_TARGET: { retry: false, meaning: 'Where the backup is to be restored to, there is a replica already.' },
} as const satisfies Record<string, ErrorSpec>

export class BackupError extends CodedError<keyof typeof BACKUP_ERRORS> {
  override readonly name = 'BackupError'
}
