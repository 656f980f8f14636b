/**
 * `ImapAccount` in memory: the plainest thing that keeps the port's promises. Tests of the engine run on it, and a real store
 * can be compared with it. Nothing is ever freed.
 */
import { known } from '#lib/errors/assert.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import type { AccountId, MailboxId, Uid } from '#lib/mail/types.ts'
import { toAccountId, toMailboxId } from '#lib/mail/types.ts'
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
  OwnerAccount,
  Quota,
  SpecialUse,
  TextFilter,
  TextWish,
} from '../store.ts'
import { MemoryMailbox, type MemoryMessage } from './memory-mailbox.ts'
import { OpenMemoryMailbox } from './open-memory-mailbox.ts'

/** For digits, in ids. */
const LETTERS = 'abcdefghij'

export class MemoryStoreError extends CodedError {
  override readonly name = 'MemoryStoreError'
}

/** A failure as a store throws it. @param imap Response code without brackets. */
export function storeError(imap: string, message: string): MemoryStoreError {
  return new MemoryStoreError(`MEMORY_${imap}`, message, { details: { imap } })
}

export interface MemoryAccountOptions {
  readonly nowMs: () => number
  readonly appendLimitBytes?: number
  /** Tells accounts of one test apart, in ids too. Default: 0 */
  readonly number?: number
}

export class MemoryAccount implements OwnerAccount {
  readonly id: AccountId
  readonly appendLimitBytes: number
  readonly #nowMs: () => number
  readonly #boxes = new Map<string, MemoryMailbox>()
  readonly #subscriptions = new Set<string>()
  readonly #metadata = new Map<string, Map<string, Uint8Array>>()
  readonly metadataValueBytesMax = 1_000
  #modSeq = 0
  #uidValidity: number
  readonly #grants = new Map<MailboxId, Map<string, string>>()
  readonly #watchers = new Set<(change: AccountChange) => void>()
  addresses: readonly string[] = []
  #emailCount = 0
  /** Thrown by the next write instead of doing it: a disk that is full, a bug. */
  failNextWrite: Error | null = null
  /** What a text index would know; null: there is none. */
  textFilter: ((wishes: readonly TextWish[]) => TextFilter) | null = null
  /** Of the quota. */
  limitBytes: number | null = null

  constructor(options: MemoryAccountOptions) {
    const number = options.number ?? 0
    this.id = toAccountId('a'.repeat(15) + LETTERS.charAt(number))
    this.#uidValidity = 1000 * (number + 1)
    this.#nowMs = options.nowMs
    this.appendLimitBytes = options.appendLimitBytes ?? 1_000_000
    this.#make('INBOX', null)
  }

  mailboxes(): readonly MailboxInfo[] {
    return [...this.#boxes.keys()].sort().map((name) => this.#info(name))
  }

  subscriptions(): readonly string[] {
    return [...this.#subscriptions].sort()
  }

  find(given: string): MailboxInfo | null {
    const name = given.normalize('NFC')
    return this.#boxes.has(name) ? this.#info(name) : null
  }

  status(mailbox: MailboxId): MailboxStatus {
    return this.box(mailbox).status()
  }

  async open(
    mailbox: MailboxId,
    readOnly: boolean,
    listener: (change: MailboxChange) => void,
  ): Promise<OpenMemoryMailbox> {
    return new OpenMemoryMailbox(this, this.box(mailbox), readOnly, listener)
  }

  watch(listener: (change: AccountChange) => void): () => void {
    this.#watchers.add(listener)
    return () => this.#watchers.delete(listener)
  }

  tell(change: AccountChange = { kind: 'changed' }): void {
    for (const watcher of [...this.#watchers]) watcher(change)
  }

  async create(given: string, specialUse: SpecialUse | null): Promise<MailboxInfo> {
    this.beginWrite()
    const name = given.normalize('NFC')
    if (specialUse !== null && [...this.#boxes.values()].some((box) => box.specialUse === specialUse)) {
      throw storeError('USEATTR', 'Another mailbox has this use')
    }
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
      if (!this.#boxes.has(name.slice(0, at))) this.#make(name.slice(0, at), null)
    }
    this.#make(name, specialUse)
    this.tell()
    return this.#info(name)
  }

  async rename(from: string, given: string): Promise<void> {
    this.beginWrite()
    const to = given.normalize('NFC')
    const box = this.#byName(from)
    if (from === 'INBOX') {
      // RFC 9051 section 6.3.6: the messages move, INBOX stays.
      const target = this.#make(to, null)
      for (const message of box.present()) target.add({ ...message, modSeq: this.nextModSeq() })
      box.remove([...box.uids()], this.nextModSeq())
      return
    }
    for (const [name, moved] of [...this.#boxes]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue
      this.#boxes.delete(name)
      moved.name = to + name.slice(from.length)
      this.#boxes.set(moved.name, moved)
    }
    this.tell()
  }

  async delete(name: string): Promise<void> {
    this.beginWrite()
    const box = this.#byName(name)
    if ([...this.#boxes.keys()].some((other) => other.startsWith(`${name}/`))) {
      throw storeError('HASCHILDREN', 'Mailbox has children')
    }
    this.#boxes.delete(name)
    box.tell({ kind: 'closed', reason: 'Mailbox is deleted' })
    this.tell()
  }

  async subscribe(name: string, on: boolean): Promise<void> {
    this.beginWrite()
    if (on) this.#subscriptions.add(name)
    else this.#subscriptions.delete(name)
    this.tell()
  }

  async append(request: AppendRequest): Promise<{ uidValidity: number; uid: Uid }> {
    const { uidValidity, uids } = await this.appendAll(request.mailbox, [request])
    return { uidValidity, uid: known(uids[0], 'one was appended') }
  }

  async appendAll(mailbox: string, letters: readonly NewLetter[]): Promise<Appended> {
    this.beginWrite()
    const box = this.#byName(mailbox)
    const nowMs = this.#nowMs()
    const bytes = letters.reduce((sum, { body }) => sum + Buffer.concat(body).length, 0)
    if (this.limitBytes !== null && this.quota().usedBytes + bytes > this.limitBytes) {
      throw storeError('OVERQUOTA', 'The account is over its quota')
    }
    const uids = letters.map(({ flags, internalDateMs, body }) =>
      box.add({
        modSeq: this.nextModSeq(),
        flags,
        internalDateMs: internalDateMs ?? nowMs,
        saveDateMs: nowMs,
        emailId: `M${++this.#emailCount}`,
        bytes: Buffer.concat(body),
      }),
    )
    return { uidValidity: box.uidValidity, uids }
  }

  quota(): Quota {
    const usedBytes = [...this.#boxes.values()].reduce((sum, box) => sum + box.status().sizeBytes, 0)
    return { usedBytes, limitBytes: this.limitBytes }
  }

  metadata(mailbox: MailboxId | null): readonly MetadataEntry[] {
    const entries = [...(this.#metadata.get(mailbox ?? '') ?? [])]
    return entries.map(([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async setMetadata(mailbox: MailboxId | null, entries: readonly MetadataChange[]): Promise<void> {
    this.beginWrite()
    const all = this.#metadata.get(mailbox ?? '') ?? new Map<string, Uint8Array>()
    this.#metadata.set(mailbox ?? '', all)
    for (const { name, value } of entries) {
      if (value === null) all.delete(name)
      else all.set(name, value)
    }
    this.tell({ kind: 'metadata', mailbox, names: entries.map(({ name }) => name) })
  }

  deletedBytes(mailbox: MailboxId): number {
    const deleted = this.box(mailbox)
      .present()
      .filter(({ flags }) => (flags.system & Flag.deleted) !== 0)
    return deleted.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  grants(mailbox: MailboxId): readonly Grant[] {
    return [...(this.#grants.get(mailbox) ?? [])].map(([identifier, rights]) => ({ identifier, rights }))
  }

  async setGrant(mailbox: MailboxId, identifier: string, rights: string): Promise<void> {
    this.beginWrite()
    const grants = this.#grants.get(mailbox) ?? new Map<string, string>()
    this.#grants.set(mailbox, grants)
    if (rights === '') grants.delete(identifier)
    else grants.set(identifier, rights)
    this.box(mailbox).tell({ kind: 'changed' })
    this.tell()
  }

  async setAddresses(addresses: readonly string[]): Promise<void> {
    this.addresses = addresses
  }

  // For OpenMemoryMailbox.

  box(id: MailboxId): MemoryMailbox {
    for (const box of this.#boxes.values()) if (box.id === id) return box
    throw storeError('NONEXISTENT', 'No such mailbox')
  }

  /** The account of a copy's target. */
  sibling(account: unknown): MemoryAccount {
    return account instanceof MemoryAccount ? account : this
  }

  /** The target of COPY and MOVE. */
  target(name: string): MemoryMailbox {
    return this.#byName(name)
  }

  copyInto(target: MemoryMailbox, message: MemoryMessage): Uid {
    return target.add({ ...message, modSeq: this.nextModSeq(), saveDateMs: this.#nowMs() })
  }

  nextModSeq(): number {
    return ++this.#modSeq
  }

  beginWrite(): void {
    const failure = this.failNextWrite
    this.failNextWrite = null
    if (failure !== null) throw failure
  }

  #byName(name: string): MemoryMailbox {
    const box = this.#boxes.get(name)
    if (box === undefined) throw storeError('NONEXISTENT', 'No such mailbox')
    return box
  }

  #info(name: string): MailboxInfo {
    return { ...this.#byName(name).info(), subscribed: this.#subscriptions.has(name) }
  }

  #make(name: string, specialUse: SpecialUse | null): MemoryMailbox {
    const uidValidity = ++this.#uidValidity
    const letters = [...String(uidValidity)].map((digit) => LETTERS.charAt(Number(digit))).join('')
    const id = toMailboxId(letters.padStart(13, 'a'))
    const box = new MemoryMailbox(id, name, uidValidity, specialUse, this.nextModSeq())
    box.listen(() => this.tell())
    this.#boxes.set(name, box)
    return box
  }
}
