/** One POP3 command as a verb and its argument (RFC 1939 section 3, RFC 2449 section 4). */
import { isUtf8 } from 'node:buffer'

export interface Command {
  /** Upper case; may be any word. */
  readonly verb: string
  /** All that follows the first space, as it stands: a password may hold and end with spaces. Empty if there is none. */
  readonly argument: string
}

/** Null if the line cannot be a command: not UTF-8, or with NUL or other controls in it. */
export function parseCommand(line: Buffer): Command | null {
  if (!isUtf8(line)) return null
  const text = line.toString('utf8')
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) return null
  const space = text.indexOf(' ')
  if (space < 0) return { verb: text.toUpperCase(), argument: '' }
  return { verb: text.slice(0, space).toUpperCase(), argument: text.slice(space + 1) }
}

/** The argument's words; clients that put a space before CRLF are forgiven. */
export function words(argument: string): string[] {
  return argument.split(' ').filter((word) => word !== '')
}

/** A number of at most ten digits, or null. RFC 1939 section 3 has only decimal digits: no sign, no blank. */
export function parseNumber(word: string): number | null {
  return /^[0-9]{1,10}$/.test(word) ? Number(word) : null
}
