/** Pieces of which the facts of a log are made, and their bytes: a message, a mailbox, flags, ids, dates. */
import { type ByteReader, BytesError } from '#lib/bytes/reader.ts'
import type { ByteWriter } from '#lib/bytes/writer.ts'
import type { SpecialUse } from '#lib/imap/store.ts'
import type { Flags } from '#lib/mail/flags.ts'
import { NOTIFY_OCCASIONS } from '#lib/mail/notify.ts'
import {
  type AccountId,
  type Lsn,
  type MailboxId,
  type ModSeq,
  toAccountId,
  toLsn,
  toMailboxId,
  toModSeq,
  toUid,
} from '#lib/mail/types.ts'
import type { BodyReference, NewMailbox, NewMessage, QueuedRecipient } from './types.ts'

export const DELIVERY_ID_BYTES = 16
const SYSTEM_FLAGS_MASK = 31
/** Position is the number on disk; the list only grows at its end. */
const SPECIAL_USES: readonly SpecialUse[] = ['archive', 'drafts', 'junk', 'sent', 'trash']
/** A date beyond this would not survive `2n` in a varint. */
const DATE_MS_MAX = 2 ** 51

export function writeNewMailbox(to: ByteWriter, mailbox: NewMailbox): void {
  to.string(mailbox.id).string(mailbox.name).varint(mailbox.uidValidity)
  to.u8(mailbox.specialUse === null ? 0 : SPECIAL_USES.indexOf(mailbox.specialUse) + 1)
  to.bool(mailbox.subscribed)
}

export function readNewMailbox(from: ByteReader): NewMailbox {
  const id = mailbox(from)
  const name = from.string()
  const uidValidity = from.varint()
  if (uidValidity < 1 || uidValidity > 0xffff_ffff) throw malformed(`UIDVALIDITY ${uidValidity}`)
  const use = from.u8()
  const specialUse = use === 0 ? null : SPECIAL_USES[use - 1]
  if (specialUse === undefined) throw malformed(`special use ${use}`)
  return { id, name, uidValidity, specialUse, subscribed: bool(from) }
}

export function writeNewMessage(to: ByteWriter, message: NewMessage): void {
  to.varint(message.uid).varint(message.modSeq)
  writeFlags(to, message.flags)
  to.varint(zigzag(message.internalDateMs)).varint(zigzag(message.saveDateMs))
  to.string(message.emailId).bytes(message.headerBlock)
  to.list(message.body.lsns, (lsn) => to.varint(lsn)).varint(message.body.sizeBytes)
}

export function readNewMessage(from: ByteReader): NewMessage {
  return {
    uid: toUid(from.varint()),
    modSeq: modSeq(from),
    flags: readFlags(from),
    internalDateMs: date(from),
    saveDateMs: date(from),
    emailId: from.string(),
    headerBlock: from.bytes(),
    body: readBodyReference(from),
  }
}

export function readBodyReference(from: ByteReader): BodyReference {
  const lsns: Lsn[] = from.list(() => toLsn(from.varint()))
  if (lsns.length === 0) throw malformed('a body without a record')
  return { lsns, sizeBytes: from.varint() }
}

export function writeQueuedRecipient(to: ByteWriter, { address, destination, notify, orcpt }: QueuedRecipient): void {
  to.string(address).string(destination)
  to.optional(notify, (occasions) => to.list(occasions, (occasion) => to.u8(NOTIFY_OCCASIONS.indexOf(occasion))))
  to.optional(orcpt, (text) => to.string(text))
}

export function readQueuedRecipient(from: ByteReader): QueuedRecipient {
  return {
    address: from.string(),
    destination: from.string(),
    notify: optional(from, () => from.list(() => word(from, NOTIFY_OCCASIONS))),
    orcpt: optional(from, () => from.string()),
  }
}

/** One word of a closed list by its place: lists only grow at their end. */
export function word<T extends string>(from: ByteReader, words: readonly T[]): T {
  const place = from.u8()
  const found = words[place]
  if (found === undefined) throw malformed(`word ${place} of ${words.join('|')}`)
  return found
}

export function writeFlags(to: ByteWriter, flags: Flags): void {
  to.u8(flags.system).list(flags.keywords, (keyword) => to.string(keyword))
}

export function readFlags(from: ByteReader): Flags {
  const system = from.u8()
  if ((system & ~SYSTEM_FLAGS_MASK) !== 0) throw malformed(`system flags ${system}`)
  return { system, keywords: from.list(() => from.string()) }
}

export function account(from: ByteReader): AccountId {
  return toAccountId(from.string())
}

export function mailbox(from: ByteReader): MailboxId {
  return toMailboxId(from.string())
}

export function modSeq(from: ByteReader): ModSeq {
  return toModSeq(from.varint())
}

/** Dates before 1970 exist: an APPEND may carry any date. */
export function zigzag(ms: number): number {
  const whole = Math.max(-DATE_MS_MAX, Math.min(DATE_MS_MAX, Math.trunc(ms)))
  return whole >= 0 ? whole * 2 : -whole * 2 - 1
}

export function date(from: ByteReader): number {
  const coded = from.varint()
  if (coded > DATE_MS_MAX * 2) throw malformed(`a date of ${coded}`)
  return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2
}

export function bool(from: ByteReader): boolean {
  const byte = from.u8()
  if (byte > 1) throw malformed(`a flag byte of ${byte}`)
  return byte === 1
}

export function optional<T>(from: ByteReader, read: () => T): T | null {
  return bool(from) ? read() : null
}

export function malformed(what: string): BytesError {
  return new BytesError('BYTES_MALFORMED', `Cannot read ${what}`)
}
