/**
 * Names of mailboxes of other users (RFC 2342): `#user/anna@example.test/Projects`. No mailbox of one's own begins with `#`, so no name
 * can mean two (RFC 9051 section 5.1.2).
 */
export const OTHERS_ROOT = '#user'
const SEPARATOR = '/'
export const OTHERS_PREFIX = OTHERS_ROOT + SEPARATOR

export function isForeign(name: string): boolean {
  return name.startsWith(OTHERS_PREFIX)
}

export function foreignName(owner: string, name: string): string {
  return OTHERS_PREFIX + owner + SEPARATOR + name
}

/** Null: no name of another user's mailbox. */
export function splitForeign(name: string): { readonly owner: string; readonly name: string } | null {
  if (!isForeign(name)) return null
  const end = name.indexOf(SEPARATOR, OTHERS_PREFIX.length)
  if (end < 0 || end === name.length - 1) return null
  return { owner: name.slice(OTHERS_PREFIX.length, end).toLowerCase(), name: name.slice(end + 1) }
}

/** Whether an account can be named so at all. */
export function mayShare(address: string): boolean {
  return !address.includes(SEPARATOR) && !/[%*]/.test(address)
}
