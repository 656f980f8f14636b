/** What can be wrong with an index file. Nearly all of it is mended by building a new one from the log. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const INDEX_ERRORS = {
  INDEX_DAMAGED: {
    retry: false,
    meaning: 'The index file cannot be read as what it should be; it is rebuilt from the log.',
  },
  INDEX_SCHEMA: { retry: false, meaning: 'The index file has another schema version; it is rebuilt from the log.' },
  INDEX_AHEAD: { retry: false, meaning: 'The index holds more than the log; it is rebuilt from the log.' },
  INDEX_TAKEN_BACK: {
    retry: true,
    meaning:
      'SQLite took back what was applied, as it may when the disk fails; the process starts anew and applies it from the log.',
  },
  INDEX_NO_SPACE: {
    retry: true,
    meaning: 'The disk has no space for the index file; nothing is wrong with it, and it is opened when there is some.',
  },
  INDEX_RECORD: { retry: false, meaning: 'A record of the log does not fit what the records before it say.' },
} as const satisfies Record<string, ErrorSpec>

export class IndexError extends CodedError<keyof typeof INDEX_ERRORS> {
  override readonly name = 'IndexError'
}
