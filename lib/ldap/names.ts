/**
 * Distinguished names and filters as text (RFC 4514, RFC 4515): values from outside go in through these functions only, so
 * that a comma, an asterisk or a NUL in an address stays a character of a value.
 */

export interface Rdn {
  /** Attribute type in lower case. */
  readonly type: string
  readonly value: string
}

const hex = (byte: number) => `\\${byte.toString(16).padStart(2, '0')}`

/** RFC 4514 section 2.4. Reserved characters are written as hex pairs, which every parser reads alike. */
export function escapeDnValue(value: string): string {
  return value
    .replace(/[\0-\x1f"+,;<=>\\\x7f]/g, (char) => hex(char.charCodeAt(0)))
    .replace(/^[ #]| $/g, (char) => hex(char.charCodeAt(0)))
}

/** `mail=a@b,ou=people` from pairs, the entry's own RDN first, followed by `base`. */
export function dn(rdns: readonly (readonly [type: string, value: string])[], base: string): string {
  return [...rdns.map(([type, value]) => `${type}=${escapeDnValue(value)}`), base].join(',')
}

const TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/

/** Reads a DN without multi-valued RDNs and `#` values. @returns null when it is not one. */
export function parseDn(text: string): Rdn[] | null {
  if (text === '') return []
  const rdns: Rdn[] = []
  for (const part of splitUnescaped(text)) {
    const equals = part.indexOf('=')
    const type = part.slice(0, Math.max(equals, 0)).trim()
    const value = unescapeDnValue(part.slice(equals + 1))
    if (!TYPE.test(type) || value === null || value === '') return null
    rdns.push({ type: type.toLowerCase(), value })
  }
  return rdns
}

function splitUnescaped(text: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ',') {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

const RESERVED = /["+;<>]/

function unescapeDnValue(text: string): string | null {
  const bytes: Buffer[] = []
  const trimmed = text.replace(/^ +/, '').replace(/((?:^|[^\\])(?:\\\\)*) +$/, '$1')
  if (trimmed.startsWith('#')) return null
  for (let i = 0; i < trimmed.length; ) {
    const pair = /^\\([0-9A-Fa-f]{2}|[ "#+,;<=>\\])/.exec(trimmed.slice(i, i + 3))
    if (pair?.[1]) {
      bytes.push(Buffer.from(pair[1], pair[1].length === 2 ? 'hex' : 'utf8'))
      i += pair[0].length
      continue
    }
    const char = String.fromCodePoint(trimmed.codePointAt(i) ?? 0)
    if (char === '\\' || char === '\0' || RESERVED.test(char)) return null
    bytes.push(Buffer.from(char))
    i += char.length
  }
  const value = Buffer.concat(bytes)
  return value.toString('utf8').includes('\ufffd') ? null : value.toString('utf8')
}

/** RFC 4515 section 3. */
export function escapeFilterValue(value: string): string {
  return value.replace(/[\0()*\\]/g, (char) => hex(char.charCodeAt(0)))
}

export const equals = (attribute: string, value: string) => `(${attribute}=${escapeFilterValue(value)})`
export const endsWith = (attribute: string, tail: string) => `(${attribute}=*${escapeFilterValue(tail)})`
export const contains = (attribute: string, part: string) => `(${attribute}=*${escapeFilterValue(part)}*)`
export const and = (...filters: readonly string[]) => `(&${filters.join('')})`
export const or = (...filters: readonly string[]) => `(|${filters.join('')})`
export const not = (filter: string) => `(!${filter})`
