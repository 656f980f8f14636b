/**
 * Reverse-path and forward-path (RFC 5321 section 4.1.2, with RFC 6531 section 3.3's characters). More liberal than the
 * grammar in three places where other servers are wrong and mail would be lost: spaces before `<` are skipped, dots may stand
 * anywhere in a local part, and `_` in a domain. Source routes are read and ignored (section 4.1.1.3 and appendix C).
 * Every expression here is linear in its input.
 */
import { DOMAIN_BYTES_MAX, LABEL_BYTES_MAX, PATH_BYTES_MAX } from '../limits.ts'
import { isAddressLiteral } from './address-literal.ts'

export interface ParsedPath {
  /** `local@domain` as the client said it, quotes taken away where they are not needed; empty for the null path. */
  readonly address: string
  /** Offset in the text behind `>`. */
  readonly end: number
}

/** The path that nearly every client sends. */
const PLAIN = /<([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)@([A-Za-z0-9.-]+)>/y
const ATEXT_OR_DOT = /[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\uffff-]+/y
const QUOTED = /"(?:[ !#-[\]-~\u0080-\uffff]|\\[ -~])*"/y
const DOMAIN = /[A-Za-z0-9_.\u0080-\uffff-]+/y
const LITERAL = /\[([!-Z^-~]+)\]/y
const SOURCE_ROUTE = /@[A-Za-z0-9_.,@[\]:\u0080-\uffff-]*:(?=[^@:]*@)/y
const POSTMASTER = /<(postmaster)>/iy
const DOT_STRING = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\uffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\uffff-]+)*$/

/** Matches a sticky expression at `at`. */
function match(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at
  return expression.exec(text)
}

/** @param at Where the path begins, spaces before it allowed. @returns null if it is none. */
export function parsePath(text: string, at: number): ParsedPath | null {
  let begin = at
  while (text.charCodeAt(begin) === 0x20) begin++
  const plain = match(PLAIN, text, begin)
  const path = plain ? plainPath(plain, begin) : oddPath(text, begin)
  return path !== null && Buffer.byteLength(path.address) <= PATH_BYTES_MAX ? path : null
}

/** RFC 5321 section 4.1.1.3: RCPT may name `<Postmaster>` without a domain. */
export function parseForwardPath(text: string, at: number): ParsedPath | null {
  const path = parsePath(text, at)
  if (path !== null) return path.address === '' ? null : path
  let begin = at
  while (text.charCodeAt(begin) === 0x20) begin++
  const found = match(POSTMASTER, text, begin)
  return found ? { address: found[1] ?? '', end: POSTMASTER.lastIndex } : null
}

function plainPath(found: RegExpExecArray, begin: number): ParsedPath | null {
  const [all, local = '', domain = ''] = found
  return isDomain(domain) ? { address: `${local}@${domain}`, end: begin + all.length } : null
}

function oddPath(text: string, begin: number): ParsedPath | null {
  if (text[begin] !== '<') return null
  let at = begin + 1
  if (text[at] === '>') return { address: '', end: at + 1 }
  if (match(SOURCE_ROUTE, text, at)) at = SOURCE_ROUTE.lastIndex
  const atoms = match(ATEXT_OR_DOT, text, at)
  const local = atoms ? atoms[0] : unquoted(match(QUOTED, text, at)?.[0])
  if (local === null) return null
  at = atoms ? ATEXT_OR_DOT.lastIndex : QUOTED.lastIndex
  if (text[at++] !== '@') return null
  const literal = match(LITERAL, text, at)
  const domain = literal ? literal[0] : match(DOMAIN, text, at)?.[0]
  if (domain === undefined || !(literal ? isAddressLiteral(literal[1] ?? '') : isDomain(domain))) return null
  at += domain.length
  return text[at] === '>' ? { address: `${local}@${domain}`, end: at + 1 } : null
}

/** RFC 5321 section 4.1.2: quoted and unquoted forms of the same text are one local part; the shorter is the one to use. */
function unquoted(quoted: string | undefined): string | null {
  if (quoted === undefined || quoted === '""') return null
  const content = quoted.slice(1, -1).replace(/\\(.)/g, '$1')
  return DOT_STRING.test(content) ? content : `"${content.replace(/["\\]/g, '\\$&')}"`
}

/** Labels of letters, digits, hyphens (none at their ends), underscores; U-labels are the directory's to judge. */
function isDomain(domain: string): boolean {
  if (domain.length > DOMAIN_BYTES_MAX) return false
  let begin = 0
  for (;;) {
    const dot = domain.indexOf('.', begin)
    const end = dot === -1 ? domain.length : dot
    if (end === begin || end - begin > LABEL_BYTES_MAX) return false
    if (domain[begin] === '-' || domain[end - 1] === '-') return false
    if (dot === -1) return true
    begin = dot + 1
  }
}
