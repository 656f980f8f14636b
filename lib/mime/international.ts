/**
 * Whether a letter is one of SMTPUTF8 (RFC 6531): one of its addresses is not ASCII, so who does not speak UTF-8 cannot answer it. Bytes
 * above 127 elsewhere in a header are a habit of old programs, and no reason to treat a letter in another way.
 */
import type { Headers } from './headers.ts'

export const ADDRESS_FIELDS: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'resent-from',
  'resent-sender',
  'resent-to',
  'resent-cc',
  'resent-bcc',
])

export function hasInternationalAddress(headers: Headers): boolean {
  if (headers.ascii) return false
  return headers.fields.some((field) => ADDRESS_FIELDS.has(field.key) && isInternational(headers.value(field)))
}

function isInternational(value: string): boolean {
  // Words of a display name have no @, those of an address have one.
  return value.split(/[\s<>(),;:"]+/).some((word) => word.includes('@') && !/^[\x20-\x7e]*$/.test(word))
}
