/** Entries of an LDIF file as a stream (RFC 2849): folded lines, comments, base64. Never holds more than one entry. */

export interface LdifEntry {
  /** Of the file, from 1: where the entry begins. */
  readonly line: number
  readonly dn: string
  /** Values by attribute in lower case, without options. */
  readonly attributes: ReadonlyMap<string, readonly string[]>
}

export class LdifError extends Error {
  override readonly name = 'LdifError'
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

/** No entry of ours is longer; one with photos is. */
const ENTRY_CHARS_MAX = 4 * 1024 * 1024
const LINE = /^([A-Za-z0-9.;-]+):(:?) *(.*)$/s

/** @param lines Without their line ends. @throws {LdifError} for what is no LDIF, and for changes other than additions */
export async function* parseLdif(lines: AsyncIterable<string>): AsyncGenerator<LdifEntry> {
  let unfolded: { text: string; line: number }[] = []
  let chars = 0
  let number = 0
  for await (const raw of lines) {
    number++
    const line = number === 1 ? raw.replace(/^\ufeff/, '') : raw
    const last = unfolded.at(-1)
    chars += line.length
    if (chars > ENTRY_CHARS_MAX) throw new LdifError(number, 'the entry is too long')
    if (line.startsWith(' ') && last) last.text += line.slice(1)
    else if (line === '') {
      const entry = entryOf(unfolded)
      if (entry) yield entry
      unfolded = []
      chars = 0
    } else unfolded.push({ text: line, line: number })
  }
  const entry = entryOf(unfolded)
  if (entry) yield entry
}

/** @returns null for what holds comments and the version only. */
function entryOf(lines: readonly { readonly text: string; readonly line: number }[]): LdifEntry | null {
  const said = lines.filter(({ text }) => !text.startsWith('#') && !/^version:/i.test(text))
  const [first, ...rest] = said
  if (!first) return null
  const [type, dn] = pair(first)
  if (type !== 'dn') throw new LdifError(first.line, 'an entry begins with dn:')
  const attributes = new Map<string, string[]>()
  for (const line of rest) {
    const [name, value] = pair(line)
    if (name === 'changetype') {
      if (value.toLowerCase() === 'add') continue
      throw new LdifError(line.line, `cannot ${value}: only entries and additions are read`)
    }
    attributes.set(name, [...(attributes.get(name) ?? []), value])
  }
  return { line: first.line, dn, attributes }
}

function pair({ text, line }: { readonly text: string; readonly line: number }): [type: string, value: string] {
  const [, description = '', encoded, value = ''] = LINE.exec(text) ?? []
  if (description === '') throw new LdifError(line, 'no attribute and value')
  if (value.startsWith('<') && encoded === '') throw new LdifError(line, 'values from elsewhere (:<) are not read')
  const type = description.split(';')[0]?.toLowerCase() ?? ''
  return [type, encoded === ':' ? Buffer.from(value, 'base64').toString('utf8') : value]
}
