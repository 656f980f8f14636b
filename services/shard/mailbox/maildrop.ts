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
import { RecordType } from '../records/types.ts'
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
  }

  message(uid: Uid): MessageBytes | null {
    this.#check()
    const source = this.#core.index.source(this.#inbox.row.key, uid)
    return source === null ? null : messageBytes(this.#core.log, source)
  }

  async remove(uids: readonly Uid[]): Promise<void> {
    this.#check()
    const ascending = [...new Set(uids)].sort((a, b) => a - b)
    await this.#core.exclusive(this.#account.id, (account) => {
      const { index } = this.#core
      const gone = rowsOf(index, this.#inbox.row.key, this.#inbox.load(index), ascending).map((row) => row.uid)
      const answer = () => undefined
      if (gone.length === 0) return { facts: [], answer }
      const mailbox = this.#inbox.id
      const modSeq = account.takeModSeq()
      return {
        facts: [{ type: RecordType.messagesExpunge, account: account.id, mailbox, modSeq, uids: gone }],
        answer,
      }
    })
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#locked.delete(this.#account.id)
    this.#inbox.listeners.delete(this.#listener)
    this.#inbox.unload()
  }

  #check(): void {
    if (this.#released) throw new StoreError('STORE_CLOSED', 'Cannot use a maildrop that was released')
  }
}
