/** Which records say that a user has sorted letters. Pure. */
import type { SpecialUse } from '#lib/imap/store.ts'
import { Flag, type Flags } from '#lib/mail/flags.ts'
import type { AccountId, MailboxId, Uid } from '#lib/mail/types.ts'
import { type MessagesAdd, type MessagesFlags, type MessagesMove, RecordType } from '../records/types.ts'

export interface Lesson {
  readonly kind: 'junk' | 'other'
  readonly account: AccountId
  /** Where the letters are now. */
  readonly mailbox: MailboxId
  readonly uids: readonly Uid[]
}

/** What is known of a mailbox: what it is for, null for any other. */
type UseOf = (mailbox: MailboxId) => SpecialUse | null

/** Where letters of others do not lie, or lie for another reason. */
const SAYS_NOTHING: ReadonlySet<SpecialUse | null> = new Set<SpecialUse | null>(['trash', 'sent', 'drafts'])
/** Who answers a letter or marks it does not take it for junk. */
const CARED_FOR = Flag.answered | Flag.flagged

/** What a record says, if it says anything of that kind; what users do again is said again. */
export function lessonsOf(record: MessagesMove | MessagesAdd | MessagesFlags, useOf: UseOf): Lesson[] {
  const { account } = record
  switch (record.type) {
    case RecordType.messagesAdd: {
      // A delivery was put there by the policy, not by the user; a copy or an upload has no delivery id.
      const { mailbox, messages, deliveryId } = record
      const sorted = deliveryId === null && useOf(mailbox) === 'junk'
      return sorted ? [{ kind: 'junk', account, mailbox, uids: messages.map(({ uid }) => uid) }] : []
    }
    case RecordType.messagesMove: {
      const kind = kindOfMove(useOf(record.source), useOf(record.target))
      const uids = record.messages.map(({ uid }) => uid)
      return kind === null ? [] : [{ kind, account, mailbox: record.target, uids }]
    }
    case RecordType.messagesFlags: {
      const { mailbox, changes } = record
      const use = useOf(mailbox)
      return changes.flatMap(({ uids, flags }): Lesson[] => {
        const kind = kindOfFlags(flags, use)
        return kind === null ? [] : [{ kind, account, mailbox, uids }]
      })
    }
    default:
      return record satisfies never
  }
}

/** Into Junk, out of it, or filed: into the trash goes junk too, as what it is. */
function kindOfMove(source: SpecialUse | null, target: SpecialUse | null): Lesson['kind'] | null {
  if (target === 'junk') return source === 'junk' ? null : 'junk'
  return SAYS_NOTHING.has(source) || SAYS_NOTHING.has(target) ? null : 'other'
}

/** `$Junk` and `$NotJunk` are registered for this (RFC 9051 section 2.3.2). */
function kindOfFlags({ system, keywords }: Flags, use: SpecialUse | null): Lesson['kind'] | null {
  const lower = keywords.map((keyword) => keyword.toLowerCase())
  const [junk, notJunk] = [lower.includes('$junk'), lower.includes('$notjunk')]
  if (junk !== notJunk) return junk ? 'junk' : 'other' // both: the letter says nothing
  if (use === 'junk' || SAYS_NOTHING.has(use)) return null
  return (system & CARED_FOR) === 0 ? null : 'other'
}
