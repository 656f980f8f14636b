/**
 * Which texts of a letter a search looks into, and in which pieces: one definition for the scan of a letter and for a text index, so that
 * both see the same.
 */
import { decodeWords, type Headers, type MimePart } from '#lib/mime/mod.ts'

/** A text of its own: nothing matches across two of them. */
export type TextSource =
  /** The header of an enclosed message: `part` is its root. */
  | { readonly kind: 'header'; readonly part: MimePart }
  /** A part of type text. */
  | { readonly kind: 'text'; readonly part: MimePart }

/** What BODY looks into, in order (RFC 9051 section 6.4.4: the body, that is all but the header of the letter itself). */
export function* textSources(root: MimePart): Generator<TextSource> {
  const waiting: MimePart[] = [root]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part.kind === 'multipart') waiting.push(...part.parts.toReversed())
    else if (part.kind === 'message') {
      yield { kind: 'header', part: part.message.root }
      waiting.push(part.message.root)
    } else if (part.type === 'text') yield { kind: 'text', part }
  }
}

/** A header as a person reads it, one field a line. */
export function headerText(headers: Headers): string {
  return headers.fields.map((field) => `${field.name}: ${decodeWords(headers.value(field))}`).join('\n')
}
