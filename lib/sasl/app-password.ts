/**
 * App passwords: secrets that we make, one per device or program, each with a name and the protocols it may be used for.
 * They hold 100 bits of chance, so one salted SHA-256 protects them as well as a slow hash would, and an account with many
 * of them costs a login nothing. Stored as one text: `<name> <scope>[,<scope>] $sha256$<salt>$<hash>`.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Scope } from '#lib/directory/port.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { SECRET_BYTES_MAX } from './limits.ts'

export const SCOPES: readonly Scope[] = ['imap', 'pop3', 'smtp', 'sieve']

export interface AppPassword {
  /** `[A-Za-z0-9][A-Za-z0-9._-]{0,31}`, unique in the account. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** `$sha256$<salt>$<hash>`, base64 without padding. */
  readonly hash: string
}

export const APP_PASSWORD_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/
const SECRET_CHARS = 20
const GROUP_CHARS = 4
const SALT_BYTES = 12
const HASH = /^\$sha256\$([A-Za-z0-9+/]{16})\$([A-Za-z0-9+/]{43})$/

/** A new secret to show once, as `abcd-efgh-...`, and what is stored of it. */
export function newAppPassword(
  name: string,
  scopes: readonly Scope[],
  random: Random,
): { secret: string; stored: AppPassword } {
  const chars = randomId(random, SECRET_CHARS)
  const salt = Buffer.from(random.bytes(SALT_BYTES)).toString('base64')
  const secret = Array.from({ length: SECRET_CHARS / GROUP_CHARS }, (_, i) =>
    chars.slice(i * GROUP_CHARS, (i + 1) * GROUP_CHARS),
  ).join('-')
  return {
    secret,
    stored: { name, scopes, hash: `$sha256$${salt}$${digest(salt, chars).toString('base64').replace('=', '')}` },
  }
}

/** Whether `text`, typed with or without hyphens, blanks and capitals, is this app password. Constant time. */
export function matchesAppPassword(stored: AppPassword, text: string): boolean {
  const match = HASH.exec(stored.hash)
  if (!match || text.length > SECRET_BYTES_MAX) return false
  const chars = text.toLowerCase().replace(/[\s-]/g, '')
  return timingSafeEqual(digest(match[1] ?? '', chars), Buffer.from(match[2] ?? '', 'base64'))
}

export function isAppPasswordHash(text: string): boolean {
  return HASH.test(text)
}

export function formatAppPassword(password: AppPassword): string {
  return `${password.name} ${password.scopes.join(',')} ${password.hash}`
}

/** @returns null for text that is no stored app password. */
export function parseAppPassword(text: string): AppPassword | null {
  const [name, scopeList, hash, ...more] = text.split(' ')
  if (!name || !APP_PASSWORD_NAME.test(name) || !scopeList || !hash || !HASH.test(hash) || more.length > 0) return null
  const words = scopeList.split(',')
  const scopes = SCOPES.filter((scope) => words.includes(scope))
  return scopes.length === words.length ? { name, scopes, hash } : null
}

function digest(salt: string, chars: string): Buffer {
  return createHash('sha256').update(salt).update('$').update(chars).digest()
}
