/** Mailbox names between wire and store: modified UTF-7 or UTF-8 outside, Unicode with `/` inside (RFC 9051 section 5.1). */
import { MAILBOX_NAME_BYTES_MAX } from '../limits.ts'
import { astring, binaryString } from '../response/strings.ts'
import { decodeMutf7, encodeMutf7 } from './mutf7.ts'
import { refusal, syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export const SEPARATOR = '/'

/** A mailbox argument. @throws {ImapSyntaxError} if it is no name that could exist. */
export function mailboxArgument(args: Tokens): string {
  const name = decodeName(args.astring(), args.utf8)
  if (name === '') throw refusal('CANNOT', 'Mailbox name is empty')
  return name
}

/** A wire name or part of one, as Unicode; may be empty. */
export function decodeName(wire: string, utf8: boolean): string {
  if (wire.length > MAILBOX_NAME_BYTES_MAX) {
    throw refusal('CANNOT', `Mailbox name is longer than ${MAILBOX_NAME_BYTES_MAX} bytes`)
  }
  const name = utf8 ? decodeUtf8(wire) : decodeMutf7(wire)
  if (name === null) throw syntaxError(`Mailbox name is not ${utf8 ? 'UTF-8' : 'modified UTF-7'}`)
  // RFC 5198 section 2: no control characters in names that people see.
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) throw refusal('CANNOT', 'Mailbox name has control characters')
  return canonicalInbox(name)
}

/** RFC 9051 section 5.1: INBOX in any case, also as a parent. */
export function canonicalInbox(name: string): string {
  return /^inbox(\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name
}

/** `name` as a response shows it. */
export function wireName(name: string, utf8: boolean): string {
  return utf8 ? utf8String(name) : astring(encodeMutf7(name))
}

/** As an atom or quoted: a name has no CR, LF or NUL, and UTF-8 may stand in quotes (RFC 9051 section 9, QUOTED-CHAR). */
function utf8String(name: string): string {
  const bytes = binaryString(name.toWellFormed())
  return bytes === name ? astring(name) : `"${bytes.replace(/["\\]/g, '\\$&')}"`
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(wire: string): string | null {
  try {
    return STRICT_UTF8.decode(Buffer.from(wire, 'latin1'))
  } catch {
    return null
  }
}
