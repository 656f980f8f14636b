/**
 * Whether a letter is for clients that asked for UTF8 (RFC 6856 section 2): one of its addresses is not ASCII, so it came by SMTPUTF8
 * (RFC 6531) and cannot be answered otherwise. Bytes above 127 elsewhere in a header are a habit of old programs: clients have always
 * got such letters as they are, and a letter that is refused is never fetched.
 */
import { isAscii } from 'node:buffer'
import type { MessageBytes } from '#lib/imap/store.ts'
import { findHeaderEnd, Headers } from '#lib/mime/mod.ts'
import { HEADER_LOOK_BYTES_MAX } from '../limits.ts'

const ADDRESS_FIELDS = [
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'resent-from',
  'resent-to',
  'resent-cc',
] as const

/** @param message Only the beginning of its header is read: there stand the addresses. */
export async function needsUtf8(message: MessageBytes): Promise<boolean> {
  const most = Math.min(message.sizeBytes, HEADER_LOOK_BYTES_MAX)
  let kept: Buffer = Buffer.alloc(0)
  let end: number | null = null
  while (end === null && kept.length < most) {
    const read = await message.read(kept.length, most - kept.length)
    if (read.byteLength === 0) break // whoever sends the letter says so
    kept = Buffer.concat([kept, read])
    end = findHeaderEnd(kept, kept.length === message.sizeBytes)
  }
  const block = kept.subarray(0, end ?? kept.length)
  if (isAscii(block)) return false
  const headers = new Headers(block)
  return ADDRESS_FIELDS.some((name) => headers.all(name).some(hasInternationalAddress))
}

function hasInternationalAddress(value: string): boolean {
  // Words of a display name have no @, those of an address have one.
  return value.split(/[\s<>(),;:"]+/).some((word) => word.includes('@') && !/^[\x20-\x7e]*$/.test(word))
}
