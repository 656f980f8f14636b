/** Finds what an IMAP section names (RFC 9051 section 6.4.5.1) in a parsed message. */
import type { ByteRange, MimeMessage, MimePart, SectionText } from './types.ts'

/**
 * The part that a section's numbers name; null if there is none, or if `path` is empty (that is the message, not a part).
 * Part 1 of a message that is not multipart is its body, with the message's header as its MIME header.
 */
export function partAt(message: MimeMessage, path: readonly number[]): MimePart | null {
  let inside: MimeMessage | null = message
  let part: MimePart | null = null
  for (const number of path) {
    if (inside !== null && inside.root.kind !== 'multipart') {
      // RFC 9051 section 6.4.5.1: every message has at least one part number
      if (number !== 1) return null
      part = inside.root
    } else {
      const parent: MimePart | null = inside !== null ? inside.root : part
      if (parent?.kind !== 'multipart') return null
      part = parent.parts[number - 1] ?? null
      if (part === null) return null
    }
    inside = part.kind === 'message' ? part.message : null
  }
  return part
}

/**
 * The bytes that `BODY[path.what]` serves, as offsets into the stored message; null if the message has no such section.
 * HEADER and TEXT exist for the message itself (empty `path`) and for message/rfc822 and message/global parts, MIME for parts only.
 */
export function section(message: MimeMessage, path: readonly number[], what: SectionText): ByteRange | null {
  if (path.length === 0) {
    if (what === null) return { start: message.root.headerStart, end: message.root.bodyEnd }
    return what === 'MIME' ? null : messageRange(message.root, what)
  }
  const part = partAt(message, path)
  if (part === null) return null
  switch (what) {
    case null:
      return bodyRange(part)
    case 'MIME':
      return headerRange(part)
    case 'HEADER':
    case 'TEXT':
      return part.kind === 'message' ? messageRange(part.message.root, what) : null
    default:
      return what satisfies never
  }
}

function messageRange(root: MimePart, what: 'HEADER' | 'TEXT'): ByteRange {
  return what === 'HEADER' ? headerRange(root) : bodyRange(root)
}

function headerRange(part: MimePart): ByteRange {
  return { start: part.headerStart, end: part.headerEnd }
}

function bodyRange(part: MimePart): ByteRange {
  return { start: part.headerEnd, end: part.bodyEnd }
}
