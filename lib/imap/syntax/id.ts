/** The ID command and response (RFC 2971 section 3). */
import { ID_KEY_BYTES_MAX, ID_PAIRS_MAX, ID_VALUE_BYTES_MAX } from '../limits.ts'
import { quoteOrLiteral } from '../response/strings.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** SP NIL, or SP "(" key value ... ")"; values that are NIL are left out. Key, value, key, value. */
export function parseClientId(args: Tokens): string[] {
  args.space()
  const pairs: string[] = []
  if (args.tryOpen()) {
    while (!args.tryClose()) {
      if (pairs.length > 0) args.space()
      if (pairs.length >= 2 * ID_PAIRS_MAX) throw syntaxError(`ID has more than ${ID_PAIRS_MAX} fields`)
      const key = args.string()
      args.space()
      const value = args.nstring()
      if (key.length > ID_KEY_BYTES_MAX) throw syntaxError(`ID field name is longer than ${ID_KEY_BYTES_MAX} bytes`)
      if ((value?.length ?? 0) > ID_VALUE_BYTES_MAX) {
        throw syntaxError(`ID value is longer than ${ID_VALUE_BYTES_MAX} bytes`)
      }
      pairs.push(key, value ?? '')
    }
  } else args.nil()
  args.end()
  return pairs
}

/** @param pairs Key, value, key, value; empty gives NIL. */
export function serverIdText(pairs: readonly string[]): string {
  return pairs.length === 0 ? 'ID NIL' : `ID (${pairs.map(quoteOrLiteral).join(' ')})`
}
