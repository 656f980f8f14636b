/** A selected mailbox: what `lib/imap/store.ts` asks for, on committed state in memory and rows of the index. */
import type {
  CopyResult,
  MailboxChange,
  MailboxDelta,
  MailboxInfo,
  MailboxStatus,
  MailboxView,
  MessageBytes,
  MessageFacts,
  OpenMailbox,
  StoreRequest,
  StoreResult,
} from '#lib/imap/store.ts'
import { type ModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import type { MailboxState } from './mailbox-state.ts'
import { messageBytes } from './message-bytes.ts'
import { copyMessages, moveMessages } from './message-copies.ts'
import { decideStore } from './message-flags.ts'
import { factsOf, rowsOf } from './message-rows.ts'
import { canonicalName } from './names.ts'
import type { Decision, StoreCore } from './store-core.ts'
import { lowerBound, type UidMap } from './uid-map.ts'

const NONE: readonly never[] = []

export class OpenMailboxState implements OpenMailbox {
  readonly readOnly: boolean
  readonly view: MailboxView
  readonly #core: StoreCore
  readonly #account: AccountState
  readonly #mailbox: MailboxState
  readonly #listener: (change: MailboxChange) => void
  #closed = false

  constructor(
    core: StoreCore,
    account: AccountState,
    mailbox: MailboxState,
    readOnly: boolean,
    listener: (change: MailboxChange) => void,
  ) {
    this.#core = core
    this.#account = account
    this.#mailbox = mailbox
    this.readOnly = readOnly
    // One function of ours per handle: two sessions may pass the same listener.
    this.#listener = (change) => listener(change)
    mailbox.listeners.add(this.#listener)
    this.view = mailbox.view(core.index)
  }

  get info(): MailboxInfo {
    return this.#account.info(this.#mailbox)
  }

  async claimRecent(): Promise<number> {
    const row = this.#mailbox.row
    // EXAMINE shows \Recent and takes it from nobody (RFC 3501 section 6.3.2).
    if (this.readOnly || row.recentUpTo >= row.uidNext - 1) return row.recentUpTo
    return this.#exclusive(() => {
      const { recentUpTo, uidNext } = this.#mailbox.row
      const upTo = uidNext - 1
      const answer = () => recentUpTo
      if (recentUpTo >= upTo) return { facts: [], answer }
      const { account, mailbox } = this.#ids()
      return { facts: [{ type: RecordType.mailboxRecent, account, mailbox, upTo }], answer }
    })
  }

  status(): MailboxStatus {
    return statusOf(this.#mailbox)
  }

  delta(from: MailboxView): MailboxDelta {
    this.#check()
    const view = this.#mailbox.view(this.#core.index)
    if (view === from) return { view, vanished: NONE, changed: NONE, firstNew: view.exists }
    const vanished = from.uids === view.uids ? NONE : vanishedBetween(from, view)
    const firstNew = from.exists - vanished.length
    return { view, vanished, changed: this.#changed(from.modSeq, view, firstNew), firstNew }
  }

  facts(uids: readonly Uid[]): MessageFacts[] {
    this.#check()
    return factsOf(this.#core.index, this.#mailbox.row.key, this.#map(), uids)
  }

  keywords(): readonly string[] {
    return [...this.#mailbox.keywords(this.#core.index)].sort()
  }

  message(uid: Uid): MessageBytes | null {
    this.#check()
    const source = this.#core.index.source(this.#mailbox.row.key, uid)
    return source === null ? null : messageBytes(this.#core.log, source)
  }

  async store(request: StoreRequest): Promise<StoreResult> {
    this.#checkWritable()
    return this.#exclusive((account) => decideStore(this.#core, account, this.#mailbox, request))
  }

  async expunge(uids: readonly Uid[] | null): Promise<readonly Uid[]> {
    this.#checkWritable()
    return this.#exclusive((account) => {
      const { index } = this.#core
      const { row } = this.#mailbox
      const marked = row.deleted === 0 ? [] : index.uidsMarkedDeleted(row.key)
      const wanted = uids === null ? null : new Set(uids)
      const gone = wanted === null ? marked : marked.filter((uid) => wanted.has(uid))
      const answer = () => gone
      if (gone.length === 0) return { facts: [], answer }
      const ids = this.#ids()
      return {
        facts: [{ type: RecordType.messagesExpunge, ...ids, modSeq: account.takeModSeq(), uids: gone }],
        answer,
      }
    })
  }

  async copy(uids: readonly Uid[], target: string): Promise<CopyResult> {
    this.#check()
    return this.#exclusive((account) => {
      const into = this.#target(account, target, uids.length)
      const sizeBytes = this.#rows(uids).reduce((sum, row) => sum + row.sizeBytes, 0)
      if (!account.fits(sizeBytes)) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot copy: the account would be over its quota')
      }
      const copies = copyMessages(this.#core, account, this.#mailbox, into.id, uids, () => into.takeUid())
      const { facts, source, target: copied } = copies
      return { facts, answer: () => ({ uidValidity: into.row.uidValidity, source, target: copied }) }
    })
  }

  async move(uids: readonly Uid[], target: string): Promise<CopyResult> {
    this.#checkWritable()
    return this.#exclusive((account) => {
      const into = this.#target(account, target, uids.length)
      const copies = moveMessages(this.#core, account, this.#mailbox, into.id, uids, () => into.takeUid())
      const { facts, source, target: moved } = copies
      return { facts, answer: () => ({ uidValidity: into.row.uidValidity, source, target: moved }) }
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#mailbox.listeners.delete(this.#listener)
    this.#mailbox.unload()
  }

  #changed(since: ModSeq, view: MailboxView, exists: number): MessageFacts[] {
    const { index } = this.#core
    const key = this.#mailbox.row.key
    const uids = this.#mailbox.flagChangesSince(since)
    const beyond = exists < view.exists ? (view.uids[exists] ?? Infinity) : Infinity
    const rows = uids === null ? index.messagesChangedSince(key, since) : rowsOf(index, key, this.#map(), uids)
    return rows.filter((row) => row.uid < beyond)
  }

  #rows(uids: readonly Uid[]) {
    return rowsOf(this.#core.index, this.#mailbox.row.key, this.#map(), uids)
  }

  #map(): UidMap {
    return this.#mailbox.load(this.#core.index)
  }

  #ids() {
    return { account: this.#account.id, mailbox: this.#mailbox.id }
  }

  #target(account: AccountState, name: string, count: number): MailboxState {
    const mailbox = account.find(canonicalName(name))
    if (mailbox === undefined) {
      throw new StoreError('STORE_NO_TARGET', `Cannot find mailbox ${JSON.stringify(name.slice(0, 80))}`)
    }
    if (mailbox.messagesTaken + count > this.#core.limits.messagesPerMailboxMax || mailbox.uidsLeft < count) {
      throw new StoreError('STORE_LIMIT', `Cannot add ${count} messages to ${mailbox.row.name}: it is full`)
    }
    return mailbox
  }

  async #exclusive<T>(decide: (account: AccountState) => Decision<T>): Promise<T> {
    return this.#core.exclusive(this.#account.id, (account) => {
      this.#check()
      if (this.#mailbox.gone) throw new StoreError('STORE_CLOSED', 'Cannot change this mailbox: it was deleted')
      return decide(account)
    })
  }

  #check(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'Cannot use a mailbox that was closed')
  }

  #checkWritable(): void {
    this.#check()
    if (this.readOnly) throw new StoreError('STORE_READ_ONLY', 'Cannot change a mailbox that was opened read-only')
  }
}

export function statusOf(mailbox: MailboxState): MailboxStatus {
  const { messages, unseen, deleted, recent, uidNext, uidValidity, highestModSeq, sizeBytes } = mailbox.row
  return { messages, unseen, deleted, recent, uidNext, uidValidity, highestModSeq, sizeBytes }
}

/** UIDs of `from` that are not in `view`, ascending. What is new in `view` lies behind all of `from`. */
function vanishedBetween(from: MailboxView, view: MailboxView): Uid[] {
  const vanished: Uid[] = []
  const kept = lowerBound(view.uids, view.exists, from.uidNext)
  let at = 0
  for (let i = 0; i < from.exists; i++) {
    const uid = from.uids[i] ?? 0
    if (at < kept && view.uids[at] === uid) at++
    else vanished.push(toUid(uid))
  }
  return vanished
}
