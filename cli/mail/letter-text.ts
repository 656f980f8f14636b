/** Letters between their form in IMAP (CRLF) and that in files (LF), and the fields in which mbox files keep flags. Pure. */
import type { Letter } from './mailbox-client.ts'

const LF = 0x0a
const CR = 0x0d

/** A line end of any kind becomes CRLF; a CR alone stays, and is refused by the server. */
export function toCrlf(bytes: Buffer): Buffer {
  let missing = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) if (bytes[at - 1] !== CR) missing++
  if (missing === 0) return bytes
  const out = Buffer.alloc(bytes.length + missing)
  let to = 0
  let from = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    to += bytes.copy(out, to, from, at)
    if (bytes[at - 1] !== CR) out[to++] = CR
    out[to++] = LF
    from = at + 1
  }
  bytes.copy(out, to, from)
  return out
}

export function toLf(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf('\r\n'); at !== -1; at = bytes.indexOf('\r\n', at + 2)) {
    pieces.push(bytes.subarray(from, at))
    from = at + 1
  }
  return pieces.length === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(from)])
}

/** Letters of `Status` and `X-Status`, as mail programs have written them for decades. */
const STATUS_FLAGS = [
  ['R', '\\Seen'],
  ['A', '\\Answered'],
  ['F', '\\Flagged'],
  ['T', '\\Draft'],
  ['D', '\\Deleted'],
] as const
const STATUS_FIELD = /^(?:status|x-status|x-keywords):/i

/** The fields that tell a letter's flags in an mbox file, each with its line end. */
export function statusFields(flags: readonly string[]): string {
  const letter = (flag: string) => STATUS_FLAGS.find(([, name]) => name.toLowerCase() === flag.toLowerCase())?.[0]
  const status = flags.some((flag) => letter(flag) === 'R') ? 'RO' : 'O'
  const more = flags.map(letter).filter((one) => one !== undefined && one !== 'R')
  const keywords = flags.filter((flag) => !flag.startsWith('\\'))
  return [
    `Status: ${status}\n`,
    ...(more.length > 0 ? [`X-Status: ${more.join('')}\n`] : []),
    ...(keywords.length > 0 ? [`X-Keywords: ${keywords.join(' ')}\n`] : []),
  ].join('')
}

/** Takes those fields out of a letter with LF line ends. */
export function withoutStatusFields(bytes: Buffer): Pick<Letter, 'bytes' | 'flags'> {
  const end = bytes.indexOf('\n\n')
  const header = bytes.subarray(0, end === -1 ? bytes.length : end + 1).toString('latin1')
  const flags = new Set<string>()
  const kept: string[] = []
  for (const field of header.match(/[^\n]*\n(?:[ \t][^\n]*\n)*/g) ?? [header]) {
    if (!STATUS_FIELD.test(field)) {
      kept.push(field)
      continue
    }
    const value = field.slice(field.indexOf(':') + 1).trim()
    if (/^x-keywords/i.test(field)) for (const word of value.split(/[\s,]+/).filter(isKeyword)) flags.add(word)
    else for (const [char, name] of STATUS_FLAGS) if (value.includes(char)) flags.add(name)
  }
  return {
    bytes: Buffer.concat([Buffer.from(kept.join(''), 'latin1'), bytes.subarray(header.length)]),
    flags: [...flags],
  }
}

/** Whether a word can be a keyword of IMAP: an atom. */
export function isKeyword(word: string): boolean {
  return /^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+$/.test(word)
}

/** What of flags from elsewhere can be stored: no `\Recent`, no flag that only its server knows. */
export function storableFlags(flags: Iterable<string>): string[] {
  return [...flags].filter((flag) =>
    flag.startsWith('\\') ? /^\\(?:Answered|Flagged|Deleted|Seen|Draft)$/i.test(flag) : isKeyword(flag),
  )
}
