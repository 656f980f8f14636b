/**
 * Port `Directory` over LDAP: addresses to accounts, domains, password checks. What it caches are hints with a short life,
 * dropped on news (`forget`); when the directory cannot answer, it says so and never guesses.
 */
import { createHmac } from 'node:crypto'
import type {
  AddressLookup,
  Directory,
  DirectoryAccount,
  DirectoryDomain,
  DirectoryGroup,
  PasswordVerdict,
  Scope,
  ScramRecord,
} from '#lib/directory/port.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { fakeScramKeys, parseScramKeys } from '#lib/sasl/scram.ts'
import { type Address, addressText, canonicalDomain, parseAddress, splitDetail } from './address.ts'
import { TtlCache } from './cache.ts'
import {
  ACCOUNT_ATTRIBUTES,
  accountFrom,
  DOMAIN_ATTRIBUTES,
  domainFrom,
  GROUP_ATTRIBUTES,
  groupFrom,
  isGroupEntry,
  SECRET_ATTRIBUTES,
  type StoredAccount,
  type StoredDomain,
  type StoredGroup,
  secretsFrom,
} from './entry.ts'
import { CACHE_ENTRIES_MAX, NEGATIVE_TTL_MS, POSITIVE_TTL_MS } from './limits.ts'
import { type LoginRecord, PasswordChecker } from './login.ts'
import { and, equals, or } from './names.ts'
import { type LdapAccess, LdapPool } from './pool.ts'
import { UNITS, unitDn } from './schema.ts'

export interface OpenedDirectory extends Directory {
  /** Resolves when the directory answers. @throws {DirectoryError} DIRECTORY_UNAVAILABLE */
  probe(): Promise<void>
  close(): Promise<void>
}

/** Of whoever has an address: an account or a group. */
const HOLDER_ATTRIBUTES = [...new Set(['objectClass', ...ACCOUNT_ATTRIBUTES, ...GROUP_ATTRIBUTES])]

/** Role addresses that every domain must answer (RFC 2142 section 5 and section 4; rules.md, Delivery). */
const ROLE_ADDRESSES: ReadonlySet<string> = new Set(['postmaster', 'abuse'])

export function openDirectory(
  options: LdapAccess & { readonly clock: Clock; readonly random: Random },
): OpenedDirectory {
  // The same for all edges, across restarts: an unknown name must have one salt wherever it is asked for.
  const scramSecret = createHmac('sha256', options.password).update('salts of unknown names').digest()
  return new LdapDirectory(new LdapPool(options), options.clock, options.random, scramSecret)
}

class LdapDirectory implements OpenedDirectory {
  readonly #pool: LdapPool
  readonly #lookups: TtlCache<AddressLookup>
  readonly #domains: TtlCache<StoredDomain | null>
  /** Active ones: at most one, if nobody but the operator writes. */
  readonly #defaultDomains: TtlCache<readonly StoredDomain[]>
  readonly #checker: PasswordChecker
  readonly #scramSecret: Uint8Array

  constructor(pool: LdapPool, clock: Clock, random: Random, scramSecret: Uint8Array) {
    this.#pool = pool
    this.#scramSecret = scramSecret
    this.#lookups = new TtlCache(clock, CACHE_ENTRIES_MAX, (found) => ttlMs(found.kind === 'account'))
    this.#domains = new TtlCache(clock, CACHE_ENTRIES_MAX, (found) => ttlMs(found !== null))
    this.#defaultDomains = new TtlCache(clock, 1, (found) => ttlMs(found.length > 0))
    this.#checker = new PasswordChecker({
      clock,
      random,
      find: (address) => this.#loginRecord(address),
      current: async (address) => {
        const found = await this.lookup(address)
        return found.kind === 'account' && found.detail === null ? found.account : null
      },
    })
  }

  async lookup(text: string): Promise<AddressLookup> {
    if (text.toLowerCase() === 'postmaster') return await this.#defaultPostmaster()
    const address = parseAddress(text)
    if (address === null) return await this.#unusable(text)
    return await this.#lookups.get(addressText(address), () => this.#find(address))
  }

  async checkPassword(login: string, password: string, scope: Scope): Promise<PasswordVerdict> {
    return await this.#checker.check(await this.#loginAddress(login), password, scope)
  }

  async scramKeys(login: string): Promise<ScramRecord> {
    const address = await this.#loginAddress(login)
    const record = address === null ? null : await this.#loginRecord(address)
    const keys = parseScramKeys(record?.secrets.scramKeys ?? '')
    // Of the address, not of what was typed: two ways to write one name must not differ only where nobody has it.
    if (record === null || keys === null) {
      return { account: null, keys: fakeScramKeys(address ?? login, this.#scramSecret) }
    }
    return { account: record.account, keys }
  }

  async domain(name: string): Promise<DirectoryDomain | null> {
    const canonical = canonicalDomain(name)
    return canonical === null ? null : await this.#domain(canonical)
  }

  /** Also takes the name of a domain that changed. */
  forget(what: string | null): void {
    if (what === null) {
      this.#lookups.forget(null)
      this.#domains.forget(null)
      this.#defaultDomains.forget(null)
      this.#checker.forget(null)
      return
    }
    const wanted = what.toLowerCase()
    // News of a domain: it may be the default one, or be so no longer.
    if (!wanted.includes('@')) this.#defaultDomains.forget(null)
    this.#lookups.forget(
      (key, found) =>
        key === wanted ||
        key.endsWith(`@${wanted}`) ||
        withoutDetail(key) === wanted ||
        (found.kind === 'account' && isCalled(found.account, wanted)) ||
        (found.kind === 'group' && (has(found.group, wanted) || found.group.members.includes(wanted))),
    )
    this.#domains.forget((key) => key === wanted)
    this.#checker.forget(wanted)
  }

  async probe(): Promise<void> {
    const base = unitDn(UNITS.people, this.#pool.baseDn)
    await this.#pool.read((client) => client.search(base, { scope: 'base', attributes: ['ou'] }))
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }

  #domain(name: string): Promise<StoredDomain | null> {
    return this.#domains.get(name, async () => {
      const found = await this.#search(UNITS.domains, equals('associatedDomain', name), DOMAIN_ATTRIBUTES)
      return found[0] ? domainFrom(found[0]) : null
    })
  }

  async #find(address: Address): Promise<AddressLookup> {
    const { user, detail } = splitDetail(address.local)
    const exact = addressText(address)
    const withoutDetail = addressText({ ...address, local: user })
    const [domain, { accounts, groups }] = await Promise.all([
      this.#domain(address.domain),
      this.#holders(exact === withoutDetail ? [exact] : [exact, withoutDetail]),
    ])
    if (!domain?.active) return { kind: 'foreign-domain' }
    const whole = accounts.find((account) => has(account, exact))
    if (whole) return reached(whole, null, domain)
    const group = groups.find((candidate) => has(candidate, exact) || has(candidate, withoutDetail))
    if (group) return { kind: 'group', group: asPublicGroup(group) }
    const subaddressed = accounts.find((account) => has(account, withoutDetail))
    if (subaddressed) return reached(subaddressed, detail, domain)
    if (ROLE_ADDRESSES.has(user)) return await this.#postmasterOf(domain)
    if (domain.catchAll !== null) return await this.#accountAt(domain.catchAll, domain)
    return { kind: 'unknown-address' }
  }

  /** The domain's postmaster, else the default domain's: mail for postmaster and abuse always reaches a mailbox. */
  async #postmasterOf(domain: StoredDomain): Promise<AddressLookup> {
    const own: AddressLookup =
      domain.postmaster === null ? { kind: 'unknown-address' } : await this.#accountAt(domain.postmaster, domain)
    return own.kind === 'account' || domain.isDefault ? own : await this.#defaultPostmaster()
  }

  /** RFC 5321 section 4.5.1: `postmaster` without a domain is always accepted. */
  async #defaultPostmaster(): Promise<AddressLookup> {
    return await this.#lookups.get('postmaster', async () => {
      const domain = (await this.#activeDefaults()).find((candidate) => candidate.postmaster !== null)
      return domain?.postmaster ? await this.#accountAt(domain.postmaster) : { kind: 'unknown-address' }
    })
  }

  #activeDefaults(): Promise<readonly StoredDomain[]> {
    return this.#defaultDomains.get('', async () => {
      const found = await this.#search(UNITS.domains, equals('twinpostDefaultDomain', 'TRUE'), DOMAIN_ATTRIBUTES)
      return found.map(domainFrom).filter(({ active }) => active)
    })
  }

  /** The canonical address that a client logs in as: without a domain it is one of the default domain. Null: it cannot be any. */
  async #loginAddress(login: string): Promise<string | null> {
    const [domain] = login.includes('@') ? [] : await this.#activeDefaults()
    const address = parseAddress(domain === undefined ? login : `${login}@${domain.name}`)
    return address && addressText(address)
  }

  /** @param domain Whose mail it gets; absent: that of all. */
  async #accountAt(address: string, domain?: StoredDomain): Promise<AddressLookup> {
    const [account] = await this.#accounts([address])
    return account ? reached(account, null, domain) : { kind: 'unknown-address' }
  }

  /** An address that no account can have: the answer depends on whose domain it names. */
  async #unusable(text: string): Promise<AddressLookup> {
    const name = canonicalDomain(text.slice(text.lastIndexOf('@') + 1))
    const domain = name === null || !text.includes('@') ? null : await this.#domain(name)
    return domain?.active ? { kind: 'unknown-address' } : { kind: 'foreign-domain' }
  }

  async #accounts(addresses: readonly string[]): Promise<Existing[]> {
    return (await this.#holders(addresses)).accounts
  }

  async #holders(addresses: readonly string[]): Promise<{ accounts: Existing[]; groups: StoredGroup[] }> {
    const names = addresses.map((address) => equals('mailLocalAddress', address))
    const either = or(equals('objectClass', 'twinpostAccount'), equals('objectClass', 'twinpostGroup'))
    const filter = and(either, names.length === 1 ? (names[0] ?? '') : or(...names))
    const found = await this.#search(UNITS.people, filter, HOLDER_ATTRIBUTES)
    return {
      accounts: found
        .filter((entry) => !isGroupEntry(entry))
        .map(accountFrom)
        .filter(exists),
      groups: found.filter(isGroupEntry).map(groupFrom),
    }
  }

  async #loginRecord(address: string): Promise<LoginRecord | null> {
    const filter = and(equals('objectClass', 'twinpostAccount'), equals('mailLocalAddress', address))
    const found = await this.#search(UNITS.people, filter, [...ACCOUNT_ATTRIBUTES, ...SECRET_ATTRIBUTES])
    const entry = found[0]
    if (!entry) return null
    const account = accountFrom(entry)
    return exists(account) ? { account: asPublic(account), secrets: secretsFrom(entry) } : null
  }

  async #search(unit: 'people' | 'domains', filter: string, attributes: readonly string[]) {
    const base = unitDn(unit, this.#pool.baseDn)
    const options = { scope: 'one' as const, filter, attributes: [...attributes] }
    return (await this.#pool.read((client) => client.search(base, options))).searchEntries
  }
}

function ttlMs(positive: boolean): number {
  return positive ? POSITIVE_TTL_MS : NEGATIVE_TTL_MS
}

/** Accounts that exist for mail and login: not those in the making or on their way out. */
type Existing = StoredAccount & { readonly status: 'active' | 'suspended' }

function exists(account: StoredAccount): account is Existing {
  return account.status === 'active' || account.status === 'suspended'
}

function has(account: Pick<StoredAccount, 'address' | 'aliases'>, address: string): boolean {
  return account.address === address || account.aliases.includes(address)
}

function isCalled(account: DirectoryAccount, name: string): boolean {
  return account.id === name || account.address === name || account.aliases.includes(name)
}

function withoutDetail(address: string): string {
  const at = address.lastIndexOf('@')
  return splitDetail(address.slice(0, at)).user + address.slice(at)
}

function reached(account: Existing, detail: string | null, domain?: StoredDomain): AddressLookup {
  const wishes = { own: account.filter ?? null, domain: domain?.filter ?? null }
  const wished = wishes.own !== null || wishes.domain !== null
  return { kind: 'account', account: { ...asPublic(account), ...(wished && { wishes }) }, detail }
}

function asPublicGroup({ lastCommand: _, ...group }: StoredGroup): DirectoryGroup {
  return group
}

function asPublic(account: Existing): DirectoryAccount {
  const { id, address, aliases, displayName, home, generation, quotaBytes, status } = account
  return { id, address, aliases, displayName, home, generation, quotaBytes, status }
}
