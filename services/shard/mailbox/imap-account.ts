/** One account as an IMAP session sees it. Holds no state of its own: an account that nobody uses may leave memory in between. */
import { known } from '#lib/errors/assert.ts'
import type {
  AccountChange,
  Appended,
  AppendRequest,
  Grant,
  MailboxChange,
  MailboxInfo,
  MailboxStatus,
  MetadataChange,
  MetadataEntry,
  NewLetter,
  OpenMailbox,
  OwnerAccount,
  Quota,
  SpecialUse,
} from '#lib/imap/store.ts'
import type { AccountId, MailboxId, Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { type MailboxMetadata, type MessagesAdd, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { addressChanges, grantEntry, grantsOf } from './grants.ts'
import type { MailboxState } from './mailbox-state.ts'
import { decideCreate, decideDelete, decideRename, decideSubscribe } from './mailbox-tree.ts'
import { canonicalName } from './names.ts'
import { letterTarget, NewLetters } from './new-letters.ts'
import { OpenMailboxState, statusOf } from './open-mailbox.ts'
import type { StoreCore } from './store-core.ts'

export class ImapAccountState implements OwnerAccount {
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
    // Whoever opens it, it closes with the sessions of its owner: they may end because the account goes elsewhere.
    const detach = this.#core.sessions.attach(this.id, (reason) => listener({ kind: 'closed', reason }))
    try {
      return new OpenMailboxState(this.#core, account, this.#mailbox(account, mailbox), readOnly, listener, detach)
    } catch (error) {
      detach()
      throw error
    }
  }

  watch(listener: (change: AccountChange) => void): () => void {
    return this.#core.watchers.watch(this.id, listener)
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
    const { uidValidity, uids } = await this.appendAll(request.mailbox, [request])
    return { uidValidity, uid: known(uids[0], 'one letter was appended') }
  }

  async appendAll(name: string, letters: readonly NewLetter[]): Promise<Appended> {
    // Refused before a large literal goes into the log.
    letterTarget(this.#core, this.#account(), name, letters.length)
    const written = await NewLetters.write(this.#core, letters)
    return this.#core.shared(this.id, async (account) => {
      const mailbox = letterTarget(this.#core, account, name, written.count)
      const { sizeBytes } = written
      if (!account.fits(sizeBytes)) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot append: the account would be over its quota')
      }
      const { messages, bodies, uids } = written.place(account, mailbox)
      const record: MessagesAdd = {
        type: RecordType.messagesAdd,
        account: account.id,
        mailbox: mailbox.id,
        messages,
        deliveryId: null,
        traceId: '',
      }
      account.bytesPending += sizeBytes
      try {
        await this.#core.pipeline.commit([record], bodies)
      } finally {
        account.bytesPending -= sizeBytes
      }
      return { uidValidity: mailbox.row.uidValidity, uids }
    })
  }

  quota(): Quota {
    const account = this.#account()
    return { usedBytes: account.committedBytes, limitBytes: account.row.quotaBytes }
  }

  get metadataValueBytesMax(): number {
    return this.#core.limits.metadataValueBytesMax
  }

  metadata(mailbox: MailboxId | null): readonly MetadataEntry[] {
    const account = this.#account()
    const key = mailbox === null ? null : this.#mailbox(account, mailbox).row.key
    return this.#core.index.metadata(account.row.key, key)
  }

  setMetadata(mailbox: MailboxId | null, entries: readonly MetadataChange[]): Promise<void> {
    return this.#core.exclusive(this.id, (account) => {
      const key = mailbox === null ? null : this.#mailbox(account, mailbox).row.key
      const { index, limits } = this.#core
      const there = new Set(index.metadata(account.row.key, key).map(({ name }) => name))
      const fresh = entries.filter(({ name, value }) => value !== null && !there.has(name)).length
      if (fresh > 0 && index.metadataCount(account.row.key) + fresh > limits.metadataPerAccountMax) {
        throw new StoreError('STORE_METADATA', `Cannot keep more than ${limits.metadataPerAccountMax} annotations`)
      }
      const changes = entries.filter(({ name, value }) => value !== null || there.has(name))
      const steps: MailboxMetadata[][] =
        changes.length === 0
          ? []
          : [[{ type: RecordType.mailboxMetadata, account: account.id, mailbox, entries: changes }]]
      return { steps, answer: () => undefined }
    })
  }

  grants(mailbox: MailboxId): readonly Grant[] {
    const account = this.#core.accounts.get(this.id)
    const key = account?.mailbox(mailbox)?.row.key
    return account === null || key === undefined ? [] : grantsOf(this.#core.index.metadata(account.row.key, key))
  }

  setGrant(mailbox: MailboxId, identifier: string, rights: string): Promise<void> {
    return this.setMetadata(mailbox, [grantEntry(identifier, rights)])
  }

  async setAddresses(addresses: readonly string[]): Promise<void> {
    const changes = addressChanges(this.metadata(null), addresses)
    if (changes.length > 0) await this.setMetadata(null, changes)
  }

  deletedBytes(mailbox: MailboxId): number {
    const { row } = this.#mailbox(this.#account(), mailbox)
    return row.deleted === 0 ? 0 : this.#core.index.sizeMarkedDeleted(row.key)
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
