/** Whether a letter is for clients that asked for UTF8 (RFC 6856 section 2): others have always got what they can read, and get it still. */
import type { MessageBytes } from '#lib/imap/store.ts'
import { findHeaderEnd, Headers, hasInternationalAddress } from '#lib/mime/mod.ts'
import { HEADER_LOOK_BYTES_MAX } from '../limits.ts'

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
  return hasInternationalAddress(new Headers(kept.subarray(0, end ?? kept.length)))
}
