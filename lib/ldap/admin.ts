/**
 * Writes and lists for provisioning, operator and command line. Every write may be repeated: an add finds its entry, a change
 * carries its place in the command stream, a delete of nothing succeeds. What was lost on the way is answered by doing it again.
 */
import type { Change, Client } from 'ldapts'
import { type FilterWish, formatFilterWish, NO_WISH } from '#lib/filter/settings.ts'
import { type ShardName, splitShardName, toShardName } from '#lib/mail/types.ts'
import { type AppPassword, formatAppPassword } from '#lib/sasl/app-password.ts'
import type { StoredSecrets } from '#lib/sasl/secrets.ts'
import { canonicalDomain } from './address.ts'
import {
  ACCOUNT_ATTRIBUTES,
  accountEntry,
  accountFrom,
  type Deletion,
  DOMAIN_ATTRIBUTES,
  deletionText,
  domainFrom,
  type NewAccount,
  type RawEntry,
  type StoredAccount,
  type StoredDomain,
  type StoredGroup,
  type StoredShard,
  type StoredStatus,
  shardFrom,
  values,
} from './entry.ts'
import { DirectoryError } from './errors.ts'
import { type AddGroupOutcome, type GroupAdmin, type GroupChange, LdapGroups } from './group-admin.ts'
import { eachPage, findEntries } from './listing.ts'
import { and, contains, dn, endsWith, equals, escapeDnValue, or } from './names.ts'
import { type LdapAccess, LdapPool } from './pool.ts'
import { UNITS, type Unit, unitDn } from './schema.ts'
import { add, isResult, markChanges, Result, remove, replace, TOO_LATE } from './writes.ts'

export type AddOutcome =
  | { readonly kind: 'added'; readonly account: StoredAccount }
  /** An entry with this primary address is there: its home shard stands. */
  | { readonly kind: 'exists'; readonly account: StoredAccount }
  /** One of the addresses belongs to another account. */
  | { readonly kind: 'address-taken'; readonly address: string }

export interface AccountChange {
  readonly status?: StoredStatus
  readonly secrets?: StoredSecrets
  readonly quotaBytes?: number | null
  readonly filter?: FilterWish
  readonly addAppPassword?: AppPassword
  readonly removeAppPassword?: string
  readonly displayName?: string
  readonly addAlias?: string
  readonly removeAlias?: string
  readonly deletion?: Deletion | null
}

export interface AccountFilter {
  readonly domain?: string
  readonly home?: ShardName
  readonly status?: StoredStatus
  /** Part of the primary address or of the name (aliases have no substring matching in OpenLDAP). */
  readonly contains?: string
}

export interface DirectoryAdmin extends GroupAdmin {
  /** Adds the base entry and its units where they are missing. */
  ensureTree(): Promise<void>
  /** Makes `ou=shards` say this: those not named stay, but get no new accounts. */
  ensureShards(shards: readonly StoredShard[]): Promise<void>
  shards(): Promise<StoredShard[]>
  /**
   * Makes the entry say this; owner, filter and sending that are not named here stay as they are.
   * @returns true if anything changed. @throws {DirectoryError} DIRECTORY_ADDRESS for a name that is none
   */
  ensureDomain(domain: StoredDomain): Promise<boolean>
  /** Removes the entry if `owner` keeps it. Accounts below the domain stay. @returns false if there was no such entry. */
  removeDomain(name: string, owner: string): Promise<boolean>
  domain(name: string): Promise<StoredDomain | null>
  listDomains(): Promise<StoredDomain[]>
  /** Active domains whose postmaster or catch-all the address is. */
  domainsNaming(address: string): Promise<string[]>
  /** The first 1000 or `limit`, in the order of addresses. */
  listAccounts(filter?: AccountFilter & { readonly limit?: number }): Promise<StoredAccount[]>
  /** All of them, a page at a time, in the directory's order. @param take Returns false to hear no more. */
  eachAccount(
    filter: AccountFilter,
    take: (accounts: readonly StoredAccount[]) => Promise<boolean> | boolean,
  ): Promise<void>
  /** By any of its addresses (canonical) or by its id, in whatever status. */
  account(addressOrId: string): Promise<StoredAccount | null>
  /** The add is the choice of the shard: it fails if the entry exists. Status `creating`, generation 1. */
  addAccount(account: NewAccount): Promise<AddOutcome>
  /**
   * Changes the entry if `account` is still how it was read, and notes `command` as the last one applied.
   * @returns false if somebody else changed it or it is gone: read again.
   * @throws {DirectoryError} DIRECTORY_TAKEN when somebody else has the new alias
   */
  updateAccount(account: StoredAccount, command: string, change: AccountChange): Promise<boolean>
  /**
   * Gives the account another primary address; the old one stays as an alias. Goes on where a lost one had stopped.
   * @throws {DirectoryError} DIRECTORY_TAKEN when somebody else has the address
   */
  renameAccount(account: StoredAccount, command: string, to: string): Promise<boolean>
  /**
   * The account has moved. The generation, not the place in the command stream, says which move is later.
   * @returns false if somebody else changed it or it is gone: read again.
   */
  setHome(account: StoredAccount, home: ShardName, generation: number): Promise<boolean>
  appPasswords(account: StoredAccount): Promise<string[]>
  /** @returns false if it was gone already. */
  deleteAccount(account: StoredAccount): Promise<boolean>
  /** Accounts per home shard: reads all accounts, so ask seldom. */
  countAccounts(): Promise<Map<ShardName, number>>
  /** @throws {DirectoryError} DIRECTORY_UNAVAILABLE */
  probe(): Promise<void>
  close(): Promise<void>
}

export function openDirectoryAdmin(access: LdapAccess): DirectoryAdmin {
  return new LdapAdmin(new LdapPool(access))
}

const LIST_LIMIT = 1000

class LdapAdmin implements DirectoryAdmin {
  readonly #pool: LdapPool
  readonly #groups: LdapGroups

  constructor(pool: LdapPool) {
    this.#pool = pool
    this.#groups = new LdapGroups(pool)
  }

  async ensureTree(): Promise<void> {
    const base = this.#pool.baseDn
    const organization = /^o=(.+)$/i.exec(base.split(',')[0] ?? '')?.[1]
    if (organization === undefined)
      throw new DirectoryError('DIRECTORY_REFUSED', `Cannot make ${base}: it must begin with o=`)
    await this.#addIfMissing(base, { objectClass: ['organization'], o: [organization] })
    for (const unit of Object.values(UNITS)) {
      await this.#addIfMissing(unitDn(unit, base), { objectClass: ['organizationalUnit'], ou: [unit] })
    }
  }

  async ensureShards(shards: readonly StoredShard[]): Promise<void> {
    const known = new Map((await this.shards()).map((shard) => [shard.name, shard.active]))
    const wanted = new Map(shards.map((shard) => [shard.name, shard.active]))
    for (const name of new Set([...known.keys(), ...wanted.keys()])) {
      const active = wanted.get(name) ?? false
      const status = active ? 'active' : 'draining'
      const entry = dn([['cn', name]], unitDn(UNITS.shards, this.#pool.baseDn))
      if (!known.has(name)) {
        await this.#addIfMissing(entry, { objectClass: ['twinpostShard'], cn: [name], twinpostStatus: [status] })
      } else if (known.get(name) !== active) {
        await this.#write((client) => client.modify(entry, [replace('twinpostStatus', [status])]))
      }
    }
  }

  async shards(): Promise<StoredShard[]> {
    const found = await this.#all(
      UNITS.shards,
      equals('objectClass', 'twinpostShard'),
      ['cn', 'twinpostStatus'],
      LIST_LIMIT,
    )
    return found.map(shardFrom).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async ensureDomain(domain: StoredDomain): Promise<boolean> {
    const name = canonicalDomain(domain.name)
    if (name === null)
      throw new DirectoryError('DIRECTORY_ADDRESS', `Cannot use ${JSON.stringify(domain.name)} as a domain name`)
    const existing = await this.domain(name)
    const kept = {
      ...(existing?.owner === undefined ? {} : { owner: existing.owner }),
      ...(existing?.filter === undefined ? {} : { filter: existing.filter }),
      sending: existing?.sending ?? null,
    }
    const wanted = { ...kept, ...domain, name }
    if (existing && JSON.stringify(domainEntry(existing)) === JSON.stringify(domainEntry(wanted))) return false
    const entry = domainEntry(wanted)
    const target = this.#domainDn(name)
    if (!existing && (await this.#addIfMissing(target, { objectClass: ['twinpostDomain'], ...present(entry) })))
      return true
    const changes = Object.entries(entry)
      .filter(([type]) => type !== 'associatedDomain')
      .map(([type, list]) => replace(type, list))
    await this.#write((client) => client.modify(target, changes))
    return true
  }

  async removeDomain(name: string, owner: string): Promise<boolean> {
    if ((await this.domain(name))?.owner !== owner) return false
    try {
      await this.#write((client) => client.del(this.#domainDn(name.toLowerCase())))
      return true
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) return false
      throw error
    }
  }

  async domain(name: string): Promise<StoredDomain | null> {
    const canonical = canonicalDomain(name)
    if (canonical === null) return null
    const [entry] = await this.#all(UNITS.domains, equals('associatedDomain', canonical), DOMAIN_ATTRIBUTES, 1)
    return entry ? domainFrom(entry) : null
  }

  async listDomains(): Promise<StoredDomain[]> {
    const found = await this.#all(UNITS.domains, equals('objectClass', 'twinpostDomain'), DOMAIN_ATTRIBUTES, Infinity)
    return found.map(domainFrom).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async domainsNaming(address: string): Promise<string[]> {
    const which = or(equals('twinpostPostmaster', address), equals('twinpostCatchAll', address))
    const filter = and(equals('objectClass', 'twinpostDomain'), which)
    const found = (await this.#all(UNITS.domains, filter, DOMAIN_ATTRIBUTES, LIST_LIMIT)).map(domainFrom)
    return found.filter(({ active }) => active).map(({ name }) => name)
  }

  async listAccounts(filter: AccountFilter & { readonly limit?: number } = {}): Promise<StoredAccount[]> {
    const found = await this.#all(UNITS.people, accountsFilter(filter), ACCOUNT_ATTRIBUTES, filter.limit ?? LIST_LIMIT)
    return found.map(accountFrom).sort((a, b) => (a.address < b.address ? -1 : 1))
  }

  async eachAccount(
    filter: AccountFilter,
    take: (accounts: readonly StoredAccount[]) => Promise<boolean> | boolean,
  ): Promise<void> {
    const listing = { unit: UNITS.people, filter: accountsFilter(filter), attributes: ACCOUNT_ATTRIBUTES }
    await eachPage(this.#pool, listing, (entries) => take(entries.map(accountFrom)))
  }

  async account(addressOrId: string): Promise<StoredAccount | null> {
    const which = or(equals('mailLocalAddress', addressOrId.toLowerCase()), equals('twinpostAccountId', addressOrId))
    const filter = and(equals('objectClass', 'twinpostAccount'), which)
    const [entry] = await this.#all(UNITS.people, filter, ACCOUNT_ATTRIBUTES, 1)
    return entry ? accountFrom(entry) : null
  }

  async addAccount(account: NewAccount): Promise<AddOutcome> {
    const target = this.#accountDn(account)
    try {
      await this.#write((client) => client.add(target, accountEntry(account)))
    } catch (error) {
      if (isResult(error, Result.entryAlreadyExists)) {
        const existing = await this.account(account.address)
        if (existing) return { kind: 'exists', account: existing }
      }
      const taken = await this.#takenAddress(account, error)
      if (taken === null) throw error
      return { kind: 'address-taken', address: taken }
    }
    const { secrets: _, ...stored } = account
    return { kind: 'added', account: { ...stored, status: 'creating', generation: 1, deletion: null } }
  }

  async updateAccount(account: StoredAccount, command: string, change: AccountChange): Promise<boolean> {
    const changes = markChanges(account.lastCommand, command)
    if (change.status) changes.push(replace('twinpostStatus', [change.status]))
    if (change.quotaBytes !== undefined) {
      changes.push(replace('twinpostQuotaBytes', change.quotaBytes === null ? [] : [String(change.quotaBytes)]))
    }
    if (change.filter !== undefined) {
      const text = formatFilterWish(change.filter)
      changes.push(replace('twinpostFilter', text === '' ? [] : [text]))
    }
    if (change.secrets) {
      changes.push(replace('twinpostPasswordHash', [change.secrets.passwordHash]))
      changes.push(replace('twinpostScramKeys', [change.secrets.scramKeys]))
    }
    if (change.addAppPassword || change.removeAppPassword !== undefined) {
      const name = change.addAppPassword?.name ?? change.removeAppPassword
      const kept = (await this.#appPasswordTexts(account)).filter((text) => !text.startsWith(`${name} `))
      if (change.addAppPassword) kept.push(formatAppPassword(change.addAppPassword))
      changes.push(replace('twinpostAppPassword', kept))
    }
    const { addAlias, removeAlias, displayName, deletion } = change
    if (addAlias !== undefined && addAlias !== account.address && !account.aliases.includes(addAlias)) {
      changes.push(add('mailLocalAddress', [addAlias]))
    }
    if (removeAlias !== undefined && account.aliases.includes(removeAlias)) {
      changes.push(remove('mailLocalAddress', [removeAlias]))
    }
    if (displayName !== undefined) {
      changes.push(...['displayName', 'cn', 'sn'].map((name) => replace(name, [displayName])))
    }
    if (deletion !== undefined) {
      changes.push(replace('twinpostDeletion', deletion === null ? [] : [deletionText(deletion)]))
    }
    if (changes.length === 0) return true
    return await this.#modifyAccount(account, changes, addAlias)
  }

  async setHome(account: StoredAccount, home: ShardName, generation: number): Promise<boolean> {
    const [before, after] = [String(account.generation), String(generation)]
    const changes = [
      ...(before === after ? [] : [remove('twinpostGeneration', [before]), add('twinpostGeneration', [after])]),
      replace('twinpostShard', [home]),
      replace('mailHost', [splitShardName(home).mailNode]),
    ]
    return await this.#modifyAccount(account, changes, undefined)
  }

  async renameAccount(account: StoredAccount, command: string, to: string): Promise<boolean> {
    // Both addresses first, then the name of the entry: whoever asks in between finds the account by either.
    if (command !== account.lastCommand) {
      const changes = [...markChanges(account.lastCommand, command), replace('mailRoutingAddress', [to])]
      if (!account.aliases.includes(to)) changes.push(add('mailLocalAddress', [to]))
      if (!(await this.#modifyAccount(account, changes, to))) return false
    }
    if (account.address === to) return true
    try {
      await this.#write((client) => client.modifyDN(this.#accountDn(account), `mail=${escapeDnValue(to)}`))
      return true
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) return false
      if (isResult(error, Result.entryAlreadyExists)) throw taken(to, error)
      throw error
    }
  }

  /** @returns false if it came too late. */
  async #modifyAccount(account: StoredAccount, changes: Change[], newAddress: string | undefined): Promise<boolean> {
    try {
      await this.#write((client) => client.modify(this.#accountDn(account), changes))
      return true
    } catch (error) {
      if (isResult(error, ...TOO_LATE)) return false
      if (newAddress !== undefined && isResult(error, Result.constraintViolation)) throw taken(newAddress, error)
      throw error
    }
  }

  group(address: string): Promise<StoredGroup | null> {
    return this.#groups.group(address)
  }

  addGroup(group: StoredGroup): Promise<AddGroupOutcome> {
    return this.#groups.addGroup(group)
  }

  updateGroup(group: StoredGroup, command: string, change: GroupChange): Promise<boolean> {
    return this.#groups.updateGroup(group, command, change)
  }

  deleteGroup(group: StoredGroup): Promise<boolean> {
    return this.#groups.deleteGroup(group)
  }

  eachGroup(
    filter: { readonly domain?: string; readonly member?: string },
    take: (groups: readonly StoredGroup[]) => Promise<boolean> | boolean,
  ): Promise<void> {
    return this.#groups.eachGroup(filter, take)
  }

  replaceMember(member: string, to: string | null): Promise<string[]> {
    return this.#groups.replaceMember(member, to)
  }

  async appPasswords(account: StoredAccount): Promise<string[]> {
    return (await this.#appPasswordTexts(account)).map((text) => text.slice(0, text.indexOf(' '))).sort()
  }

  async deleteAccount(account: StoredAccount): Promise<boolean> {
    try {
      await this.#write((client) => client.del(this.#accountDn(account)))
      return true
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) return false
      throw error
    }
  }

  async countAccounts(): Promise<Map<ShardName, number>> {
    const counts = new Map<ShardName, number>()
    const filter = equals('objectClass', 'twinpostAccount')
    await eachPage(this.#pool, { unit: UNITS.people, filter, attributes: ['twinpostShard'] }, (entries) => {
      for (const entry of entries) {
        const name = values(entry, 'twinpostShard')[0]
        if (name === undefined) continue
        const shard = toShardName(name)
        counts.set(shard, (counts.get(shard) ?? 0) + 1)
      }
      return true
    })
    return counts
  }

  async probe(): Promise<void> {
    const base = unitDn(UNITS.people, this.#pool.baseDn)
    await this.#pool.read((client) => client.search(base, { scope: 'base', attributes: ['ou'] }))
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }

  #domainDn(name: string): string {
    return dn([['associatedDomain', name]], unitDn(UNITS.domains, this.#pool.baseDn))
  }

  #accountDn(account: Pick<StoredAccount, 'address'>): string {
    return dn([['mail', account.address]], unitDn(UNITS.people, this.#pool.baseDn))
  }

  async #appPasswordTexts(account: StoredAccount): Promise<string[]> {
    const filter = equals('twinpostAccountId', account.id)
    const [entry] = await this.#all(UNITS.people, filter, ['twinpostAppPassword'], 1)
    return entry ? values(entry, 'twinpostAppPassword') : []
  }

  /** Which address another account has, when that is why an add failed; null when it is not. */
  async #takenAddress(account: NewAccount, error: unknown): Promise<string | null> {
    if (!isResult(error, Result.constraintViolation) && !isResult(error, Result.entryAlreadyExists)) return null
    for (const address of [account.address, ...account.aliases]) {
      const holder = await this.account(address)
      if (holder ? holder.id !== account.id : (await this.group(address)) !== null) return address
    }
    return null
  }

  /** @returns false if the entry was there. */
  async #addIfMissing(target: string, entry: Record<string, string[]>): Promise<boolean> {
    try {
      await this.#write((client) => client.add(target, entry))
      return true
    } catch (error) {
      if (isResult(error, Result.entryAlreadyExists)) return false
      throw error
    }
  }

  async #write<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    return await this.#pool.write(ask)
  }

  async #all(unit: Unit, filter: string, attributes: readonly string[], limit: number): Promise<RawEntry[]> {
    return await findEntries(this.#pool, { unit, filter, attributes }, limit)
  }
}

function accountsFilter({ domain, home, status, contains: part }: AccountFilter): string {
  const clauses = [equals('objectClass', 'twinpostAccount')]
  if (domain !== undefined) clauses.push(endsWith('mail', `@${domain.toLowerCase()}`))
  if (home !== undefined) clauses.push(equals('twinpostShard', home))
  if (status !== undefined) clauses.push(equals('twinpostStatus', status))
  if (part !== undefined) clauses.push(or(contains('mail', part), contains('displayName', part)))
  return and(...clauses)
}

function taken(address: string, cause: unknown): DirectoryError {
  return new DirectoryError('DIRECTORY_TAKEN', `${address} belongs to somebody else`, { cause })
}

function domainEntry(domain: StoredDomain): Record<string, string[]> {
  return {
    associatedDomain: [domain.name],
    twinpostStatus: [domain.active ? 'active' : 'inactive'],
    twinpostPostmaster: domain.postmaster === null ? [] : [domain.postmaster],
    twinpostCatchAll: domain.catchAll === null ? [] : [domain.catchAll],
    twinpostDefaultDomain: domain.isDefault ? ['TRUE'] : [],
    twinpostFilter: [formatFilterWish(domain.filter ?? NO_WISH)].filter((text) => text !== ''),
    twinpostSending: domain.sending ? [domain.sending] : [],
    description: domain.owner === undefined ? [] : [domain.owner],
  }
}

function present(entry: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(entry).filter(([, list]) => list.length > 0))
}
