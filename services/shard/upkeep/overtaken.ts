/**
 * Facts that a later one makes superfluous: state after a change, of which only the last counts. Pure; fed with the facts of one segment
 * in order, so that what is dropped and why it may be lie in one file.
 *
 * Invariant: a fold of what is left gives the same rows as a fold of all, at each point behind the segment. So a record of flags goes only
 * when each of its messages got other flags later that keep its keywords (a mailbox remembers every keyword it ever saw), and not
 * across a recovery jump, which counts from the MODSEQs before it.
 */
import type { MailboxId, Uid } from '#lib/mail/types.ts'
import { type MessagesFlags, RecordType, type ShardRecord } from '../records/types.ts'

/** A change of more messages at once is not tracked for being overtaken: memory. */
const UIDS_TRACKED_MAX = 10_000

interface FlagsRecord {
  readonly lsn: number
  /** Messages whose flags it still decides. */
  deciding: number
  /** It shows a keyword that nothing later shows. */
  pinned: boolean
}

interface Decider {
  readonly by: FlagsRecord
  readonly keywords: readonly string[]
}

export class OvertakenFacts {
  /** By mailbox and UID: which record decides the flags. */
  readonly #flags = new Map<MailboxId, Map<Uid, Decider>>()
  readonly #recent = new Map<MailboxId, { lsn: number; upTo: number }>()
  readonly #onOvertaken: (lsn: number) => void

  constructor(onOvertaken: (lsn: number) => void) {
    this.#onOvertaken = onOvertaken
  }

  fact(lsn: number, record: ShardRecord): void {
    switch (record.type) {
      case RecordType.messagesFlags:
        this.#setFlags(lsn, record)
        return
      case RecordType.mailboxRecent: {
        const { mailbox, upTo } = record
        const before = this.#recent.get(mailbox)
        if (before !== undefined && upTo < before.upTo) return
        if (before !== undefined) this.#onOvertaken(before.lsn)
        this.#recent.set(mailbox, { lsn, upTo })
        return
      }
      case RecordType.recoveryJump:
        this.#flags.clear()
        this.#recent.clear()
        return
      default:
        return
    }
  }

  #setFlags(lsn: number, { mailbox, changes }: MessagesFlags): void {
    let deciders = this.#flags.get(mailbox)
    if (deciders === undefined) {
      deciders = new Map()
      this.#flags.set(mailbox, deciders)
    }
    const count = changes.reduce((sum, { uids }) => sum + uids.length, 0)
    const by = { lsn, deciding: count, pinned: count > UIDS_TRACKED_MAX }
    for (const { uids, flags } of changes) {
      for (const uid of uids) {
        this.#overtake(deciders.get(uid), flags.keywords)
        if (by.pinned) deciders.delete(uid)
        else deciders.set(uid, { by, keywords: flags.keywords })
      }
    }
  }

  #overtake(decider: Decider | undefined, keywords: readonly string[]): void {
    if (decider === undefined) return
    const { by } = decider
    if (decider.keywords.some((keyword) => !keywords.includes(keyword))) by.pinned = true
    by.deciding--
    if (by.deciding === 0 && !by.pinned) this.#onOvertaken(by.lsn)
  }
}
