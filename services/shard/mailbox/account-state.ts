/**
 * One account in memory, as far as it is in use: committed rows of the index, and an overlay of counters that runs ahead by
 * what is appended and not yet applied. The overlay is never shown, and is gone with the object when the log fails.
 */
import { known } from '#lib/errors/assert.ts'
import type { MailboxInfo, SpecialUse } from '#lib/imap/store.ts'
import { type AccountId, type MailboxId, type ModSeq, toModSeq } from '#lib/mail/types.ts'
import type { AccountRow, MailboxRow, ShardIndex } from '../index/port.ts'
import { AccountLock } from './account-lock.ts'
import { MailboxState } from './mailbox-state.ts'
import { INBOX } from './names.ts'

export class AccountState {
  readonly lock = new AccountLock()
  row: AccountRow
  /** Bytes of letters that are appended and not yet applied. */
  bytesPending = 0
  /** The account was deleted from this shard, or has moved to another one. */
  gone = false
  readonly #mailboxes = new Map<MailboxId, MailboxState>()
  #byName = new Map<string, MailboxState>()
  #subscriptions: ReadonlySet<string> = new Set()
  #infos: readonly MailboxInfo[] | null = null
  #usedBytes = 0
  #modSeqTaken = 0
  #uidValidityTaken = 0

  constructor(row: AccountRow, index: ShardIndex) {
    this.row = row
    this.reload(row, index)
  }

  get id(): AccountId {
    return this.row.id
  }

  /** Bytes of all messages, committed and pending. */
  get usedBytes(): number {
    return this.#usedBytes + this.bytesPending
  }

  /** Bytes of all committed messages. */
  get committedBytes(): number {
    return this.#usedBytes
  }

  get mailboxCount(): number {
    return this.#mailboxes.size
  }

  /** Operations are under way, or a mailbox is open: overlay and maps live here and nowhere else. */
  get inUse(): boolean {
    if (!this.lock.idle) return true
    for (const mailbox of this.#mailboxes.values()) if (mailbox.listeners.size > 0) return true
    return false
  }

  get suspended(): boolean {
    return this.row.status === 'suspended'
  }

  fits(sizeBytes: number): boolean {
    return this.row.quotaBytes === null || this.usedBytes + sizeBytes <= this.row.quotaBytes
  }

  takeModSeq(): ModSeq {
    this.#modSeqTaken++
    return toModSeq(this.#modSeqTaken)
  }

  /** Never one that any mailbox of the account had: a name that comes back means another mailbox (RFC 9051 section 2.3.1.1). */
  takeUidValidity(nowMs: number): number {
    this.#uidValidityTaken = Math.max(Math.floor(nowMs / 1000), this.#uidValidityTaken + 1)
    return this.#uidValidityTaken
  }

  mailbox(id: MailboxId): MailboxState | undefined {
    return this.#mailboxes.get(id)
  }

  /** @param name Canonical. */
  find(name: string): MailboxState | undefined {
    return this.#byName.get(name)
  }

  inbox(): MailboxState {
    return known(this.#byName.get(INBOX), 'every account has an INBOX')
  }

  all(): Iterable<MailboxState> {
    return this.#mailboxes.values()
  }

  withSpecialUse(use: SpecialUse): MailboxState | undefined {
    for (const mailbox of this.#mailboxes.values()) if (mailbox.row.specialUse === use) return mailbox
    return undefined
  }

  subscriptions(): ReadonlySet<string> {
    return this.#subscriptions
  }

  info(mailbox: MailboxState): MailboxInfo {
    const { id, name, uidValidity, specialUse } = mailbox.row
    return { id, name, uidValidity, specialUse, subscribed: this.#subscriptions.has(name) }
  }

  /** Sorted by name. */
  infos(): readonly MailboxInfo[] {
    this.#infos ??= [...this.#mailboxes.values()]
      .map((mailbox) => this.info(mailbox))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    return this.#infos
  }

  /** New committed row of one mailbox after a batch. */
  refresh(row: MailboxRow): MailboxState | undefined {
    const mailbox = this.#mailboxes.get(row.id)
    if (mailbox === undefined) return undefined
    this.#usedBytes += row.sizeBytes - mailbox.row.sizeBytes
    mailbox.refresh(row)
    this.#modSeqTaken = Math.max(this.#modSeqTaken, row.highestModSeq)
    return mailbox
  }

  /**
   * Takes over names, subscriptions and account facts from the index after a change of structure.
   * @returns Mailboxes that are gone.
   */
  reload(row: AccountRow, index: ShardIndex): MailboxState[] {
    this.row = row
    this.gone = row.status !== 'active' && row.status !== 'suspended'
    this.#infos = null
    this.#subscriptions = new Set(index.subscriptions(row.key))
    this.#modSeqTaken = Math.max(this.#modSeqTaken, row.modSeq)
    this.#uidValidityTaken = Math.max(this.#uidValidityTaken, row.uidValidityMax)
    const rows = index.mailboxes(row.key)
    const left = new Map(this.#mailboxes)
    this.#byName = new Map()
    this.#usedBytes = 0
    for (const mailboxRow of rows) {
      let mailbox = left.get(mailboxRow.id)
      if (mailbox === undefined) {
        mailbox = new MailboxState(mailboxRow)
        this.#mailboxes.set(mailboxRow.id, mailbox)
      } else {
        left.delete(mailboxRow.id)
        mailbox.refresh(mailboxRow)
      }
      this.#byName.set(mailboxRow.name, mailbox)
      this.#usedBytes += mailboxRow.sizeBytes
      this.#modSeqTaken = Math.max(this.#modSeqTaken, mailboxRow.highestModSeq)
    }
    for (const mailbox of left.values()) {
      mailbox.gone = true
      this.#mailboxes.delete(mailbox.id)
    }
    return [...left.values()]
  }
}
