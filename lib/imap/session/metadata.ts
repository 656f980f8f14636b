/** The METADATA response (RFC 5464 section 4.4.1). */
import { astring, quoteOrLiteral } from '../response/strings.ts'
import type { MetadataChange, MetadataEntry } from '../store.ts'

/** @param mailbox As the client reads it. @returns Without `* `; a null value is NIL */
export function metadataResponse(mailbox: string, entries: readonly MetadataChange[]): string {
  const items = entries.map(({ name, value }) => `${astring(name)} ${value === null ? 'NIL' : valueText(value)}`)
  return `METADATA ${mailbox} (${items.join(' ')})`
}

/** A string; bytes with NUL need a literal8. */
function valueText(value: Uint8Array): string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
  return text.includes('\0') ? `~{${text.length}}\r\n${text}` : quoteOrLiteral(text)
}

/** The value of each name, null where there is none. */
export function valuesOf(names: readonly string[], entries: readonly MetadataEntry[]): MetadataChange[] {
  return names.map((name) => ({ name, value: entries.find((entry) => entry.name === name)?.value ?? null }))
}
