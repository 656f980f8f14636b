/** What a command of a session works with. */
import { assert } from '#lib/errors/assert.ts'
import type { MailboxId } from '#lib/mail/types.ts'
import type { ImapAccount, MailboxInfo } from '../store.ts'
import type { NotifyWish, SelectedWish } from '../syntax/notify.ts'
import { capabilitiesOff } from './capabilities.ts'
import { Dialect } from './dialect.ts'
import { fetchMessages, fetchPlan } from './fetch-messages.ts'
import type { SessionHost } from './host.ts'
import { Notifier } from './notify/notifier.ts'
import type { Output } from './output.ts'
import { QuotaWarner } from './quota.ts'
import { SelectedMailbox } from './selected-mailbox.ts'

export interface SessionOptions {
  /** RFC 2971 fields of the server, as key, value, key, value. */
  readonly serverId?: readonly string[]
}

/** `pipelined`: bytes of the client are there already that may or may not be compressed. */
export type CompressionStart = 'begun' | 'active' | 'full' | 'pipelined'

/** The loop behind the commands: lines outside commands, and waiting. */
export interface Conversation {
  /** A line of the client that is no command; null when it is not there yet. */
  nextLine(
    bytesMax: number,
  ): { kind: 'line'; text: string } | { kind: 'refused'; text: string } | { kind: 'too-long' } | null
  /** Resolves when the client sent something, a mailbox changed or the session must end. */
  wait(): Promise<void>
  /** True when the client is gone or BYE is due: long work stops. */
  readonly ending: boolean
  wake(): void
  /** COMPRESS (RFC 4978): begins when the command in progress has been answered. */
  beginCompression(): CompressionStart
  bye(reason: string): void
}

export class SessionContext {
  readonly account: ImapAccount
  readonly host: SessionHost
  readonly out: Output
  readonly options: SessionOptions
  readonly conversation: Conversation
  readonly dialect: Dialect
  readonly #quotaWarner = new QuotaWarner()
  /** Of the command in progress, for answers that name it (RFC 4731 section 3.1). */
  tag = ''
  #selected: SelectedMailbox | null = null
  #notifier: Notifier | null = null
  #loggedOut = false
  /** A mailbox that this session itself is deleting. */
  #closing: MailboxId | null = null

  constructor(
    account: ImapAccount,
    host: SessionHost,
    out: Output,
    options: SessionOptions,
    conversation: Conversation,
  ) {
    this.account = account
    this.dialect = new Dialect(capabilitiesOff(account))
    this.host = host
    this.out = out
    this.options = options
    this.conversation = conversation
  }

  get selected(): SelectedMailbox | null {
    return this.#selected
  }

  /** The open mailbox of a command whose state is `selected`. */
  get mailbox(): SelectedMailbox {
    assert(this.#selected !== null, 'a mailbox is selected')
    return this.#selected
  }

  get loggedOut(): boolean {
    return this.#loggedOut
  }

  logOut(): void {
    this.#loggedOut = true
  }

  async select(info: MailboxInfo, readOnly: boolean): Promise<SelectedMailbox> {
    assert(this.#selected === null, 'the mailbox before was closed')
    const opened = await SelectedMailbox.open(this.account, info, readOnly, this, (change) => {
      if (change.kind === 'changed') this.conversation.wake()
      else if (this.#closing !== info.id) this.conversation.bye(change.reason)
    })
    this.#selected = opened
    return opened
  }

  /**
   * The command in progress shows that the client knows of MODSEQ. The first of these in the selected state is told where
   * the mailbox is (RFC 7162 section 3.1): what it learns from now on comes on top of that.
   */
  useCondstore(): void {
    if (this.dialect.enable('CONDSTORE') && this.#selected !== null) this.#selected.tellHighestModSeq(this.out)
  }

  /** What the client hears of from now on (RFC 5465), in place of what it heard before. @param wish Null: nothing */
  notify(wish: NotifyWish | null): Notifier {
    this.#notifier?.stop()
    this.#notifier = new Notifier(this, wish, () => this.conversation.wake())
    return this.#notifier
  }

  /** The end of the session: nobody listens any more. */
  endNotify(): void {
    this.#notifier?.stop()
  }

  /**
   * Tells what happened, as far as the client wants to hear it.
   * @param expunges EXPUNGE may come now: by the command that was carried out, or because none is and the client works by UID.
   * @param asked That command asks for news, or expunged by itself: the client hears of its mailbox in any case.
   */
  async tellNews(expunges: boolean, asked: boolean): Promise<void> {
    const notifier = this.#notifier
    const mailbox = this.#selected
    if (mailbox !== null) {
      const wish = notifier === null ? null : notifier.selected
      if (wish !== null) await this.#tellOfSelected(mailbox, wish, expunges)
      else if (notifier === null || asked) await mailbox.sync(this.out, expunges)
    }
    await notifier?.tell()
  }

  /** News that no command brought, while the session waits for one. Only a client that said NOTIFY expects any. */
  async tellUnasked(): Promise<void> {
    if (this.#notifier !== null) await this.tellNews(this.#notifier.selected?.atOnce ?? false, false)
  }

  async #tellOfSelected(mailbox: SelectedMailbox, wish: SelectedWish, expunges: boolean): Promise<void> {
    const { uidNext } = mailbox.view
    await mailbox.sync(this.out, expunges, wish.events.has('FlagChange'))
    const fresh = mailbox.indexRanges([{ from: uidNext, to: mailbox.view.uidNext - 1 }])
    if (wish.items !== null && fresh.length > 0) await fetchMessages(this, fresh, fetchPlan(wish.items))
  }

  /** Tells the client when its mail comes near the quota. */
  warnOfQuota(): void {
    this.#quotaWarner.check(this.account.quota(), this.out)
  }

  unselect(): void {
    this.#selected?.close()
    this.#selected = null
  }

  /**
   * Runs `action`, which ends `mailbox`. If it is the one that is open here, the session goes on without it: RFC 9051
   * section 7.1 (CLOSED). Other sessions that have it open get BYE.
   */
  async whileClosing(mailbox: MailboxId, action: () => Promise<void>): Promise<void> {
    this.#closing = mailbox
    try {
      await action()
      if (this.#selected?.store.info.id !== mailbox) return
      this.unselect()
      this.out.untagged('OK [CLOSED] Selected mailbox is deleted')
    } finally {
      this.#closing = null
    }
  }

  /** Key of a message in the structure cache. */
  structureKey(emailId: string): string {
    return `${this.account.id}/${emailId}`
  }
}
