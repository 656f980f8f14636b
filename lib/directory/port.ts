/**
 * The port through which edge and provision see the directory. Adapter over LDAP: `lib/ldap/client.ts`.
 * The directory's word on a home shard is a hint: the shard itself decides (rule 17 of the replication design).
 */
import type { AccountWishes, FilterWish } from '#lib/filter/settings.ts'
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { ScramKeys } from '#lib/sasl/scram.ts'

export type AccountStatus = 'active' | 'suspended' | 'deleting'

export interface DirectoryAccount {
  readonly id: AccountId
  /** Primary address in lower case with an A-label domain: `anna@example.test`. */
  readonly address: string
  /** Other addresses that reach this account. */
  readonly aliases: readonly string[]
  readonly displayName: string
  readonly home: ShardName
  readonly generation: number
  readonly status: AccountStatus
  /** Null: no limit. */
  readonly quotaBytes: number | null
  /** What the account and the domain of the address it was reached by wish of the filter; absent: nothing. */
  readonly wishes?: AccountWishes
}

export interface DirectoryDomain {
  readonly name: string
  readonly active: boolean
  /** Account that gets what no address matches, if any. */
  readonly catchAll: string | null
  /** What senders need of it, sealed (`domain-sending.ts`). */
  readonly sending?: string | null
}

/** Who may write to a group: everybody, users of this array who have logged in, or its members of those. */
export const GROUP_SENDERS = ['anyone', 'internal', 'members'] as const
export type GroupSenders = (typeof GROUP_SENDERS)[number]

/** An address whose mail goes to others. */
export interface DirectoryGroup {
  readonly address: string
  /** Other addresses that reach this group. */
  readonly aliases: readonly string[]
  readonly displayName: string
  readonly senders: GroupSenders
  /** What is wished of the filter for mail that its members get by it; absent: nothing. */
  readonly filter?: FilterWish
  /** Addresses of accounts and of other groups, canonical, in order; one that is gone by now reaches nobody. */
  readonly members: readonly string[]
}

export type AddressLookup =
  | {
      readonly kind: 'account'
      readonly account: DirectoryAccount /** Part after the recipient delimiter `+`, if any. */
      readonly detail: string | null
    }
  | { readonly kind: 'group'; readonly group: DirectoryGroup }
  /** The domain is ours, the address is not: 550 5.1.1. */
  | { readonly kind: 'unknown-address' }
  /** The domain is not ours: mail for it would have to leave the system. */
  | { readonly kind: 'foreign-domain' }

export type PasswordVerdict =
  | {
      readonly kind: 'ok'
      readonly account: DirectoryAccount /** Which secret matched: the password or an app password's name. */
      readonly secret: string
    }
  /** Unknown name or wrong password: the caller cannot tell which. */
  | { readonly kind: 'denied' }
  | { readonly kind: 'suspended'; readonly account: DirectoryAccount }

/** What SCRAM asks for before it knows whether a client can prove anything. */
export interface ScramRecord {
  /** Null: there is no such name, or it has no keys. Then nobody can match `keys`, and they are the same at each try. */
  readonly account: DirectoryAccount | null
  readonly keys: ScramKeys
}

/** What an app password may be used for. */
export type Scope = 'imap' | 'pop3' | 'smtp' | 'sieve'

/** Reads. @throws {DirectoryError} DIRECTORY_UNAVAILABLE when it cannot answer: callers refuse temporarily. */
export interface Directory {
  lookup(address: string): Promise<AddressLookup>
  /** Constant work for known and unknown names; success is cached for at most 5 minutes and dropped on change. */
  checkPassword(login: string, password: string, scope: Scope): Promise<PasswordVerdict>
  /** Constant work for known and unknown names. App passwords have no keys. */
  scramKeys(login: string): Promise<ScramRecord>
  domain(name: string): Promise<DirectoryDomain | null>
  /** Drops what is cached about an account or address; null drops everything. */
  forget(addressOrId: string | null): void
}
