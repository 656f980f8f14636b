/** Names of annotations (RFC 5464 section 3): compared without case, below /private/ or /shared/. */
import { METADATA_ENTRIES_MAX, METADATA_NAME_BYTES_MAX } from '../limits.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** A name in lower case. @throws {ImapSyntaxError} if no annotation could have it */
export function entryName(args: Tokens): string {
  const name = args.astring().toLowerCase()
  if (name.length > METADATA_NAME_BYTES_MAX)
    throw syntaxError(`Entry name is longer than ${METADATA_NAME_BYTES_MAX} bytes`)
  // RFC 5464 section 3.1: no wildcards, no control or 8-bit characters, no empty level.
  if (!/^(?:\/[\x20-\x29\x2b-\x2e\x30-\x7e]+)+$/.test(name) || name.includes('%')) {
    throw syntaxError('Entry name must be levels of US-ASCII that each begin with /')
  }
  if (!/^\/(?:private|shared)(?:\/|$)/.test(name)) throw syntaxError('Entry name must begin with /private or /shared')
  return name
}

/** entry, or "(" entry *(SP entry) ")". */
export function entryNames(args: Tokens): string[] {
  const names = args.peek() === '(' ? args.list(() => entryName(args)) : [entryName(args)]
  if (names.length > METADATA_ENTRIES_MAX) throw syntaxError(`More than ${METADATA_ENTRIES_MAX} entries`)
  return names
}
