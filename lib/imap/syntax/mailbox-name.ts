/** Mailbox names between wire and store: modified UTF-7 outside, UTF-8 with `/` inside (RFC 9051 section 5.1). */
import { MAILBOX_NAME_BYTES_MAX } from '../limits.ts'
import { astring } from '../response/strings.ts'
import { decodeMutf7, encodeMutf7 } from './mutf7.ts'
import { refusal, syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export const SEPARATOR = '/'

/** A mailbox argument. @throws {ImapSyntaxError} if it is no name that could exist. */
export function mailboxArgument(args: Tokens): string {
  const wire = args.astring()
  const name = decodeName(wire)
  if (name === '') throw refusal('CANNOT', 'Mailbox name is empty')
  return name
}

/** A wire name or part of one, as UTF-8; may be empty. */
export function decodeName(wire: string): string {
  if (wire.length > MAILBOX_NAME_BYTES_MAX) {
    throw refusal('CANNOT', `Mailbox name is longer than ${MAILBOX_NAME_BYTES_MAX} bytes`)
  }
  const name = decodeMutf7(wire)
  if (name === null) throw syntaxError('Mailbox name is not modified UTF-7')
  // RFC 5198 section 2: no control characters in names that people see.
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) throw refusal('CANNOT', 'Mailbox name has control characters')
  return canonicalInbox(name)
}

/** RFC 9051 section 5.1: INBOX in any case, also as a parent. */
export function canonicalInbox(name: string): string {
  return /^inbox(\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name
}

/** `name` as a response shows it. */
export function wireName(name: string): string {
  return astring(encodeMutf7(name))
}
