/**
 * An account with what others share with it, as one account that a session sees. Mailboxes of its own are passed on; those of others
 * have names below `#user/` and are asked for rights at every step (RFC 4314 section 4), in the state that is committed then.
 *
 * Invariants: a mailbox that the session may not know does not exist for it, whatever it asks; rights that are taken away count from the
 * next step on, and end the session of whoever has the mailbox open; a letter that moves to another account is committed there before it
 * goes here.
 */
import type { AccountId, MailboxId, Uid } from '#lib/mail/types.ts'
import type {
  AccessControl,
  AccountChange,
  Appended,
  AppendRequest,
  Grant,
  ImapAccount,
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
} from '../store.ts'
import { refusal } from '../syntax/syntax-error.ts'
import { foreignName, isForeign, mayShare, splitForeign } from './names.ts'
import type { Identity, Neighbours, SharedMailbox } from './neighbours.ts'
import { ALL_RIGHTS, allowedFlags, demand, mayChange, mayKnow, unionRights } from './rights.ts'
import { SharedOpenMailbox } from './shared-open-mailbox.ts'

const ANYONE = 'anyone'
const INBOX = 'INBOX'

/** Where a name leads. */
export interface Place {
  readonly account: OwnerAccount
  /** Name there. */
  readonly name: string
  /** Of the mailbox itself, or, if there is none, of the nearest one above. */
  rights(): string
}

export class SharedView implements ImapAccount {
  readonly id: AccountId
  readonly access: AccessControl
  readonly #own: OwnerAccount
  readonly #identity: Identity
  readonly #identifiers: readonly string[]
  readonly #neighbours: Neighbours
  /** Mailboxes of others that the session has heard of. */
  readonly #foreign = new Map<MailboxId, SharedMailbox>()

  constructor(own: OwnerAccount, identity: Identity, neighbours: Neighbours) {
    this.id = own.id
    this.#own = own
    this.#identity = identity
    this.#identifiers = [...identity.addresses, ANYONE]
    this.#neighbours = neighbours
    this.access = {
      owner: (name) => this.#owner(name),
      rights: (name) => this.#rightsOf(name),
      grants: (name) => this.#grants(name),
      grant: (name, identifier, rights) => this.#grant(name, identifier, rights),
    }
  }

  get appendLimitBytes(): number {
    return this.#own.appendLimitBytes
  }

  get metadataValueBytesMax(): number {
    return this.#own.metadataValueBytesMax
  }

  mailboxes(): readonly MailboxInfo[] {
    const shared = this.#shared().filter(({ rights }) => rights?.includes('l'))
    if (shared.length === 0) return this.#own.mailboxes()
    return [...this.#own.mailboxes(), ...shared].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  subscriptions(): readonly string[] {
    return this.#own.subscriptions()
  }

  find(name: string): MailboxInfo | null {
    if (!isForeign(name)) return this.#own.find(name)
    const canonical = canonicalForeign(name)
    return this.#shared().find((info) => info.name === canonical) ?? null
  }

  status(mailbox: MailboxId): MailboxStatus {
    return this.#visited(mailbox, 'r').status(mailbox)
  }

  async open(mailbox: MailboxId, readOnly: boolean, listener: (change: MailboxChange) => void): Promise<OpenMailbox> {
    const shared = this.#foreign.get(mailbox)
    const resolve = (name: string) => this.#place(name)
    if (shared === undefined) {
      const rights = () => ALL_RIGHTS
      const opened = await this.#own.open(mailbox, readOnly, listener)
      return new SharedOpenMailbox(opened, { account: this.#own, info: () => opened.info, rights, resolve })
    }
    const account = this.#visited(mailbox, 'r')
    const rights = () => this.#rights(shared)
    const mayRead = () => rights().includes('r')
    const opened = await account.open(mailbox, readOnly || !mayChange(rights()), (change) => {
      listener(mayRead() ? change : { kind: 'closed', reason: 'You may no longer read this mailbox' })
    })
    const info = () => this.#info({ ...shared, mailbox: opened.info }, rights())
    return new SharedOpenMailbox(opened, { account, info, rights, resolve })
  }

  /** Of accounts that share something too, from the moment on at which they do. */
  watch(listener: (change: AccountChange) => void): () => void {
    const ends = new Map<AccountId, () => void>([[this.id, this.#own.watch(listener)]])
    const watchOwners = () => {
      for (const { account } of this.#neighbours.sharedWith(this.#identifiers)) {
        if (!ends.has(account.id)) ends.set(account.id, account.watch(listener))
      }
    }
    watchOwners()
    const endGrants = this.#neighbours.watchGrants(this.#identifiers, () => {
      watchOwners()
      listener({ kind: 'changed' })
    })
    return () => {
      endGrants()
      for (const end of ends.values()) end()
    }
  }

  async create(name: string, specialUse: SpecialUse | null): Promise<MailboxInfo> {
    const place = this.#place(name)
    if (place.account !== this.#own && specialUse !== null) {
      throw refusal('USEATTR', 'A mailbox of another user has no special use here')
    }
    demand(place.rights(), 'k')
    const above = this.#nearest(place.account, place.name)
    const made = await place.account.create(place.name, specialUse)
    // RFC 4314 section 3 leaves it open; whoever makes a mailbox below a shared one wants to share it.
    const grants = above === null ? [] : place.account.grants(above.id)
    for (const { identifier, rights } of grants) await place.account.setGrant(made.id, identifier, rights)
    return place.account === this.#own ? made : (this.find(name) ?? made)
  }

  async rename(from: string, to: string): Promise<void> {
    const [old, fresh] = [this.#place(from), this.#place(to)]
    if (old.account !== fresh.account) throw refusal('CANNOT', 'A mailbox stays with its owner')
    if (old.account !== this.#own && old.name === INBOX)
      throw refusal('CANNOT', 'INBOX of another user cannot be renamed')
    demand(old.rights(), 'x')
    demand(fresh.rights(), 'k')
    await old.account.rename(old.name, fresh.name)
  }

  async delete(name: string): Promise<void> {
    const place = this.#place(name)
    demand(place.rights(), 'x')
    await place.account.delete(place.name)
  }

  subscribe(name: string, on: boolean): Promise<void> {
    return this.#own.subscribe(isForeign(name) ? canonicalForeign(name) : name, on)
  }

  async append(request: AppendRequest): Promise<{ uidValidity: number; uid: Uid }> {
    const { account, name, rights } = this.#place(request.mailbox)
    demand(rights(), 'i')
    return account.append({ ...request, mailbox: name, flags: allowedFlags(request.flags, rights()) })
  }

  async appendAll(mailbox: string, letters: readonly NewLetter[]): Promise<Appended> {
    const { account, name, rights } = this.#place(mailbox)
    const has = rights()
    demand(has, 'i')
    return account.appendAll(
      name,
      letters.map((letter) => ({ ...letter, flags: allowedFlags(letter.flags, has) })),
    )
  }

  quota(): Quota {
    return this.#own.quota()
  }

  /** Of another user's mailbox only what is shared: private annotations are the owner's. */
  metadata(mailbox: MailboxId | null): readonly MetadataEntry[] {
    if (mailbox === null || !this.#foreign.has(mailbox)) return this.#own.metadata(mailbox)
    return this.#visited(mailbox, 'r')
      .metadata(mailbox)
      .filter(({ name }) => name.startsWith('/shared/'))
  }

  async setMetadata(mailbox: MailboxId | null, entries: readonly MetadataChange[]): Promise<void> {
    if (mailbox === null || !this.#foreign.has(mailbox)) return this.#own.setMetadata(mailbox, entries)
    if (!entries.every(({ name }) => name.startsWith('/shared/'))) {
      throw refusal('NOPERM', 'Private annotations of this mailbox are for its owner')
    }
    return this.#visited(mailbox, 'w').setMetadata(mailbox, entries)
  }

  deletedBytes(mailbox: MailboxId): number {
    return this.#visited(mailbox, 'r').deletedBytes(mailbox)
  }

  /** What others share, as this session names it. */
  #shared(): MailboxInfo[] {
    const infos: MailboxInfo[] = []
    for (const shared of this.#neighbours.sharedWith(this.#identifiers)) {
      if (shared.account.id === this.id || !mayShare(shared.owner)) continue
      const rights = this.#rights(shared)
      if (!mayKnow(rights)) continue
      this.#foreign.set(shared.mailbox.id, shared)
      infos.push(this.#info(shared, rights))
    }
    return infos
  }

  #info({ owner, mailbox }: SharedMailbox, rights: string): MailboxInfo {
    const name = foreignName(owner, mailbox.name)
    // The owner's Drafts are not this user's.
    return { ...mailbox, name, rights, specialUse: null, subscribed: this.#own.subscriptions().includes(name) }
  }

  #rights({ account, mailbox }: Pick<SharedMailbox, 'account' | 'mailbox'>): string {
    const mine = account.grants(mailbox.id).filter(({ identifier }) => this.#identifiers.includes(identifier))
    return unionRights(...mine.map(({ rights }) => rights))
  }

  /** The account that has a mailbox in which the session has this right. */
  #visited(mailbox: MailboxId, right: string): OwnerAccount {
    const shared = this.#foreign.get(mailbox)
    if (shared === undefined) return this.#own
    demand(this.#rights(shared), right)
    return shared.account
  }

  /** Where a mailbox of this name is, or would be. @throws {ImapSyntaxError} nobody shares anything there */
  #place(name: string): Place {
    if (!isForeign(name)) return { account: this.#own, name, rights: () => ALL_RIGHTS }
    const there = splitForeign(name)
    const neighbours = this.#neighbours.sharedWith(this.#identifiers)
    const account = neighbours.find(({ owner }) => owner === there?.owner)?.account
    if (there === null || account === undefined) throw refusal('NONEXISTENT', 'No such mailbox')
    const rights = () => {
      const mailbox = this.#nearest(account, there.name)
      return mailbox === null ? '' : this.#rights({ account, mailbox })
    }
    return { account, name: there.name, rights }
  }

  /** The mailbox of this name, or the nearest above. */
  #nearest(account: OwnerAccount, name: string): MailboxInfo | null {
    for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) {
      const found = account.find(name.slice(0, end))
      if (found !== null) return found
    }
    return null
  }

  #rightsOf(name: string): string | null {
    const info = this.find(name)
    return info === null ? null : (info.rights ?? ALL_RIGHTS)
  }

  #owner(name: string): string {
    return splitForeign(name)?.owner ?? this.#identity.address
  }

  #grants(name: string): readonly Grant[] {
    const { account, mailbox } = this.#administered(name)
    return account.grants(mailbox.id)
  }

  async #grant(name: string, identifier: string, rights: string): Promise<void> {
    const { account, mailbox } = this.#administered(name)
    if (identifier === this.#owner(name)) throw refusal('CANNOT', 'The owner may do everything, always')
    if (!mayShare(this.#owner(name))) throw refusal('CANNOT', 'Others could not name mailboxes of this account')
    // A grant that nobody can use would look as if it worked.
    if (rights !== '' && identifier !== ANYONE && !this.#neighbours.knows(identifier)) {
      throw refusal(
        'NONEXISTENT',
        `Cannot share with ${identifier}: no account of this shard with that address has logged in`,
      )
    }
    await account.setGrant(mailbox.id, identifier, rights)
  }

  #administered(name: string): { readonly account: OwnerAccount; readonly mailbox: MailboxInfo } {
    const { account, name: there } = this.#place(name)
    const mailbox = account.find(there)
    const rights = this.#rightsOf(name)
    if (mailbox === null || rights === null) throw refusal('NONEXISTENT', 'No such mailbox')
    demand(rights, 'a')
    return { account, mailbox }
  }
}

function canonicalForeign(name: string): string {
  const there = splitForeign(name.normalize('NFC'))
  return there === null ? name : foreignName(there.owner, there.name)
}
