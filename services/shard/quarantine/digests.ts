/**
 * Once a day everybody hears what was kept back from them the day before. The letter's delivery id is made of day and account, so it is
 * stored once however often this begins again: after a restart, on another primary.
 */
import { createHash } from 'node:crypto'
import type { QuarantinedLetter } from '#lib/frames/quarantine.ts'
import type { DeliveryRecipient } from '#lib/frames/shard-protocol.ts'
import { deliveredToField, returnPathField } from '#lib/letter/mod.ts'
import { type AccountId, toAccountId } from '#lib/mail/types.ts'
import { digestLetter } from './digest.ts'

export const DAY_MS = 24 * 60 * 60_000
/** Letters that one digest lists; the rest is counted. */
const LISTED_MAX = 50

export interface DigestPorts {
  readonly hostname: string
  /** Whether a delivery id is known. */
  readonly isStored: (deliveryId: Uint8Array) => boolean
  readonly deliver: (recipient: DeliveryRecipient, letter: Buffer) => Promise<unknown>
}

/** @param letters Of one day, in the order of their coming. @param day Days since 1970. */
export async function sendDigests(
  letters: readonly QuarantinedLetter[],
  day: number,
  nowMs: number,
  { hostname, isStored, deliver }: DigestPorts,
): Promise<void> {
  for (const [owner, theirs] of Map.groupBy(letters, ({ account }) => account)) {
    const account = toAccountId(owner)
    const id = digestId(account, day)
    const to = theirs[0]?.to ?? ''
    if (isStored(id) || to === '') continue
    const listed = theirs.slice(-LISTED_MAX).map((letter) => ({
      name: String(letter.letter),
      author: letter.author || letter.from,
      subject: letter.subject,
      receivedMs: letter.receivedMs,
      reason: letter.reasons[0] ?? '',
    }))
    const facts = { hostname, to, nowMs, id: id.toString('hex'), letters: listed, more: theirs.length - listed.length }
    const headerBlock = Buffer.from(returnPathField('') + deliveredToField(to), 'latin1')
    await deliver({ account, deliveryId: id, mailbox: 'INBOX', headerBlock }, digestLetter(facts))
  }
}

function digestId(account: AccountId, day: number): Buffer {
  return createHash('sha256').update(`quarantine digest ${day} ${account}`).digest().subarray(0, 16)
}
