/**
 * NOTIFY (RFC 5465): what a client hears of mailboxes that it has not open, and how much of the one that it has. Nothing is queued: after
 * each commit the account is compared with what the client was told, so that however much happens while a client is slow costs one
 * answer for each mailbox, and there is never an overflow.
 */
import type { MailboxId } from '#lib/mail/types.ts'
import { isForeign } from '../../sharing/names.ts'
import { ALL_RIGHTS } from '../../sharing/rights.ts'
import type { AccountChange, ImapAccount, MailboxInfo, MailboxStatus } from '../../store.ts'
import { SEPARATOR } from '../../syntax/mailbox-name.ts'
import type { NotifyEvent, NotifyWish, SelectedWish } from '../../syntax/notify.ts'
import type { Dialect } from '../dialect.ts'
import { isNamed } from '../mailbox-filter.ts'
import type { Output } from '../output.ts'

/** Of the session. */
interface Surroundings {
  readonly account: ImapAccount
  readonly out: Output
  readonly dialect: Dialect
  /** The mailbox that is open: of it other words are said. */
  readonly selected: { readonly store: { readonly info: MailboxInfo } } | null
}

interface Annotations {
  readonly mailbox: MailboxId | null
  readonly names: Set<string>
}

const NO_EVENTS: ReadonlySet<NotifyEvent> = new Set()

export class Notifier {
  readonly #session: Surroundings
  readonly #wish: NotifyWish | null
  readonly #stopWatching: () => void
  readonly #names = new Map<MailboxId, MailboxInfo>()
  readonly #statuses = new Map<MailboxId, MailboxStatus>()
  /** By mailbox; an empty key is the account as a whole. */
  readonly #annotations = new Map<MailboxId | '', Annotations>()
  #changed = false

  /** @param wish Null: the client wants to hear nothing. @param wake Called when there is something to tell */
  constructor(session: Surroundings, wish: NotifyWish | null, wake: () => void) {
    this.#session = session
    this.#wish = wish
    for (const info of session.account.mailboxes()) {
      this.#names.set(info.id, info)
      if (this.#hearsMessages(info)) this.#statuses.set(info.id, session.account.status(info.id))
    }
    const watches = wish !== null && wish.groups.length > 0
    this.#stopWatching = watches ? session.account.watch((change) => this.#note(change, wake)) : () => undefined
  }

  /** What of the selected mailbox is told; null: nothing. */
  get selected(): SelectedWish | null {
    const selected = this.#wish?.selected ?? null
    return selected === null || selected.events.size === 0 ? null : selected
  }

  stop(): void {
    this.#stopWatching()
  }

  /** STATUS of every mailbox of which the client hears (RFC 5465 section 3.1). */
  async tellAll(): Promise<void> {
    const { account, out } = this.#session
    for (const info of account.mailboxes()) {
      if (this.#isSelected(info) || !this.#hearsMessages(info)) continue
      const events = this.#events(info)
      out.untagged(this.#statusResponse(info, account.status(info.id), events))
      if (out.congested) await out.ready()
    }
  }

  /** Tells what happened since the last time. */
  async tell(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    const { account } = this.#session
    const infos = account.mailboxes()
    await this.#tellNames(infos)
    for (const info of infos) await this.#tellStatus(info)
    await this.#tellAnnotations(infos)
  }

  #note(change: AccountChange, wake: () => void): void {
    this.#changed = true
    if (change.kind === 'metadata') {
      const key = change.mailbox ?? ''
      const noted = this.#annotations.get(key) ?? { mailbox: change.mailbox, names: new Set() }
      this.#annotations.set(key, noted)
      for (const name of change.names) if (/^\/(?:private|shared)\//.test(name)) noted.names.add(name)
    }
    wake()
  }

  /** RFC 5465 sections 5.4 and 5.5. */
  async #tellNames(infos: readonly MailboxInfo[]): Promise<void> {
    const { out } = this.#session
    const left = new Map(this.#names)
    for (const info of infos) {
      const before = left.get(info.id)
      left.delete(info.id)
      this.#names.set(info.id, info)
      const renamed = before !== undefined && before.name !== info.name
      if (before === undefined || renamed) {
        const heard = this.#hears(info, 'MailboxName') || (renamed && this.#hears(before, 'MailboxName'))
        if (heard) out.untagged(this.#listResponse(info, '', renamed ? before.name : null))
      }
      if (before !== undefined && before.subscribed !== info.subscribed) {
        const heard = this.#hears(info, 'SubscriptionChange') || this.#hears(before, 'SubscriptionChange')
        if (heard) out.untagged(this.#listResponse(info, info.subscribed ? '\\Subscribed' : '', null))
      }
      if (out.congested) await out.ready()
    }
    for (const [id, info] of left) {
      this.#names.delete(id)
      this.#statuses.delete(id)
      if (this.#hears(info, 'MailboxName')) out.untagged(this.#listResponse(info, '\\NonExistent', null))
    }
  }

  /** RFC 5465 sections 5.1 to 5.3: of a mailbox that is not open what changed shows in its STATUS. */
  async #tellStatus(info: MailboxInfo): Promise<void> {
    const { account, out } = this.#session
    if (!this.#hearsMessages(info)) return
    const status = account.status(info.id)
    const before = this.#statuses.get(info.id)
    this.#statuses.set(info.id, status)
    // Of the one that is open the client hears elsewhere; told here is what comes after it was closed.
    if (this.#isSelected(info)) return
    const events = this.#events(info)
    const moved = before === undefined || before.messages !== status.messages || before.uidNext !== status.uidNext
    const changed = events.has('FlagChange') && before?.highestModSeq !== status.highestModSeq
    if (moved || changed) out.untagged(this.#statusResponse(info, status, events))
    if (out.congested) await out.ready()
  }

  /** RFC 5465 sections 5.6 and 5.7, as RFC 5464 section 4.4.2 writes it: without values. */
  async #tellAnnotations(infos: readonly MailboxInfo[]): Promise<void> {
    const { out, dialect } = this.#session
    for (const { mailbox, names } of this.#annotations.values()) {
      const info = mailbox === null ? null : infos.find(({ id }) => id === mailbox)
      // Private ones of another user's mailbox are not for this client.
      const shown = [...names].filter((name) => name.startsWith('/shared/') || !isForeign(info?.name ?? ''))
      if (info === undefined || shown.length === 0) continue
      const heard = info === null ? this.#hearsServer() : this.#hears(info, 'MailboxMetadataChange')
      if (heard) out.untagged(`METADATA ${info === null ? '""' : dialect.name(info.name)} ${shown.join(' ')}`)
    }
    this.#annotations.clear()
    if (out.congested) await out.ready()
  }

  #isSelected({ id }: MailboxInfo): boolean {
    return this.#session.selected?.store.info.id === id
  }

  /** Of the first group that means the mailbox. */
  #events(info: MailboxInfo): ReadonlySet<NotifyEvent> {
    return this.#wish?.groups.find(({ source }) => isNamed(info, source))?.events ?? NO_EVENTS
  }

  #hears(info: MailboxInfo, event: NotifyEvent): boolean {
    return this.#events(info).has(event)
  }

  #hearsMessages(info: MailboxInfo): boolean {
    return (info.rights ?? ALL_RIGHTS).includes('r') && this.#hears(info, 'MessageNew')
  }

  /** The server as a whole is in no filter: any group may ask. */
  #hearsServer(): boolean {
    return this.#wish?.groups.some(({ events }) => events.has('ServerMetadataChange')) ?? false
  }

  #statusResponse(info: MailboxInfo, status: MailboxStatus, events: ReadonlySet<NotifyEvent>): string {
    const { dialect } = this.#session
    const items = [`MESSAGES ${status.messages}`, `UIDNEXT ${status.uidNext}`, `UIDVALIDITY ${status.uidValidity}`]
    if (events.has('FlagChange') || dialect.condstore) items.push(`HIGHESTMODSEQ ${status.highestModSeq}`)
    return `STATUS ${dialect.name(info.name)} (${items.join(' ')})`
  }

  #listResponse(info: MailboxInfo, attributes: string, oldName: string | null): string {
    const { dialect } = this.#session
    const old = oldName === null ? '' : ` ("OLDNAME" (${dialect.name(oldName)}))`
    return `LIST (${attributes}) "${SEPARATOR}" ${dialect.name(info.name)}${old}`
  }
}
