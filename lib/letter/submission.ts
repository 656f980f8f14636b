/**
 * What a submission server may and must do to a letter before it is stored (RFC 6409 section 8): add Date and Message-ID
 * where the user's program left them out. The rest of the letter stays as it is, so the edit is a few bytes put before it.
 */
import { formatDate } from '#lib/mime/date.ts'
import { beginsWithField, hasField } from './header-section.ts'

export type SubmissionEdit =
  /** Bytes to put before the letter, perhaps none. */
  | { readonly kind: 'prefix'; readonly bytes: Buffer }
  /** RFC 5322 section 3.6 demands From, and only the author can say it. */
  | { readonly kind: 'from-missing' }

/** @param header From `headerSection`. @param messageId Unique left part of a Message-ID, used if the letter has none. */
export function submissionEdit(header: string, nowMs: number, messageId: string, hostname: string): SubmissionEdit {
  if (!beginsWithField(header) || !hasField(header, 'from')) return { kind: 'from-missing' }
  let prefix = ''
  if (!hasField(header, 'date')) prefix += `Date: ${formatDate(nowMs)}\r\n` // RFC 6409 section 8.2
  if (!hasField(header, 'message-id')) prefix += `Message-ID: <${messageId}@${hostname}>\r\n` // RFC 6409 section 8.3
  return { kind: 'prefix', bytes: Buffer.from(prefix, 'latin1') }
}
