/** What can go wrong between Twinpost and its directory, and what SMTP and IMAP say of it. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const DIRECTORY_ERRORS = {
  DIRECTORY_UNAVAILABLE: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The directory cannot be reached, is overloaded, or did not answer in time.',
  },
  DIRECTORY_REFUSED: {
    smtp: '451 4.3.0',
    imap: 'SERVERBUG',
    retry: false,
    meaning: 'The directory refused a request: rights, schema or size.',
  },
  DIRECTORY_ENTRY: {
    smtp: '451 4.3.0',
    imap: 'SERVERBUG',
    retry: false,
    meaning: 'An entry of the directory breaks the schema that Twinpost relies on.',
  },
  DIRECTORY_TAKEN: { retry: false, meaning: 'An address belongs to another account or group.' },
  DIRECTORY_ADDRESS: { retry: false, meaning: 'A mail address or domain name cannot be used.' },
} as const satisfies Record<string, ErrorSpec>

export class DirectoryError extends CodedError<keyof typeof DIRECTORY_ERRORS> {
  override readonly name = 'DirectoryError'
}
