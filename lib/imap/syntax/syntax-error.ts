/** What the parser throws: the command is answered BAD with this text, and the session goes on. */
import { CodedError } from '#lib/errors/coded-error.ts'

export type ImapSyntaxCode =
  /** Answered BAD. */
  | 'IMAP_SYNTAX'
  /** Well-formed, but refused by a limit or a rule about values: answered NO with `details.imap` as response code. */
  | 'IMAP_REFUSED'

export class ImapSyntaxError extends CodedError<ImapSyntaxCode> {
  override readonly name = 'ImapSyntaxError'
}

export function syntaxError(message: string): ImapSyntaxError {
  return new ImapSyntaxError('IMAP_SYNTAX', message)
}

/** @param imap Response code without brackets, as `BADCHARSET (UTF-8)`. */
export function refusal(imap: string, message: string): ImapSyntaxError {
  return new ImapSyntaxError('IMAP_REFUSED', message, { details: { imap } })
}
