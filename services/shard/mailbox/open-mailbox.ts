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
import { type MessagesExpunge, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import type { MailboxState } from './mailbox-state.ts'
import { messageBytes } from './message-bytes.ts'
import { type Copied, type CopyOrder, copySteps, moveSteps } from './message-copies.ts'
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
    core.closedMailboxes.reopened(mailbox)
    core.openMailboxes++
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
      if (recentUpTo >= upTo) return { steps: [], answer }
      const { account, mailbox } = this.#ids()
      return { steps: [[{ type: RecordType.mailboxRecent, account, mailbox, upTo }]], answer }
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
    return source === null ? null : messageBytes(this.#core.bodies, source)
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
      return { steps: this.#expungeSteps(account, gone), answer: () => gone }
    })
  }

  async copy(uids: readonly Uid[], target: string): Promise<CopyResult> {
    this.#check()
    return this.#exclusive((account) => {
      const into = this.#target(account, target, uids.length)
      const rows = account.row.quotaBytes === null ? [] : this.#rows(uids)
      if (!account.fits(rows.reduce((sum, row) => sum + row.sizeBytes, 0))) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot copy: the account would be over its quota')
      }
      return this.#copying(copySteps, account, uids, into)
    })
  }

  async move(uids: readonly Uid[], target: string): Promise<CopyResult> {
    this.#checkWritable()
    return this.#exclusive((account) =>
      this.#copying(moveSteps, account, uids, this.#target(account, target, uids.length)),
    )
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#mailbox.listeners.delete(this.#listener)
    this.#core.openMailboxes--
    if (this.#mailbox.listeners.size === 0) this.#core.closedMailboxes.closed(this.#mailbox)
  }

  #copying(
    steps: (core: StoreCore, order: CopyOrder, copied: Copied) => Decision<unknown>['steps'],
    account: AccountState,
    uids: readonly Uid[],
    into: MailboxState,
  ): Decision<CopyResult> {
    const copied: Copied = { source: [], target: [] }
    const order = { account, source: this.#mailbox, target: into.id, uids, takeUid: () => into.takeUid() }
    const answer = () => ({ uidValidity: into.row.uidValidity, ...copied })
    return { steps: steps(this.#core, order, copied), answer }
  }

  *#expungeSteps(account: AccountState, gone: readonly Uid[]): Generator<readonly [MessagesExpunge]> {
    const { messagesPerStepMax } = this.#core.limits
    for (let next = 0; next < gone.length; next += messagesPerStepMax) {
      const uids = gone.slice(next, next + messagesPerStepMax)
      yield [{ type: RecordType.messagesExpunge, ...this.#ids(), modSeq: account.takeModSeq(), uids }]
    }
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
