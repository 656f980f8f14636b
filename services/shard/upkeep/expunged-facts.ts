/**
 * Facts of messages that were expunged at or below the horizon and longer ago than the retention: how they came and what flags they had.
 * Pure; what the index knows is asked through a function.
 *
 * That they are gone stays: the record that expunged them keeps UIDNEXT and HIGHESTMODSEQ where they were, and clients that come back
 * hear of it (RFC 7162). So a fold of what is left gives the same mailbox, with nothing known of such a message but its end. What else a
 * mailbox keeps of them pins the record: keywords that it remembers, delivery ids that may come again, and a recovery jump that counted
 * from where the message had brought it.
 */
import type { Lsn } from '#lib/mail/types.ts'
import type { MessageName } from '../index/port.ts'
import { type NewMessage, RecordType, type ShardRecord } from '../records/types.ts'

export interface ExpungedFactsOptions {
  /** Effects above are not believed (rule 10). */
  readonly horizon: number
  readonly expungedLsn: (message: MessageName) => Lsn | null
  /** Delivery ids of letters stored before are remembered no longer. */
  readonly deliveriesFromMs: number
  /** Where recovery jumps are, or may be. */
  readonly jumps: readonly { readonly first: number; readonly last: number }[]
}

export class ExpungedFacts {
  readonly #options: ExpungedFactsOptions

  constructor(options: ExpungedFactsOptions) {
    this.#options = options
  }

  /** Whether nobody needs the fact that stands at `lsn`. */
  mayGo(lsn: number, fact: ShardRecord): boolean {
    switch (fact.type) {
      case RecordType.messagesAdd: {
        const { mailbox, messages, deliveryId } = fact
        if (deliveryId !== null && messages.some(({ saveDateMs }) => saveDateMs >= this.#options.deliveriesFromMs))
          return false
        return messages.every((message) => this.#isOver(lsn, mailbox, message))
      }
      case RecordType.messagesFlags: {
        const { mailbox, changes } = fact
        return changes.every(
          ({ uids, flags }) => flags.keywords.length === 0 && uids.every((uid) => this.#ended(lsn, { mailbox, uid })),
        )
      }
      default:
        return false
    }
  }

  #isOver(lsn: number, mailbox: MessageName['mailbox'], { uid, flags }: NewMessage): boolean {
    return flags.keywords.length === 0 && this.#ended(lsn, { mailbox, uid })
  }

  #ended(lsn: number, message: MessageName): boolean {
    const { horizon, expungedLsn, jumps } = this.#options
    const end = expungedLsn(message)
    return end !== null && end <= horizon && !jumps.some(({ first, last }) => lsn < last && first <= end)
  }
}
