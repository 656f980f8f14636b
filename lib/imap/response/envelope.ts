/** ENVELOPE (RFC 9051 section 7.5.2). */
import type { Address, Envelope } from '#lib/mime/mod.ts'
import { binaryString, nstring } from './strings.ts'

export function unicodeNstring(text: string | null): string {
  return text === null ? 'NIL' : nstring(binaryString(text))
}

export function formatEnvelope(envelope: Envelope): string {
  const fields = [
    unicodeNstring(envelope.date),
    unicodeNstring(envelope.subject),
    addressList(envelope.from),
    addressList(envelope.sender),
    addressList(envelope.replyTo),
    addressList(envelope.to),
    addressList(envelope.cc),
    addressList(envelope.bcc),
    unicodeNstring(envelope.inReplyTo),
    unicodeNstring(envelope.messageId),
  ]
  return `(${fields.join(' ')})`
}

function addressList(addresses: readonly Address[]): string {
  if (addresses.length === 0) return 'NIL'
  return `(${addresses.map(formatAddress).join('')})`
}

function formatAddress({ name, adl, mailbox, host }: Address): string {
  return `(${unicodeNstring(name)} ${unicodeNstring(adl)} ${unicodeNstring(mailbox)} ${unicodeNstring(host)})`
}
