/** Flags in commands (RFC 9051 sections 2.3.2 and 9). */
import { type Flags, flagsFromNames } from '#lib/mail/flags.ts'
import { FLAGS_MAX, KEYWORD_BYTES_MAX } from '../limits.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** flag-list: "(" [flag *(SP flag)] ")". */
export function flagList(args: Tokens): Flags {
  return checked(args.list(() => args.flag(), true))
}

/** What STORE takes: a list, or flags without parentheses. */
export function storeFlags(args: Tokens): Flags {
  if (args.peek() === '(') return flagList(args)
  const names: string[] = []
  do names.push(args.flag())
  while (args.trySpace())
  return checked(names)
}

/** A keyword of SEARCH. */
export function keyword(args: Tokens): string {
  const name = args.atom()
  if (name.length > KEYWORD_BYTES_MAX) throw syntaxError(`Keyword is longer than ${KEYWORD_BYTES_MAX} bytes`)
  return name
}

function checked(names: readonly string[]): Flags {
  if (names.length > FLAGS_MAX) throw syntaxError(`More than ${FLAGS_MAX} flags`)
  for (const name of names) {
    if (name.length > KEYWORD_BYTES_MAX) throw syntaxError(`Flag is longer than ${KEYWORD_BYTES_MAX} bytes`)
  }
  const flags = flagsFromNames(names)
  // \Recent and unknown names with a backslash are not for clients to set (RFC 9051 section 2.3.2).
  if (flags === null)
    throw syntaxError('A flag with a backslash must be \\Answered, \\Flagged, \\Deleted, \\Seen or \\Draft')
  return flags
}
