/** RFC 5322 section 3.3 dates, with the obsolete forms of section 4.3 and those of asctime, which old software sends. */
import { withoutComments } from './lexer.ts'
import { DATE_CHARS_MAX } from './limits.ts'
import type { MailDate } from './types.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
/** RFC 5322 section 4.3; all other names, the military letters included, mean nothing certain: read as UTC. */
const ZONE_HOURS: ReadonlyMap<string, number> = new Map([
  ['EDT', -4],
  ['EST', -5],
  ['CDT', -5],
  ['CST', -6],
  ['MDT', -6],
  ['MST', -7],
  ['PDT', -7],
  ['PST', -8],
])

const TIME = String.raw`(\d{1,2}) ?: ?(\d{2})(?: ?: ?(\d{2})(?:\.\d{1,9})?)?`
const ZONE = String.raw`(?: ?(?:GMT|UTC|UT)?([+-]) ?(\d{2}):?(\d{2})\b| ?\(?([A-Z]{1,5})\b)?`
/** `Tue, 24 Nov 2026 07:52:43 +0000`: day name, comma, seconds and zone may be missing, dashes may stand for spaces. */
const RFC_5322 = new RegExp(
  `^(?:[A-Z]{2,9}\\.? ?,? ?)?(\\d{1,2})[ -]?([A-Z]{3})[A-Z]{0,6}\\.?[ -]?(\\d{2,4}),? ${TIME}${ZONE}`,
  'i',
)
/** `Tue Nov 24 07:52:43 2026`, with a zone before or after the year or none. */
const ASCTIME = new RegExp(
  `^(?:[A-Z]{3,9},? )?([A-Z]{3})[A-Z]{0,6} (\\d{1,2}),? ${TIME}(?: ([A-Z]{1,5}))? (\\d{4})${ZONE}`,
  'i',
)

/** Null if `value` is no date, or one that no calendar has. A missing or unknown zone is read as UTC. */
export function parseDate(value: string): MailDate | null {
  const text = withoutComments(value.slice(0, DATE_CHARS_MAX)).replace(/\s+/g, ' ').trim()
  const rfc = RFC_5322.exec(text)
  if (rfc !== null) {
    const [, day, month, year, hour, minute, second, ...zone] = rfc
    return assemble(year, month, day, [hour, minute, second], zone)
  }
  const asctime = ASCTIME.exec(text)
  if (asctime === null) return null
  const [, month, day, hour, minute, second, zoneBefore, year, sign, hours, minutes, zoneAfter] = asctime
  return assemble(year, month, day, [hour, minute, second], [sign, hours, minutes, zoneAfter ?? zoneBefore])
}

type Text = string | undefined

function assemble(
  year: Text,
  monthName: Text,
  dayText: Text,
  time: readonly Text[],
  zone: readonly Text[],
): MailDate | null {
  const month = MONTHS.findIndex((name) => name.toLowerCase() === monthName?.toLowerCase())
  const day = Number(dayText)
  const [hour = 0, minute = 0, second = 0] = time.map((part) => Number(part ?? 0))
  if (month < 0 || hour > 23 || minute > 59 || second > 60) return null // 60: RFC 5322 section 3.3 allows the leap second
  const fullYear = yearOf(year ?? '')
  const midnight = new Date(0).setUTCFullYear(fullYear, month, day)
  if (new Date(midnight).getUTCDate() !== day) return null
  const zoneMinutes = zoneOf(zone)
  return { ms: midnight + ((hour * 60 + minute - zoneMinutes) * 60 + second) * 1000, zoneMinutes }
}

/** RFC 5322 section 4.3: two digits below 50 are of this century; other two and three digits count from 1900. */
function yearOf(text: string): number {
  const year = Number(text)
  if (text.length > 3) return year
  return text.length === 2 && year < 50 ? 2000 + year : 1900 + year
}

function zoneOf([sign, hours, minutes, name]: readonly Text[]): number {
  if (sign === undefined) return (ZONE_HOURS.get((name ?? '').toUpperCase()) ?? 0) * 60
  const total = Number(hours) * 60 + Number(minutes)
  if (total >= 24 * 60 || total === 0) return 0
  return sign === '-' ? -total : total
}

/** As `Tue, 24 Nov 2026 07:52:43 +0000`, for Date and Received fields. */
export function formatDate(ms: number, zoneMinutes = 0): string {
  const there = new Date(ms + zoneMinutes * 60_000)
  const two = (n: number) => String(n).padStart(2, '0')
  const date = `${there.getUTCDate()} ${MONTHS[there.getUTCMonth()]} ${String(there.getUTCFullYear()).padStart(4, '0')}`
  const time = `${two(there.getUTCHours())}:${two(there.getUTCMinutes())}:${two(there.getUTCSeconds())}`
  const zone = Math.abs(zoneMinutes)
  return `${DAYS[there.getUTCDay()]}, ${date} ${time} ${zoneMinutes < 0 ? '-' : '+'}${two(Math.floor(zone / 60))}${two(zone % 60)}`
}
