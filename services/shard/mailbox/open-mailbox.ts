/** A selected mailbox: what `lib/imap/store.ts` asks for, on committed state in memory and rows of the index. */
import type {
  Appended,
  AppendRequest,
  CopyOptions,
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
  TextFilter,
  TextWish,
  UidRange,
} from '#lib/imap/store.ts'
import type { Flags } from '#lib/mail/flags.ts'
import { type ModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { type MessagesExpunge, type MessagesMove, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import type { MailboxState } from './mailbox-state.ts'
import { messageBytes } from './message-bytes.ts'
import { type Copied, type CopyOrder, copySteps, moveSteps } from './message-copies.ts'
import { decideStore } from './message-flags.ts'
import { factsOf, rowsOf } from './message-rows.ts'
import { letterTarget, NewLetters } from './new-letters.ts'
import type { Decision, StoreCore } from './store-core.ts'
import { textFilter } from './text-filter.ts'
import { lowerBound, type UidMap } from './uid-map.ts'

const NONE: readonly never[] = []
const NO_UIDS = new Uint32Array(0)

export class OpenMailboxState implements OpenMailbox {
  readonly readOnly: boolean
  readonly view: MailboxView
  readonly #core: StoreCore
  readonly #account: AccountState
  readonly #mailbox: MailboxState
  readonly #listener: (change: MailboxChange) => void
  readonly #onClose: () => void
  #closed = false

  constructor(
    core: StoreCore,
    account: AccountState,
    mailbox: MailboxState,
    readOnly: boolean,
    listener: (change: MailboxChange) => void,
    onClose: () => void = () => undefined,
  ) {
    this.#onClose = onClose
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

  changedSince(modSeq: ModSeq): Uint32Array {
    this.#check()
    const { key, highestModSeq } = this.#mailbox.row
    return modSeq >= highestModSeq ? NO_UIDS : this.#core.index.uidsChangedSince(key, modSeq)
  }

  vanishedSince(modSeq: ModSeq): readonly UidRange[] {
    this.#check()
    const { key, highestModSeq } = this.#mailbox.row
    return modSeq >= highestModSeq ? NONE : this.#core.index.uidsExpungedSince(key, modSeq)
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

  /** Into another account under its lock alone: what is copied is read as it is committed then, bodies stay where they are. */
  async copy(uids: readonly Uid[], target: string, options?: CopyOptions): Promise<CopyResult> {
    this.#check()
    return this.#exclusive((account) => {
      const into = letterTarget(this.#core, account, target, uids.length)
      const rows = account.row.quotaBytes === null ? [] : this.#rows(uids)
      if (!account.fits(rows.reduce((sum, row) => sum + row.sizeBytes, 0))) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot copy: the account would be over its quota')
      }
      return this.#copying(copySteps, account, uids, into, options?.keep)
    }, options?.account.id)
  }

  async move(uids: readonly Uid[], target: string): Promise<CopyResult> {
    this.#checkWritable()
    return this.#exclusive((account) =>
      this.#copying(moveSteps, account, uids, letterTarget(this.#core, account, target, uids.length)),
    )
  }

  async replace(uid: Uid, request: AppendRequest): Promise<Appended | null> {
    this.#checkWritable()
    const letters = await NewLetters.write(this.#core, [request])
    return this.#exclusive((account) => {
      const [old] = this.#rows([uid])
      if (old === undefined) return { steps: [], answer: () => null }
      const into = letterTarget(this.#core, account, request.mailbox, 1)
      if (!account.fits(letters.sizeBytes - old.sizeBytes)) {
        throw new StoreError('STORE_OVER_QUOTA', 'Cannot replace: the account would be over its quota')
      }
      const { messages, bodies, uids } = letters.place(account, into)
      const modSeq = account.takeModSeq()
      const { account: id, mailbox: source } = this.#ids()
      const move: MessagesMove = {
        type: RecordType.messagesMove,
        account: id,
        source,
        sourceUids: [uid],
        target: into.id,
        messages,
        modSeq,
      }
      return { steps: [[move]], bodies, answer: () => ({ uidValidity: into.row.uidValidity, uids }) }
    })
  }

  async textFilter(wishes: readonly TextWish[]): Promise<TextFilter | null> {
    this.#check()
    return textFilter(this.#core, this.#account.id, this.#mailbox.row.key, wishes)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose()
    this.#mailbox.listeners.delete(this.#listener)
    this.#core.openMailboxes--
    if (this.#mailbox.listeners.size === 0) this.#core.closedMailboxes.closed(this.#mailbox)
  }

  #copying(
    steps: (core: StoreCore, order: CopyOrder, copied: Copied) => Decision<unknown>['steps'],
    account: AccountState,
    uids: readonly Uid[],
    into: MailboxState,
    keep?: (flags: Flags) => Flags,
  ): Decision<CopyResult> {
    const copied: Copied = { source: [], target: [] }
    const order = { account, source: this.#mailbox, target: into.id, uids, takeUid: () => into.takeUid(), keep }
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

  /** @param owner Whose account is changed: mostly that of the mailbox. */
  async #exclusive<T>(decide: (account: AccountState) => Decision<T>, owner = this.#account.id): Promise<T> {
    return this.#core.exclusive(owner, (account) => {
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
