/** Special-use attributes (RFC 6154 section 2) between wire and store. */
import type { SpecialUse } from '../store.ts'

const ATTRIBUTES: Readonly<Record<SpecialUse, string>> = {
  archive: '\\Archive',
  drafts: '\\Drafts',
  junk: '\\Junk',
  sent: '\\Sent',
  trash: '\\Trash',
}

export function specialUseAttribute(use: SpecialUse): string {
  return ATTRIBUTES[use]
}

/** Null for an attribute that is not offered. */
export function specialUseOf(attribute: string): SpecialUse | null {
  switch (attribute.toLowerCase()) {
    case '\\archive':
      return 'archive'
    case '\\drafts':
      return 'drafts'
    case '\\junk':
      return 'junk'
    case '\\sent':
      return 'sent'
    case '\\trash':
      return 'trash'
    default:
      return null
  }
}
