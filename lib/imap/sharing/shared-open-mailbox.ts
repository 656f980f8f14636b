/**
 * An open mailbox of a session that shares: what it may do follows its rights at each step, and copies may go into another account.
 * Of a STORE that names flags which may not be changed the rest is done (RFC 4314 section 4).
 */
import { Flag, type Flags, flagNames, NO_FLAGS } from '#lib/mail/flags.ts'
import type { ModSeq, Uid } from '#lib/mail/types.ts'
import type {
  Appended,
  AppendRequest,
  CopyResult,
  MailboxDelta,
  MailboxInfo,
  MailboxStatus,
  MailboxView,
  MessageBytes,
  MessageFacts,
  OpenMailbox,
  OwnerAccount,
  StoreRequest,
  StoreResult,
  TextFilter,
  TextWish,
  UidRange,
} from '../store.ts'
import { refusal } from '../syntax/syntax-error.ts'
import { ALL_RIGHTS, allowedFlags, demand, flagBits } from './rights.ts'
import type { Place } from './shared-view.ts'

interface Surroundings {
  /** The owner's. */
  readonly account: OwnerAccount
  readonly info: () => MailboxInfo
  /** Of this session, now. */
  readonly rights: () => string
  readonly resolve: (name: string) => Place
}

export class SharedOpenMailbox implements OpenMailbox {
  readonly #opened: OpenMailbox
  readonly #around: Surroundings

  constructor(opened: OpenMailbox, around: Surroundings) {
    this.#opened = opened
    this.#around = around
  }

  get info(): MailboxInfo {
    return this.#around.info()
  }

  get readOnly(): boolean {
    return this.#opened.readOnly
  }

  get view(): MailboxView {
    return this.#opened.view
  }

  claimRecent(): Promise<number> {
    return this.#opened.claimRecent()
  }

  status(): MailboxStatus {
    return this.#opened.status()
  }

  delta(from: MailboxView): MailboxDelta {
    return this.#opened.delta(from)
  }

  facts(uids: readonly Uid[]): MessageFacts[] {
    return this.#opened.facts(uids)
  }

  changedSince(modSeq: ModSeq): Uint32Array {
    return this.#opened.changedSince(modSeq)
  }

  vanishedSince(modSeq: ModSeq): readonly UidRange[] {
    return this.#opened.vanishedSince(modSeq)
  }

  keywords(): readonly string[] {
    return this.#opened.keywords()
  }

  message(uid: Uid): MessageBytes | null {
    demand(this.#around.rights(), 'r')
    return this.#opened.message(uid)
  }

  async store(request: StoreRequest): Promise<StoreResult> {
    const rights = this.#around.rights()
    if (rights === ALL_RIGHTS) return this.#opened.store(request)
    const flags = allowedFlags(request.flags, rights)
    if (request.change === 'replace') return this.#replaceFlags(request, flags, rights)
    if (isEmpty(flags)) {
      if (isEmpty(request.flags)) return this.#opened.store(request)
      throw refusal('NOPERM', `You may not change ${flagNames(request.flags).join(' ')} here`)
    }
    return this.#opened.store({ ...request, flags })
  }

  /** Those that may be changed are replaced; the others stay. */
  async #replaceFlags(request: StoreRequest, flags: Flags, rights: string): Promise<StoreResult> {
    const bits = flagBits(rights)
    if (bits === 0) throw refusal('NOPERM', 'You may not change flags here')
    const added = await this.#opened.store({ ...request, change: 'add', flags })
    const failed = new Set(added.modified)
    const uids = request.uids.filter((uid) => !failed.has(uid))
    const kept = new Set(flags.keywords.map((keyword) => keyword.toLowerCase()))
    const keywords = rights.includes('w')
      ? this.#opened.keywords().filter((keyword) => !kept.has(keyword.toLowerCase()))
      : []
    const gone: Flags = { system: bits & ~flags.system, keywords }
    const removed = await this.#opened.store({ uids, change: 'remove', flags: gone })
    return { facts: removed.facts, modified: added.modified }
  }

  async expunge(uids: readonly Uid[] | null): Promise<readonly Uid[]> {
    demand(this.#around.rights(), 'e')
    return this.#opened.expunge(uids)
  }

  async copy(uids: readonly Uid[], target: string): Promise<CopyResult> {
    demand(this.#around.rights(), 'r')
    return this.#copy(uids, this.#place(target))
  }

  async move(uids: readonly Uid[], target: string): Promise<CopyResult> {
    for (const right of ['r', 't', 'e']) demand(this.#around.rights(), right)
    const place = this.#place(target)
    const rights = place.rights()
    if (place.account === this.#around.account && rights === ALL_RIGHTS) return this.#opened.move(uids, place.name)
    const copied = await this.#copy(uids, place)
    // Committed there; what goes wrong from here on leaves a letter twice, never not at all.
    await this.#take(copied.source)
    return copied
  }

  async replace(uid: Uid, request: AppendRequest): Promise<Appended | null> {
    for (const right of ['t', 'e']) demand(this.#around.rights(), right)
    const place = this.#place(request.mailbox)
    const flags = allowedFlags(request.flags, place.rights())
    const letter = { ...request, mailbox: place.name, flags }
    if (place.account === this.#around.account) return this.#opened.replace(uid, letter)
    if (this.#opened.facts([uid]).length === 0) return null
    const appended = await place.account.appendAll(place.name, [letter])
    await this.#take([uid])
    return appended
  }

  textFilter(wishes: readonly TextWish[]): Promise<TextFilter | null> {
    return this.#opened.textFilter(wishes)
  }

  close(): void {
    this.#opened.close()
  }

  /** Where letters may be put. */
  #place(target: string): Place {
    const place = this.#around.resolve(target)
    demand(place.rights(), 'i')
    return place
  }

  #copy(uids: readonly Uid[], place: Place): Promise<CopyResult> {
    const rights = place.rights()
    const keep = (flags: Flags) => allowedFlags(flags, rights)
    return this.#opened.copy(uids, place.name, { account: place.account, keep })
  }

  async #take(uids: readonly Uid[]): Promise<void> {
    if (uids.length === 0) return
    await this.#opened.store({ uids, change: 'add', flags: DELETED })
    await this.#opened.expunge(uids)
  }
}

const DELETED: Flags = { system: Flag.deleted, keywords: [] }

function isEmpty({ system, keywords }: Flags): boolean {
  return system === NO_FLAGS.system && keywords.length === 0
}
