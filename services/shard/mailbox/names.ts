/** Rules of mailbox names: UTF-8 with `/` between levels (RFC 9051 section 5.1). */
import { StoreError } from '../errors.ts'
import type { MailboxLimits } from './limits.ts'

export const INBOX = 'INBOX'
export const SEPARATOR = '/'

/**
 * The one spelling under which a mailbox is kept: NFC, INBOX as first level in capitals (RFC 9051 section 5.1: it is
 * compared without case), no separator at the end (RFC 9051 section 6.3.4: it only announces children).
 */
export function canonicalName(name: string): string {
  const composed = name.normalize('NFC')
  const trimmed = composed.length > 1 && composed.endsWith(SEPARATOR) ? composed.slice(0, -1) : composed
  const slash = trimmed.indexOf(SEPARATOR)
  const first = slash < 0 ? trimmed : trimmed.slice(0, slash)
  return first.toUpperCase() === INBOX ? INBOX + trimmed.slice(first.length) : trimmed
}

/** Checks a canonical name that is about to be created. @throws {StoreError} STORE_NAME */
export function checkName(name: string, limits: MailboxLimits): void {
  const levels = name.split(SEPARATOR)
  if (levels.length > limits.nameDepthMax) throw refused(name, `more than ${limits.nameDepthMax} levels`)
  if (!name.isWellFormed()) throw refused(name, 'not Unicode')
  if (/\p{Cc}/u.test(name)) throw refused(name, 'control characters')
  // LIST could not name such a mailbox without meaning others too (RFC 9051 section 6.3.9).
  if (/[%*]/.test(name)) throw refused(name, 'a wildcard')
  // RFC 9051 section 5.1.2: `#` begins other namespaces.
  if (name.startsWith('#')) throw refused(name, 'a # at the beginning')
  for (const level of levels) {
    if (level === '') throw refused(name, 'an empty level')
    if (Buffer.byteLength(level) > limits.nameLevelBytesMax) {
      throw refused(name, `a level of more than ${limits.nameLevelBytesMax} bytes`)
    }
  }
}

/** Names of all levels above, outermost first: `a/b/c` has `a`, `a/b`. */
export function parentNames(name: string): string[] {
  const parents: string[] = []
  for (let at = name.indexOf(SEPARATOR); at >= 0; at = name.indexOf(SEPARATOR, at + 1)) parents.push(name.slice(0, at))
  return parents
}

export function isBelow(name: string, ancestor: string): boolean {
  return name.startsWith(ancestor + SEPARATOR)
}

function refused(name: string, has: string): StoreError {
  return new StoreError(
    'STORE_NAME',
    `Cannot use ${JSON.stringify(name.slice(0, 80))} as a mailbox name: it has ${has}`,
  )
}
