/**
 * Writes and lists for provisioning, operator and command line. Every write may be repeated: an add finds its entry, a change
 * carries its place in the command stream, a delete of nothing succeeds. What was lost on the way is answered by doing it again.
 */
import { Attribute, Change, type Client, ResultCodeError } from 'ldapts'
import type { ShardName } from '#lib/mail/types.ts'
import { toShardName } from '#lib/mail/types.ts'
import { type AppPassword, formatAppPassword } from '#lib/sasl/app-password.ts'
import type { StoredSecrets } from '#lib/sasl/secrets.ts'
import { canonicalDomain } from './address.ts'
import {
  ACCOUNT_ATTRIBUTES,
  accountEntry,
  accountFrom,
  DOMAIN_ATTRIBUTES,
  domainFrom,
  type NewAccount,
  type RawEntry,
  type StoredAccount,
  type StoredDomain,
  type StoredShard,
  type StoredStatus,
  shardFrom,
  values,
} from './entry.ts'
import { DirectoryError } from './errors.ts'
import { PAGE_ENTRIES } from './limits.ts'
import { and, dn, endsWith, equals, or } from './names.ts'
import { type LdapAccess, LdapPool } from './pool.ts'
import { UNITS, type Unit, unitDn } from './schema.ts'

/** RFC 4511 appendix A.1. */
const Result = {
  noSuchAttribute: 16,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  noSuchObject: 32,
  entryAlreadyExists: 68,
} as const

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
  readonly addAppPassword?: AppPassword
  readonly removeAppPassword?: string
}

export interface AccountFilter {
  readonly domain?: string
  readonly home?: ShardName
  /** Default: 1000. */
  readonly limit?: number
}

export interface DirectoryAdmin {
  /** Adds the base entry and its units where they are missing. */
  ensureTree(): Promise<void>
  /** Makes `ou=shards` say this: those not named stay, but get no new accounts. */
  ensureShards(shards: readonly StoredShard[]): Promise<void>
  shards(): Promise<StoredShard[]>
  /**
   * Makes the entry say this; an owner that is not named here stays as it is.
   * @returns true if anything changed. @throws {DirectoryError} DIRECTORY_ADDRESS for a name that is none
   */
  ensureDomain(domain: StoredDomain): Promise<boolean>
  /** Removes the entry if `owner` keeps it. Accounts below the domain stay. @returns false if there was no such entry. */
  removeDomain(name: string, owner: string): Promise<boolean>
  domain(name: string): Promise<StoredDomain | null>
  listDomains(): Promise<StoredDomain[]>
  /** In the order of addresses. */
  listAccounts(filter?: AccountFilter): Promise<StoredAccount[]>
  /** By any of its addresses (canonical) or by its id, in whatever status. */
  account(addressOrId: string): Promise<StoredAccount | null>
  /** The add is the choice of the shard: it fails if the entry exists. Status `creating`, generation 1. */
  addAccount(account: NewAccount): Promise<AddOutcome>
  /**
   * Changes the entry if `account` is still how it was read, and notes `command` as the last one applied.
   * @returns false if somebody else changed it or it is gone: read again.
   */
  updateAccount(account: StoredAccount, command: string, change: AccountChange): Promise<boolean>
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

  constructor(pool: LdapPool) {
    this.#pool = pool
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
    const wanted = { ...(existing?.owner === undefined ? {} : { owner: existing.owner }), ...domain, name }
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

  async listAccounts(filter: AccountFilter = {}): Promise<StoredAccount[]> {
    const clauses = [equals('objectClass', 'twinpostAccount')]
    if (filter.domain !== undefined) clauses.push(endsWith('mail', `@${filter.domain.toLowerCase()}`))
    if (filter.home !== undefined) clauses.push(equals('twinpostShard', filter.home))
    const found = await this.#all(UNITS.people, and(...clauses), ACCOUNT_ATTRIBUTES, filter.limit ?? LIST_LIMIT)
    return found.map(accountFrom).sort((a, b) => (a.address < b.address ? -1 : 1))
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
    return { kind: 'added', account: { ...stored, status: 'creating', generation: 1 } }
  }

  async updateAccount(account: StoredAccount, command: string, change: AccountChange): Promise<boolean> {
    const changes: Change[] = []
    // Deleting the old value and adding the new one is one atomic step that fails if another writer was faster.
    if (command !== account.lastCommand) {
      changes.push(remove('twinpostLastCommand', [account.lastCommand]), add('twinpostLastCommand', [command]))
    }
    if (change.status) changes.push(replace('twinpostStatus', [change.status]))
    if (change.quotaBytes !== undefined) {
      changes.push(replace('twinpostQuotaBytes', change.quotaBytes === null ? [] : [String(change.quotaBytes)]))
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
    if (changes.length === 0) return true
    try {
      await this.#write((client) => client.modify(this.#accountDn(account), changes))
      return true
    } catch (error) {
      const codes = [Result.noSuchAttribute, Result.attributeOrValueExists, Result.noSuchObject]
      if (codes.some((code) => isResult(error, code))) return false
      throw error
    }
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
    for (const entry of await this.#all(UNITS.people, filter, ['twinpostShard'], Infinity)) {
      const name = values(entry, 'twinpostShard')[0]
      if (name === undefined) continue
      const shard = toShardName(name)
      counts.set(shard, (counts.get(shard) ?? 0) + 1)
    }
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
      if (holder && holder.id !== account.id) return address
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
    const base = unitDn(unit, this.#pool.baseDn)
    return await this.#pool.read(async (client) => {
      const entries: RawEntry[] = []
      const pageSize = Math.min(PAGE_ENTRIES, limit)
      const options = { scope: 'one' as const, filter, attributes: [...attributes], paged: { pageSize } }
      for await (const page of client.searchPaginated(base, options)) {
        entries.push(...page.searchEntries)
        if (entries.length >= limit) break
      }
      return entries.slice(0, limit === Infinity ? entries.length : limit)
    })
  }
}

function domainEntry(domain: StoredDomain): Record<string, string[]> {
  return {
    associatedDomain: [domain.name],
    twinpostStatus: [domain.active ? 'active' : 'inactive'],
    twinpostPostmaster: domain.postmaster === null ? [] : [domain.postmaster],
    twinpostCatchAll: domain.catchAll === null ? [] : [domain.catchAll],
    twinpostDefaultDomain: domain.isDefault ? ['TRUE'] : [],
    description: domain.owner === undefined ? [] : [domain.owner],
  }
}

function present(entry: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(entry).filter(([, list]) => list.length > 0))
}

function change(operation: 'add' | 'delete' | 'replace', type: string, list: readonly string[]): Change {
  return new Change({ operation, modification: new Attribute({ type, values: [...list] }) })
}

const add = (type: string, list: readonly string[]) => change('add', type, list)
const remove = (type: string, list: readonly string[]) => change('delete', type, list)
const replace = (type: string, list: readonly string[]) => change('replace', type, list)

function isResult(error: unknown, code: number): boolean {
  return error instanceof ResultCodeError && error.code === code
}
