/**
 * Mail addresses in the one form in which the directory holds and compares them: local part in lower case, domain as
 * A-labels in lower case. What comes from a client is brought to this form before anything is asked.
 */
import { domainToASCII } from 'node:url'
import { DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX } from './limits.ts'

export interface Address {
  readonly local: string
  readonly domain: string
}

/** Marks the end of the user in `user+detail@domain` (RFC 5233 calls the rest the detail). */
export const DETAIL_SEPARATOR = '+'

const LABELS = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const DOT_ATOM = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/

/** A-label form in lower case, without a final dot (RFC 5890 section 2.3.2.1). @returns null when it is no domain name. */
export function canonicalDomain(text: string): string | null {
  if (text.length > DOMAIN_BYTES_MAX || /[%\s/\\?#@:[\]]/.test(text)) return null
  const plain = text.endsWith('.') ? text.slice(0, -1) : text
  const ascii = domainToASCII(plain)
  // The URL rules would turn `1.2` into an IPv4 address: that is none of our names.
  if (/^[0-9.]+$/.test(ascii)) return null
  return LABELS.test(ascii) ? ascii : null
}

/** @returns null for quoted local parts and everything else that cannot be an address here. */
export function parseAddress(text: string): Address | null {
  const at = text.lastIndexOf('@')
  if (at <= 0) return null
  const local = text.slice(0, at).toLowerCase()
  const domain = canonicalDomain(text.slice(at + 1))
  if (domain === null || local.length > LOCAL_PART_BYTES_MAX || !DOT_ATOM.test(local)) return null
  return { local, domain }
}

export function addressText(address: Address): string {
  return `${address.local}@${address.domain}`
}

/** The canonical form of an address that an account may have: no subaddress. @returns null when it cannot be one. */
export function canonicalAddress(text: string): string | null {
  const address = parseAddress(text)
  return address === null || address.local.includes(DETAIL_SEPARATOR) ? null : addressText(address)
}

/** `anna+lists` is `anna` with the detail `lists`; without a user before the separator there is no detail. */
export function splitDetail(local: string): { user: string; detail: string | null } {
  const at = local.indexOf(DETAIL_SEPARATOR)
  return at <= 0 ? { user: local, detail: null } : { user: local.slice(0, at), detail: local.slice(at + 1) }
}
