/**
 * Writes and lists of groups. They stand in `ou=people` beside the accounts, so that an address has one holder there, and
 * are changed like those: an add finds its entry, a change carries its command's mark.
 */

import type { Change } from 'ldapts'
import type { GroupSenders } from '#lib/directory/port.ts'
import { type FilterWish, formatFilterWish } from '#lib/filter/settings.ts'
import { GROUP_ATTRIBUTES, groupEntry, groupFrom, type RawEntry, type StoredGroup } from './entry.ts'
import { eachPage, findEntries } from './listing.ts'
import { and, dn, endsWith, equals } from './names.ts'
import type { LdapPool } from './pool.ts'
import { UNITS, unitDn } from './schema.ts'
import { add, isResult, markChanges, Result, remove, replace, TOO_LATE } from './writes.ts'

export type AddGroupOutcome =
  | { readonly kind: 'added' }
  | { readonly kind: 'exists'; readonly group: StoredGroup }
  /** One of the addresses belongs to somebody else. */
  | { readonly kind: 'address-taken' }

export interface GroupChange {
  readonly displayName?: string
  readonly senders?: GroupSenders
  readonly filter?: FilterWish
  /** All of them, as they shall be. */
  readonly members?: readonly string[]
}

export interface GroupAdmin {
  /** By any of its addresses, canonical. */
  group(address: string): Promise<StoredGroup | null>
  addGroup(group: StoredGroup): Promise<AddGroupOutcome>
  /** Like `updateAccount`: false if somebody else changed it or it is gone. */
  updateGroup(group: StoredGroup, command: string, change: GroupChange): Promise<boolean>
  /** @returns false if it was gone already. */
  deleteGroup(group: StoredGroup): Promise<boolean>
  /** A page at a time, in the directory's order. @param take Returns false to hear no more. */
  eachGroup(
    filter: { readonly domain?: string; readonly member?: string },
    take: (groups: readonly StoredGroup[]) => Promise<boolean> | boolean,
  ): Promise<void>
  /** Puts `to` in the place of a member in every group that has it; null: it is taken out. @returns addresses of the groups. */
  replaceMember(member: string, to: string | null): Promise<string[]>
}

export class LdapGroups implements GroupAdmin {
  readonly #pool: LdapPool

  constructor(pool: LdapPool) {
    this.#pool = pool
  }

  async group(address: string): Promise<StoredGroup | null> {
    const filter = and(equals('objectClass', 'twinpostGroup'), equals('mailLocalAddress', address))
    const [entry] = await findEntries(this.#pool, { ...LISTING, filter }, 1)
    return entry ? groupFrom(entry) : null
  }

  async addGroup(group: StoredGroup): Promise<AddGroupOutcome> {
    try {
      await this.#pool.write((client) => client.add(this.#dn(group), groupEntry(group)))
      return { kind: 'added' }
    } catch (error) {
      if (!isResult(error, Result.entryAlreadyExists, Result.constraintViolation)) throw error
      const existing = await this.group(group.address)
      return existing?.address === group.address ? { kind: 'exists', group: existing } : { kind: 'address-taken' }
    }
  }

  async updateGroup(group: StoredGroup, command: string, change: GroupChange): Promise<boolean> {
    const changes = markChanges(group.lastCommand, command)
    if (change.displayName !== undefined) {
      changes.push(replace('displayName', [change.displayName]), replace('cn', [change.displayName]))
    }
    if (change.senders) changes.push(replace('twinpostSenders', [change.senders]))
    if (change.filter !== undefined) {
      const text = formatFilterWish(change.filter)
      changes.push(replace('twinpostFilter', text === '' ? [] : [text]))
    }
    if (change.members) changes.push(replace('twinpostMember', change.members))
    return changes.length === 0 || (await this.#modify(group, changes))
  }

  async deleteGroup(group: StoredGroup): Promise<boolean> {
    try {
      await this.#pool.write((client) => client.del(this.#dn(group)))
      return true
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) return false
      throw error
    }
  }

  async eachGroup(
    { domain, member }: { readonly domain?: string; readonly member?: string },
    take: (groups: readonly StoredGroup[]) => Promise<boolean> | boolean,
  ): Promise<void> {
    const clauses = [equals('objectClass', 'twinpostGroup')]
    if (domain !== undefined) clauses.push(endsWith('mail', `@${domain.toLowerCase()}`))
    if (member !== undefined) clauses.push(equals('twinpostMember', member))
    const map = (entries: readonly RawEntry[]) => take(entries.map(groupFrom))
    await eachPage(this.#pool, { ...LISTING, filter: and(...clauses) }, map)
  }

  async replaceMember(member: string, to: string | null): Promise<string[]> {
    const found: StoredGroup[] = []
    await this.eachGroup({ member }, (groups) => {
      found.push(...groups)
      return true
    })
    for (const group of found) {
      const changes = [remove('twinpostMember', [member])]
      if (to !== null && !group.members.includes(to)) changes.push(add('twinpostMember', [to]))
      await this.#modify(group, changes) // false: it was taken out meanwhile, which is what was wanted
    }
    return found.flatMap(({ address, aliases }) => [address, ...aliases])
  }

  async #modify(group: Pick<StoredGroup, 'address'>, changes: Change[]): Promise<boolean> {
    try {
      await this.#pool.write((client) => client.modify(this.#dn(group), changes))
      return true
    } catch (error) {
      if (isResult(error, ...TOO_LATE)) return false
      throw error
    }
  }

  #dn({ address }: Pick<StoredGroup, 'address'>): string {
    return dn([['mail', address]], unitDn(UNITS.people, this.#pool.baseDn))
  }
}

const LISTING = { unit: UNITS.people, attributes: GROUP_ATTRIBUTES } as const
