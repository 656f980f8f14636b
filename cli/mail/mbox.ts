/**
 * mbox files, in the form called mboxrd: each letter begins with a line `From `, and lines of a letter that begin so, with any
 * number of `>` before, get one more. Read as a stream; memory is one letter.
 */
import { statusFields, toCrlf, toLf, withoutStatusFields } from './letter-text.ts'
import type { Letter } from './mailbox-client.ts'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const
const FROM_LINE = /^From .*\d:\d\d.*\b\d{4}\b/
const FROM_BYTES_MAX = 1000
/** Larger letters are not taken by any server. */
const LETTER_BYTES_MAX = 256 * 1024 * 1024

export interface MboxLetter extends Letter {
  /** Where its `From ` line begins in the file. */
  readonly offset: number
}

/** asctime(3) in UTC. */
function asctime(date: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const day = String(date.getUTCDate()).padStart(2, ' ')
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${time} ${date.getUTCFullYear()}`
}

/** A letter as it is appended to an mbox file. */
export function mboxEntry({ bytes, flags, date }: Letter): Buffer {
  const text = toLf(bytes).toString('latin1')
  const quoted = text.replace(/^(>*From )/gm, '>$1')
  const end = quoted.endsWith('\n') ? '\n' : '\n\n'
  return Buffer.from(`From MAILER-DAEMON ${asctime(date)}\n${statusFields(flags)}${quoted}${end}`, 'latin1')
}

/** @throws for a file that does not begin with `From ` */
export async function* parseMbox(chunks: AsyncIterable<Buffer>): AsyncGenerator<MboxLetter> {
  let lines: Buffer[] = []
  let bytes = 0
  let offset = 0
  let at = 0
  let blank = true
  for await (const line of linesOf(chunks)) {
    // After a blank line and with a date: else `From ` is somebody's text that a program forgot to quote.
    if (blank && FROM_LINE.test(line.subarray(0, FROM_BYTES_MAX).toString('latin1'))) {
      if (lines.length > 0) yield letterOf(lines, offset)
      lines = []
      bytes = 0
      offset = at
    } else if (lines.length === 0) {
      if (line.toString('latin1').trim() === '') {
        at += line.length
        continue
      }
      throw new Error('this is no mbox file: it does not begin with "From "')
    }
    lines.push(line)
    bytes += line.length
    if (bytes > LETTER_BYTES_MAX) throw new Error(`the letter at byte ${offset} is too long`)
    at += line.length
    blank = line.length === 1 || (line.length === 2 && line[0] === 0x0d)
  }
  if (lines.length > 0) yield letterOf(lines, offset)
}

/** With their line ends. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const line = chunk.subarray(start, end + 1)
      yield pending.length === 0 ? line : Buffer.concat([...pending, line])
      pending = []
      start = end + 1
    }
    if (start < chunk.length) pending.push(Buffer.from(chunk.subarray(start)))
  }
  if (pending.length > 0) yield Buffer.concat(pending)
}

function letterOf(lines: readonly Buffer[], offset: number): MboxLetter {
  const [from = Buffer.alloc(0), ...rest] = lines
  // The blank line before the next `From ` belongs to the file.
  const last = rest.at(-1)?.toString('latin1')
  if (last === '\n' || last === '\r\n') rest.pop()
  const text = Buffer.concat(rest)
    .toString('latin1')
    .replaceAll('\r\n', '\n')
    .replace(/^>(>*From )/gm, '$1')
  const { bytes, flags } = withoutStatusFields(Buffer.from(text, 'latin1'))
  return { offset, bytes: toCrlf(bytes), flags, date: dateOf(from.toString('latin1')) }
}

function dateOf(from: string): Date {
  const found = /(\w{3}) +(\w{3}) +(\d{1,2}) +([\d:]+) +(?:\w+ +)?(\d{4})(?: ([+-]\d{4}))?\s*$/.exec(from)
  const date = found
    ? new Date(`${found[3]} ${found[2]} ${found[5]} ${found[4]} ${found[6] ?? 'UTC'}`)
    : new Date(Number.NaN)
  return Number.isNaN(date.getTime()) ? new Date(0) : date
}
