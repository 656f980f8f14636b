/**
 * Fields that only this server may write, and that a letter from outside brings along all the same: they are taken out before the
 * letter is stored (RFC 8601 section 5 for Authentication-Results).
 */
import { splitLetter } from './split.ts'

/** What engines found and what the policy made of it (services/edge/filter). */
const OURS = /^x-twinpost-[a-z-]*[ \t]*:/i
const RESULTS = /^authentication-results[ \t]*:/i

/** @param authservId Our name in Authentication-Results. */
export function isForged(field: string, authservId: string): boolean {
  return OURS.test(field) || (RESULTS.test(field) && claims(field, authservId))
}

/** Most letters have none of them, and their header is looked through once, not cut up. */
const SUSPICIOUS = /^(?:x-twinpost-|authentication-results)/im

/**
 * @param header What `headerSection` gives of `pieces`.
 * @param pieces The letter's first bytes, or all of it.
 * @returns `pieces` themselves if nothing is forged.
 */
export function withoutForged(header: string, pieces: readonly Buffer[], authservId: string): readonly Buffer[] {
  if (!SUSPICIOUS.test(header)) return pieces
  const { fields, body } = splitLetter(header, pieces)
  const kept = fields.filter((field) => !isForged(field, authservId))
  if (kept.length === fields.length) return pieces
  return [Buffer.from(`${kept.join('')}\r\n`, 'latin1'), ...body]
}

/** The id may stand behind comments and in quotes, with a version behind it. */
function claims(field: string, authservId: string): boolean {
  const value = field.slice(field.indexOf(':') + 1)
  const head = value.replace(/\([^()]*\)/g, ' ').split(';', 1)[0] ?? ''
  const [id = ''] = head.trim().split(/\s+/)
  return id.replace(/^"(.*)"$/, '$1').toLowerCase() === authservId.toLowerCase()
}
