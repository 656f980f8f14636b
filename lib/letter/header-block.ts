/**
 * The header block of a delivery record: what we add to a letter, served before its stored bytes (rules.md, Bytes and
 * headers). One block per recipient; what all recipients of a transaction share is made once.
 * Nothing that a client said reaches a field unchecked: a HELO name or path that could end a comment or a line is replaced.
 */
import { formatDate } from '#lib/mime/date.ts'
import { HELO_CHARACTERS_MAX, LINE_CHARACTERS_WANTED } from './limits.ts'

/** RFC 3848 and RFC 5321 section 4.4: with-protocol names that this server uses. */
export type TransmissionType = `${'' | 'E'}SMTP${'' | 'S' | 'A' | 'SA'}` | `LMTP${'' | 'S'}`

export interface TransportFacts {
  readonly protocol: TransmissionType
  /** As the client named itself in HELO, EHLO or LHLO. */
  readonly helo: string
  /** Null: not told, because the client is one of our users (RFC 6409 section 8 leaves privacy to the server). */
  readonly clientAddress: string | null
  /** Protocol and cipher, as `TLSv1.3 TLS_AES_256_GCM_SHA384`; null without TLS. */
  readonly tls: string | null
  readonly serverName: string
  readonly traceId: string
  readonly nowMs: number
}

/** Paths that contain nothing but what an atext, a dot, a colon or a bracket may be: others are left out of comments and clauses. */
const SAFE_PATH = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:[\]"-]{1,320}$/
const SAFE_DOMAIN = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[A-Za-z0-9.:]+\])$/

/** RFC 5321 section 4.4: the reverse path of the transaction, `<>` for the null path. */
export function returnPathField(reversePath: string): string {
  return `Return-Path: <${SAFE_PATH.test(reversePath) ? reversePath : ''}>\r\n`
}

export function deliveredToField(address: string): string {
  return `Delivered-To: ${SAFE_PATH.test(address) ? address : 'unknown'}\r\n`
}

/** RFC 5321 section 4.1.3: an address in brackets, IPv6 with its tag. */
export function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}

/**
 * RFC 5321 section 4.4, trace information, with RFC 3848 protocol names.
 * @param forPath The recipient; null where there are several, because one must not learn of another.
 */
export function receivedField(facts: TransportFacts, forPath: string | null): string {
  const lines = [
    `Received: ${fromClause(facts)}`,
    `by ${facts.serverName}${facts.tls === null ? '' : ` (${facts.tls})`}`,
    `with ${facts.protocol} id ${facts.traceId}`,
  ]
  if (forPath !== null && SAFE_PATH.test(forPath)) lines.push(`for <${forPath}>`)
  return `${fold(lines)};\r\n\t${formatDate(facts.nowMs)}\r\n`
}

/** The block of each of `recipients`, in order: Return-Path, Delivered-To, Received. */
export function headerBlocks(facts: TransportFacts, reversePath: string, recipients: readonly string[]): Buffer[] {
  const returnPath = returnPathField(reversePath)
  const only = recipients.length === 1 ? (recipients[0] ?? null) : null
  const received = receivedField(facts, only)
  return recipients.map((address) => Buffer.from(returnPath + deliveredToField(address) + received, 'latin1'))
}

function fromClause(facts: TransportFacts): string {
  if (facts.clientAddress === null) return 'from submission (client address withheld)'
  const literal = addressLiteral(facts.clientAddress)
  const named = facts.helo.length <= HELO_CHARACTERS_MAX && SAFE_DOMAIN.test(facts.helo)
  return `from ${named ? facts.helo : 'unknown'} (${literal})`
}

/** Joins words with spaces, or with a line break and a tab where the line would grow too long (RFC 5322 section 2.2.3). */
function fold(words: readonly string[]): string {
  let text = ''
  let column = 0
  for (const word of words) {
    const breaks = column > 0 && column + 1 + word.length > LINE_CHARACTERS_WANTED
    text += column === 0 ? word : breaks ? `\r\n\t${word}` : ` ${word}`
    column = breaks ? word.length + 1 : column + 1 + word.length
  }
  return text
}
