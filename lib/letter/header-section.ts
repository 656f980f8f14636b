/** What the edge must know of a letter's header section, and no more: it decides on loops and on what submission adds. */
import { HEADER_SCAN_BYTES_MAX } from './limits.ts'

const END_OF_HEADER = Buffer.from('\r\n\r\n')

/**
 * The header section of a letter as latin1 text, with the CRLF of its last field.
 * @param pieces The letter's first bytes; what lies behind HEADER_SCAN_BYTES_MAX is not looked at.
 */
export function headerSection(pieces: readonly Buffer[]): string {
  let seen = pieces[0] ?? Buffer.alloc(0)
  for (let count = 1; ; count++) {
    if (seen[0] === 0x0d && seen[1] === 0x0a) return ''
    const end = seen.subarray(0, HEADER_SCAN_BYTES_MAX).indexOf(END_OF_HEADER)
    if (end !== -1) return seen.toString('latin1', 0, end + 2)
    const next = pieces[count]
    if (next === undefined || seen.length >= HEADER_SCAN_BYTES_MAX) {
      return seen.toString('latin1', 0, HEADER_SCAN_BYTES_MAX)
    }
    seen = Buffer.concat([seen, next])
  }
}

/** Hops so far: every server adds one Received field (RFC 5321 section 6.3). */
export function countHops(header: string): number {
  let hops = 0
  for (const _ of header.matchAll(/^received[ \t]*:/gim)) hops++
  return hops
}

/** Whether a field is there; `name` in lower case, letters and `-` only. */
export function hasField(header: string, name: string): boolean {
  return new RegExp(`^${name}[ \\t]*:`, 'im').test(header)
}

/** Whether the letter begins with a field at all: without one, what is put before it would swallow its first line. */
export function beginsWithField(header: string): boolean {
  return /^[\x21-\x39\x3b-\x7e]+[ \t]*:/.test(header)
}
