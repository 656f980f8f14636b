/** date and date-time (RFC 9051 section 9). */
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const
const DATE = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/
const DATE_TIME = /^([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** Days since 1 January 1970, without time and zone, as SEARCH compares (RFC 9051 section 6.4.4). */
export type Day = number

/** A date of SEARCH, quoted or not. */
export function dateArgument(args: Tokens): Day {
  const text = args.astring()
  const match = DATE.exec(text)
  const ms = match === null ? null : midnight(match[1], match[2], match[3])
  if (ms === null) throw syntaxError('Date must look like 1-Feb-2026')
  return ms / DAY_MS
}

/** The date-time of APPEND, always quoted. Milliseconds since the Unix epoch. */
export function dateTimeArgument(args: Tokens): number {
  const match = DATE_TIME.exec(args.string())
  const ms = match === null ? null : midnight(match[1], match[2], match[3])
  if (match === null || ms === null) throw syntaxError('Date must look like " 1-Feb-2026 21:52:25 +0100"')
  const [hours, minutes, seconds, zoneHours, zoneMinutes] = [4, 5, 6, 8, 9].map((i) => Number(match[i])) as [
    number,
    number,
    number,
    number,
    number,
  ]
  if (hours > 23 || minutes > 59 || seconds > 60 || zoneHours > 23 || zoneMinutes > 59) {
    throw syntaxError('Time of day or zone is out of range')
  }
  const zone = (zoneHours * 60 + zoneMinutes) * (match[7] === '-' ? -1 : 1)
  return ms + (hours * 60 + minutes - zone) * MINUTE_MS + seconds * 1000
}

/** The UTC day of a point in time. */
export function dayOf(ms: number): Day {
  return Math.floor(ms / DAY_MS)
}

/** INTERNALDATE, in UTC, quoted. */
export function formatDateTime(ms: number): string {
  const date = new Date(ms)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = String(date.getUTCDate()).padStart(2, ' ')
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  return `"${day}-${MONTHS[date.getUTCMonth()]}-${year} ${time} +0000"`
}

/** Midnight UTC of a calendar day, or null if there is no such day. */
function midnight(day = '', month = '', year = ''): number | null {
  const index = MONTHS.findIndex((name) => name.toLowerCase() === month.toLowerCase())
  if (index < 0) return null
  const date = new Date(0)
  date.setUTCFullYear(Number(year), index, Number(day))
  return date.getUTCMonth() === index && date.getUTCDate() === Number(day) ? date.getTime() : null
}
