/** One account as an IMAP session sees it. Holds no state of its own: an account that nobody uses may leave memory in between. */
import type {
  AppendRequest,
  ImapAccount,
  MailboxChange,
  MailboxInfo,
  MailboxStatus,
  OpenMailbox,
  SpecialUse,
} from '#lib/imap/store.ts'
import type { AccountId, MailboxId, Uid } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import { type MessagesAdd, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { BodyWriter } from './body-writer.ts'
import { EMAIL_ID_LENGTH } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { decideCreate, decideDelete, decideRename, decideSubscribe } from './mailbox-tree.ts'
import { checkKeywords } from './message-flags.ts'
import { canonicalName } from './names.ts'
import { OpenMailboxState, statusOf } from './open-mailbox.ts'
import type { StoreCore } from './store-core.ts'

const NO_HEADER_BLOCK = new Uint8Array(0)

export class ImapAccountState implements ImapAccount {
  readonly id: AccountId
  readonly #core: StoreCore

  constructor(core: StoreCore, id: AccountId) {
    this.id = id
    this.#core = core
  }

  get appendLimitBytes(): number {
    return this.#core.limits.bodyBytesMax
  }

  mailboxes(): readonly MailboxInfo[] {
    return this.#account().infos()
  }

  subscriptions(): readonly string[] {
    return [...this.#account().subscriptions()].sort()
  }

  find(name: string): MailboxInfo | null {
    const account = this.#account()
    const mailbox = account.find(canonicalName(name))
    return mailbox === undefined ? null : account.info(mailbox)
  }

  status(mailbox: MailboxId): MailboxStatus {
    return statusOf(this.#mailbox(this.#account(), mailbox))
  }

  async open(mailbox: MailboxId, readOnly: boolean, listener: (change: MailboxChange) => void): Promise<OpenMailbox> {
    this.#core.check()
    const account = this.#account()
    return new OpenMailboxState(this.#core, account, this.#mailbox(account, mailbox), readOnly, listener)
  }

  create(name: string, specialUse: SpecialUse | null): Promise<MailboxInfo> {
    return this.#core.exclusive(this.id, (account) => decideCreate(this.#core, account, name, specialUse))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#core.exclusive(this.id, (account) => decideRename(this.#core, account, from, to))
  }

  delete(name: string): Promise<void> {
    return this.#core.exclusive(this.id, (account) => decideDelete(account, name))
  }

  subscribe(name: string, on: boolean): Promise<void> {
    return this.#core.exclusive(this.id, (account) => decideSubscribe(this.#core, account, name, on))
  }

  async append(request: AppendRequest): Promise<{ uidValidity: number; uid: Uid }> {
    // Refused before a large literal goes into the log.
    this.#appendTarget(this.#account(), request.mailbox)
    const body = new BodyWriter(this.#core)
    for (const piece of request.body) await body.write(piece)
    return this.#core.shared(this.id, async (account) => {
      const mailbox = this.#appendTarget(account, request.mailbox)
      if (!account.fits(body.sizeBytes)) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot append: the account would be over its quota')
      }
      const nowMs = this.#core.clock.nowMs()
      const flags = checkKeywords(mailbox.keywords(this.#core.index), request.flags, this.#core.limits)
      const uid = mailbox.takeUid()
      const modSeq = account.takeModSeq()
      const { records, reference } = body.attach()
      const record: MessagesAdd = {
        type: RecordType.messagesAdd,
        account: account.id,
        mailbox: mailbox.id,
        messages: [
          {
            uid,
            modSeq,
            flags,
            internalDateMs: request.internalDateMs ?? nowMs,
            saveDateMs: nowMs,
            emailId: randomId(this.#core.random, EMAIL_ID_LENGTH),
            headerBlock: NO_HEADER_BLOCK,
            body: reference,
          },
        ],
        deliveryId: null,
        traceId: '',
      }
      account.bytesPending += body.sizeBytes
      try {
        await this.#core.pipeline.commit([record], records)
      } finally {
        account.bytesPending -= body.sizeBytes
      }
      return { uidValidity: mailbox.row.uidValidity, uid }
    })
  }

  #appendTarget(account: AccountState, name: string): MailboxState {
    const mailbox = account.find(canonicalName(name))
    // RFC 9051 section 6.3.12: TRYCREATE, and never create it by ourselves.
    if (mailbox === undefined) {
      throw new StoreError('STORE_NO_TARGET', `Cannot find mailbox ${JSON.stringify(name.slice(0, 80))}`)
    }
    if (mailbox.messagesTaken >= this.#core.limits.messagesPerMailboxMax || mailbox.uidsLeft === 0) {
      throw new StoreError('STORE_LIMIT', `Cannot append to ${mailbox.row.name}: it is full`)
    }
    return mailbox
  }

  #account(): AccountState {
    return this.#core.account(this.id)
  }

  #mailbox(account: AccountState, id: MailboxId): MailboxState {
    const mailbox = account.mailbox(id)
    if (mailbox !== undefined) return mailbox
    throw new StoreError('STORE_NO_MAILBOX', `Cannot find mailbox ${id}`)
  }
}
