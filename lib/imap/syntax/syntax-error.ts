/** What the parser throws: the command is answered BAD with this text, and the session goes on. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const IMAP_SYNTAX_ERRORS = {
  IMAP_SYNTAX: { retry: false, meaning: 'A command is not of its form: answered BAD.' },
  IMAP_REFUSED: {
    retry: false,
    meaning:
      'A command is well formed and refused by a limit or a rule about values: answered NO, with the code in `details.imap`.',
  },
} as const satisfies Record<string, ErrorSpec>

export class ImapSyntaxError extends CodedError<keyof typeof IMAP_SYNTAX_ERRORS> {
  override readonly name = 'ImapSyntaxError'
}

export function syntaxError(message: string): ImapSyntaxError {
  return new ImapSyntaxError('IMAP_SYNTAX', message)
}

/** A sequence number where ENABLE UIDONLY forbids them (RFC 9586 section 3.1). */
export function uidRequired(): ImapSyntaxError {
  return new ImapSyntaxError('IMAP_SYNTAX', 'Only UIDs are allowed after ENABLE UIDONLY', {
    details: { imap: 'UIDREQUIRED' },
  })
}

/** @param imap Response code without brackets, as `BADCHARSET (UTF-8)`. */
export function refusal(imap: string, message: string): ImapSyntaxError {
  return new ImapSyntaxError('IMAP_REFUSED', message, { details: { imap } })
}
