/** BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2): the second has the extension data. */
import type { Disposition, MimePart, Parameter } from '#lib/mime/mod.ts'
import { formatEnvelope, unicodeNstring } from './envelope.ts'

/** @param extended True for BODYSTRUCTURE, false for BODY. */
export function formatBody(part: MimePart, extended: boolean): string {
  if (part.kind === 'multipart') {
    const parts = part.parts.map((child) => formatBody(child, extended)).join('')
    const more = extended ? ` ${parameters(part.params)} ${trailing(part)}` : ''
    return `(${parts} ${unicodeNstring(part.subtype)}${more})`
  }
  const fields = [
    unicodeNstring(part.type),
    unicodeNstring(part.subtype),
    parameters(part.params),
    unicodeNstring(part.id),
    unicodeNstring(part.description),
    unicodeNstring(part.encoding),
    String(part.bodyEnd - part.headerEnd),
  ]
  if (part.kind === 'message') {
    fields.push(formatEnvelope(part.message.envelope), formatBody(part.message.root, extended), String(part.lines))
  } else if (part.type === 'text') fields.push(String(part.lines))
  if (extended) fields.push(unicodeNstring(part.md5), trailing(part))
  return `(${fields.join(' ')})`
}

/** Disposition, language, location. */
function trailing(part: MimePart): string {
  return `${disposition(part.disposition)} ${language(part.language)} ${unicodeNstring(part.location)}`
}

function parameters(params: readonly Parameter[]): string {
  if (params.length === 0) return 'NIL'
  return `(${params.map((param) => `${unicodeNstring(param.wireName)} ${unicodeNstring(param.wireValue)}`).join(' ')})`
}

function disposition(value: Disposition | null): string {
  return value === null ? 'NIL' : `(${unicodeNstring(value.type)} ${parameters(value.params)})`
}

function language(tags: readonly string[]): string {
  if (tags.length <= 1) return unicodeNstring(tags[0] ?? null)
  return `(${tags.map(unicodeNstring).join(' ')})`
}
