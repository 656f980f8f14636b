/**
 * The maildrop of a POP3 session: INBOX as it was when the session began, locked against other POP3 sessions
 * (RFC 1939 section 3). IMAP sessions go on; a message they expunge meanwhile stays readable here.
 *
 * UIDL is mailbox id and UID: both live as long as the message and survive moves of the account. An EMAILID would not do:
 * two copies of one letter in INBOX share it.
 */
import type { MessageBytes } from '#lib/imap/store.ts'
import { type AccountId, toUid, type Uid } from '#lib/mail/types.ts'
import type { Maildrop, MaildropMessage } from '#lib/pop3/store.ts'
import { StoreError } from '../errors.ts'
import { type MessagesExpunge, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import type { MailboxState } from './mailbox-state.ts'
import { messageBytes } from './message-bytes.ts'
import { rowsOf } from './message-rows.ts'
import type { StoreCore } from './store-core.ts'

export class MaildropState implements Maildrop {
  readonly messages: readonly MaildropMessage[]
  readonly #core: StoreCore
  readonly #account: AccountState
  readonly #inbox: MailboxState
  readonly #locked: Set<AccountId>
  readonly #listener = () => undefined
  #released = false

  /** @param locked Accounts whose maildrop is held. @throws {StoreError} STORE_IN_USE */
  constructor(core: StoreCore, account: AccountState, locked: Set<AccountId>) {
    if (locked.has(account.id)) {
      throw new StoreError('STORE_IN_USE', 'Cannot open the maildrop: another session holds it')
    }
    this.#core = core
    this.#account = account
    this.#inbox = account.inbox()
    this.#locked = locked
    const { key, id, uidNext } = this.#inbox.row
    const rows = uidNext === 1 ? [] : core.index.messagesBetween(key, toUid(1), toUid(uidNext - 1))
    this.messages = rows.map(({ uid, sizeBytes }) => ({ uid, sizeBytes, uidl: `${id}.${uid}` }))
    locked.add(account.id)
    // A listener keeps account and UID map in memory.
    this.#inbox.listeners.add(this.#listener)
    core.closedMailboxes.reopened(this.#inbox)
  }

  message(uid: Uid): MessageBytes | null {
    this.#check()
    const source = this.#core.index.source(this.#inbox.row.key, uid)
    return source === null ? null : messageBytes(this.#core.bodies, source)
  }

  async remove(uids: readonly Uid[]): Promise<void> {
    this.#check()
    const ascending = [...new Set(uids)].sort((a, b) => a - b)
    await this.#core.exclusive(this.#account.id, (account) => {
      const { index } = this.#core
      const gone = rowsOf(index, this.#inbox.row.key, this.#inbox.load(index), ascending).map((row) => row.uid)
      return { steps: this.#removeSteps(account, gone), answer: () => undefined }
    })
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#locked.delete(this.#account.id)
    this.#inbox.listeners.delete(this.#listener)
    if (this.#inbox.listeners.size === 0) this.#core.closedMailboxes.closed(this.#inbox)
  }

  *#removeSteps(account: AccountState, gone: readonly Uid[]): Generator<readonly [MessagesExpunge]> {
    const { messagesPerStepMax } = this.#core.limits
    for (let next = 0; next < gone.length; next += messagesPerStepMax) {
      const uids = gone.slice(next, next + messagesPerStepMax)
      const ids = { account: account.id, mailbox: this.#inbox.id }
      yield [{ type: RecordType.messagesExpunge, ...ids, modSeq: account.takeModSeq(), uids }]
    }
  }

  #check(): void {
    if (this.#released) throw new StoreError('STORE_CLOSED', 'Cannot use a maildrop that was released')
  }
}
