/**
 * The first words of a letter, as a list of letters shows them (RFC 8970): 200 characters of its text, white space joined, without
 * markup, and without the quoted lines of a reply as long as there is something else.
 */
import { type LeafPart, PartTextDecoder, textParts } from '#lib/mime/mod.ts'
import { PREVIEW_CHARS_MAX, PREVIEW_READ_BYTES } from '../limits.ts'
import type { MessageReader } from './message-reader.ts'

/** '' for a letter without text (RFC 8970 section 3.1). */
export async function preview(message: MessageReader): Promise<string> {
  const part = readablePart(textParts(await message.structure()))
  if (part === null) return ''
  const decoder = new PartTextDecoder(part)
  const end = Math.min(part.bodyEnd, part.headerEnd + PREVIEW_READ_BYTES)
  let text = ''
  for await (const chunk of message.chunks({ start: part.headerEnd, end })) text += decoder.push(chunk)
  text += decoder.finish()
  return firstWords(part.subtype === 'html' ? withoutMarkup(text) : text)
}

/** What a person would read first: plain text before HTML, what is shown before what is attached. */
function readablePart(parts: readonly LeafPart[]): LeafPart | null {
  const shown = parts.filter((part) => part.disposition?.type !== 'attachment')
  return shown.find((part) => part.subtype === 'plain') ?? shown.find((part) => part.subtype === 'html') ?? null
}

/** @param text Plain text. */
export function firstWords(text: string): string {
  const own = text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('>'))
    .join('\n')
  const words = joined(own)
  return [...(words === '' ? joined(text) : words)].slice(0, PREVIEW_CHARS_MAX).join('').trim()
}

function joined(text: string): string {
  // Format characters (soft hyphens, zero-width spaces) fill the previews of some newsletters.
  return text
    .replace(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\p{Cf}+/gu, '')
    .replace(/ {2,}/g, ' ')
    .trim()
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  hellip: '\u2026',
  ldquo: '\u201c',
  lsquo: '\u2018',
  lt: '<',
  mdash: '\u2014',
  nbsp: ' ',
  ndash: '\u2013',
  quot: '"',
  rdquo: '\u201d',
  rsquo: '\u2019',
}

/** HTML as text: good enough for a preview, and of linear cost whatever it is given. */
export function withoutMarkup(html: string): string {
  return withoutElements(html)
    .replace(/<[^>]*(?:>|$)/g, ' ')
    .replace(/&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,8}));/g, (all, decimal, hex, name) => {
      if (name !== undefined) return ENTITIES[name] ?? all
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
      return code > 0x10ffff || (code & 0x1ff800) === 0xd800 ? ' ' : String.fromCodePoint(code)
    })
}

const HIDDEN = /<!--|<(head|style|script|title)\b/gi

/** Without comments and elements that are not shown. One that is never closed hides the rest, as it does in a browser. */
function withoutElements(html: string): string {
  // Letters of other scripts keep their case, so that all places stay.
  const lower = html.replace(/[A-Z]+/g, (run) => run.toLowerCase())
  let text = ''
  let at = 0
  HIDDEN.lastIndex = 0
  for (let found = HIDDEN.exec(html); found !== null; found = HIDDEN.exec(html)) {
    text += `${html.slice(at, found.index)} `
    const [, element] = found
    const close = element === undefined ? '-->' : `</${element.toLowerCase()}`
    const end = lower.indexOf(close, found.index)
    if (end < 0) return text
    // The closing tag goes with all other tags.
    at = element === undefined ? end + close.length : end
    HIDDEN.lastIndex = at
  }
  return text + html.slice(at)
}
