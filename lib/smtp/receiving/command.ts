/** One line of a client: verb and argument (RFC 5321 section 2.4 and 4.1.1). */

export interface CommandLine {
  /** Upper case. */
  readonly verb: string
  /** Without spaces at its ends, in latin1. */
  readonly argument: string
  /** The whole line without its end, in latin1. */
  readonly line: string
}

const CR = 0x0d
const SPACE = 0x20
const CONTROL = /[\0-\x1f\x7f]/
const BEYOND_ASCII = /[^\0-\x7f]/
const HTTP_REQUEST = /^[A-Za-z]+ \S+ HTTP\/\d/
const BDAT = /^(\d{1,15})(?: +(LAST))?$/i
const fatalUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * @param line What stood before an LF. @returns null: it has no CR there, or control characters inside, so that two servers
 * could see two different commands in it.
 */
export function readCommand(line: string): CommandLine | null {
  const end = line.length - 1
  if (line.charCodeAt(end) !== CR) return null
  const text = line.slice(0, end)
  if (CONTROL.test(text)) return null
  const space = text.indexOf(' ')
  if (space === -1) return { verb: text.toUpperCase(), argument: '', line: text }
  return { verb: text.slice(0, space).toUpperCase(), argument: withoutSpaces(text.slice(space + 1)), line: text }
}

/** Spaces only: what `trim` takes away more are bytes of UTF-8 here. */
export function withoutSpaces(text: string): string {
  let begin = 0
  let end = text.length
  while (begin < end && text.charCodeAt(begin) === SPACE) begin++
  while (end > begin && text.charCodeAt(end - 1) === SPACE) end--
  return begin === 0 && end === text.length ? text : text.slice(begin, end)
}

/** A browser or a script of one that was sent to this port (cross-protocol request forgery). */
export function isHttp(line: string): boolean {
  return HTTP_REQUEST.test(line)
}

/** RFC 3030 section 2: `chunk-size [SP "LAST"]`. */
export function parseBdat(argument: string): { readonly bytes: number; readonly last: boolean } | null {
  const found = BDAT.exec(argument)
  return found ? { bytes: Number(found[1]), last: found[2] !== undefined } : null
}

/** Text of bytes that were read as latin1; null if they are not UTF-8 (RFC 6531 section 3.3). */
export function utf8(latin1: string): string | null {
  if (!BEYOND_ASCII.test(latin1)) return latin1
  try {
    return fatalUtf8.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return null
  }
}
