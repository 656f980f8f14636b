/**
 * A letter for the eyes of an administrator: header fields and words, nothing that a terminal would act on, nothing that is loaded. Pure.
 * Invariant: no character of the letter reaches the terminal as a control or as a mark that turns text around.
 */
import { htmlView } from '#lib/filter/html-view.ts'
import { decodeWords, Headers, parameter, parseMessage, partText, textParts } from '#lib/mime/mod.ts'
import type { MimePart } from '#lib/mime/types.ts'

const TEXT_CHARACTERS_MAX = 20_000
const ATTACHMENTS_MAX = 50

export interface SafeLetter {
  /** In order, decoded. */
  readonly fields: readonly { readonly name: string; readonly value: string }[]
  /** Of all texts; of HTML what is seen. */
  readonly text: string
  /** Where links of HTML lead, with what is shown for them. */
  readonly links: readonly { readonly href: string; readonly text: string }[]
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly bytes: number }[]
}

/** C0 and C1 controls but for line ends and tabs, and all marks of direction (Unicode Technical Report 36). */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** The text with what a terminal would act on written out. */
export function safeText(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

/** The same in one line. */
export function safeLine(text: string): string {
  return safeText(text.replace(/\s+/g, ' ').trim())
}

export function safeLetter(bytes: Buffer): SafeLetter {
  const message = parseMessage(bytes)
  const header = new Headers(bytes.subarray(message.root.headerStart, message.root.headerEnd))
  const fields = header.fields
    .filter(({ name }) => name !== '')
    .map((field) => ({ name: safeLine(field.name), value: safeLine(decodeWords(header.value(field))) }))
  const texts: string[] = []
  const links: { href: string; text: string }[] = []
  for (const part of textParts(message)) {
    const text = partText(part, bytes)
    if (part.subtype !== 'html') texts.push(text)
    else {
      const view = htmlView(text)
      texts.push(view.text)
      links.push(...view.links.map(({ href, text: shown }) => ({ href: safeLine(href), text: safeLine(shown) })))
    }
  }
  const text = safeText(texts.join('\n\n').slice(0, TEXT_CHARACTERS_MAX))
  return { fields, text, links, attachments: attachmentsOf(message.root) }
}

function attachmentsOf(root: MimePart): SafeLetter['attachments'] {
  const found: { name: string; type: string; bytes: number }[] = []
  const waiting: MimePart[] = [root]
  for (let part = waiting.pop(); part !== undefined && found.length < ATTACHMENTS_MAX; part = waiting.pop()) {
    if (part.kind === 'multipart') waiting.push(...part.parts.toReversed())
    else if (part.kind === 'message') waiting.push(part.message.root)
    else if (part.type !== 'text' || part.disposition?.type === 'attachment') {
      const name = parameter(part.disposition?.params ?? [], 'filename') ?? parameter(part.params, 'name') ?? ''
      const bytes = part.bodyEnd - part.headerEnd
      found.push({ name: safeLine(decodeWords(name)), type: safeLine(`${part.type}/${part.subtype}`), bytes })
    }
  }
  return found
}
