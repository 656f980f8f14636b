/** Entries of the directory as records of ours, and back. Names of attributes are taken in any case. */
import {
  type AccountStatus,
  type DirectoryAccount,
  type DirectoryDomain,
  type DirectoryGroup,
  GROUP_SENDERS,
} from '#lib/directory/port.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type FilterWish, parseFilterWish } from '#lib/filter/settings.ts'
import { type ShardName, splitShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import { type AppPassword, parseAppPassword } from '#lib/sasl/app-password.ts'
import type { StoredSecrets } from '#lib/sasl/secrets.ts'
import { DirectoryError } from './errors.ts'

/** An entry as a client library gives it: values are strings; an attribute may be missing or single. */
export interface RawEntry {
  readonly dn: string
  readonly [attribute: string]: unknown
}

/** `creating` is told to provisioning only: for mail and login the account does not exist yet. */
export type StoredStatus = AccountStatus | 'creating'

export interface StoredAccount extends Omit<DirectoryAccount, 'status'> {
  readonly status: StoredStatus
  readonly locale: string
  readonly entitlements: readonly string[]
  /** Place in the command stream of the last command applied: `<stream>:<sequence>`. */
  readonly lastCommand: string
  /** With the status `deleting`: until when the deletion can be undone. Null: it cannot, or the account is not deleted. */
  readonly deletion: Deletion | null
  /** Absent: nothing is wished. */
  readonly filter?: FilterWish
}

export interface Deletion {
  /** Wall-clock time, milliseconds, from which on the account goes for good. */
  readonly atMs: number
  /** Status that undoing brings back. */
  readonly before: 'active' | 'suspended'
}

export interface StoredGroup extends DirectoryGroup {
  readonly lastCommand: string
}

export interface StoredDomain extends DirectoryDomain {
  readonly postmaster: string | null
  readonly isDefault: boolean
  /** Who keeps the entry, as `Domain mail/example`; absent: made by hand or by a command. */
  readonly owner?: string
  /** What holds for all of the domain; absent: nothing is wished, or, where it is written, as it is. */
  readonly filter?: FilterWish
  /** Absent: nothing is there, or, where it is written, it stays as it is; null: takes it out. */
  readonly sending?: string | null
}

export interface StoredShard {
  readonly name: ShardName
  /** False: keeps its accounts but gets no new ones. */
  readonly active: boolean
}

export interface AccountSecrets {
  readonly passwordHash: string | null
  readonly scramKeys: string | null
  readonly appPasswords: readonly AppPassword[]
}

export const ACCOUNT_ATTRIBUTES = [
  'mail',
  'mailLocalAddress',
  'displayName',
  'preferredLanguage',
  'twinpostAccountId',
  'twinpostShard',
  'twinpostGeneration',
  'twinpostQuotaBytes',
  'twinpostStatus',
  'twinpostEntitlement',
  'twinpostLastCommand',
  'twinpostDeletion',
  'twinpostFilter',
] as const
export const GROUP_ATTRIBUTES = [
  'mail',
  'mailLocalAddress',
  'displayName',
  'twinpostSenders',
  'twinpostMember',
  'twinpostLastCommand',
  'twinpostFilter',
] as const
export const SECRET_ATTRIBUTES = ['twinpostPasswordHash', 'twinpostScramKeys', 'twinpostAppPassword'] as const
export const DOMAIN_ATTRIBUTES = [
  'associatedDomain',
  'twinpostStatus',
  'twinpostPostmaster',
  'twinpostCatchAll',
  'twinpostDefaultDomain',
  'twinpostFilter',
  'twinpostSending',
  'description',
] as const

/** Values of an attribute; none if it is missing. */
export function values(entry: RawEntry, attribute: string): string[] {
  const wanted = attribute.toLowerCase()
  return Object.entries(entry)
    .filter(([name]) => name.toLowerCase() === wanted)
    .flatMap(([, value]) => value)
    .map((item) => (Buffer.isBuffer(item) ? item.toString() : String(item)))
}

const value = (entry: RawEntry, attribute: string): string | null => values(entry, attribute)[0] ?? null

const STATUSES: readonly StoredStatus[] = ['creating', 'active', 'suspended', 'deleting']

/** @throws {DirectoryError} DIRECTORY_ENTRY when something that the schema demands is missing or wrong. */
export function accountFrom(entry: RawEntry): StoredAccount {
  try {
    const address = value(entry, 'mail')?.toLowerCase()
    const status = STATUSES.find((word) => word === value(entry, 'twinpostStatus')?.toLowerCase())
    if (address === undefined || status === undefined) throw new Error('mail or twinpostStatus is missing or unknown')
    const quota = value(entry, 'twinpostQuotaBytes')
    return {
      id: toAccountId(value(entry, 'twinpostAccountId') ?? ''),
      address,
      aliases: values(entry, 'mailLocalAddress')
        .map((alias) => alias.toLowerCase())
        .filter((alias) => alias !== address)
        .sort(),
      displayName: value(entry, 'displayName') ?? address,
      home: toShardName(value(entry, 'twinpostShard') ?? ''),
      generation: whole(value(entry, 'twinpostGeneration')),
      status,
      quotaBytes: quota === null ? null : whole(quota),
      locale: value(entry, 'preferredLanguage') ?? 'en',
      entitlements: values(entry, 'twinpostEntitlement').sort(),
      lastCommand: value(entry, 'twinpostLastCommand') ?? '',
      deletion: parseDeletion(value(entry, 'twinpostDeletion')),
      ...filterOf(entry),
    }
  } catch (cause) {
    throw new DirectoryError('DIRECTORY_ENTRY', `Cannot use the entry ${entry.dn}: ${errorMessage(cause)}`, { cause })
  }
}

function whole(text: string | null): number {
  const number = Number(text)
  if (text === null || !Number.isSafeInteger(number)) throw new Error(`${JSON.stringify(text)} is not a whole number`)
  return number
}

function parseDeletion(text: string | null): Deletion | null {
  const [, at, before] = /^(\d{1,15}) (active|suspended)$/.exec(text ?? '') ?? []
  return at === undefined ? null : { atMs: Number(at), before: before === 'suspended' ? 'suspended' : 'active' }
}

export function deletionText({ atMs, before }: Deletion): string {
  return `${atMs} ${before}`
}

export function isGroupEntry(entry: RawEntry): boolean {
  return values(entry, 'objectClass').some((name) => name.toLowerCase() === 'twinpostgroup')
}

/** @throws {DirectoryError} DIRECTORY_ENTRY when something that the schema demands is missing or wrong. */
export function groupFrom(entry: RawEntry): StoredGroup {
  const address = value(entry, 'mail')?.toLowerCase()
  const senders = GROUP_SENDERS.find((word) => word === value(entry, 'twinpostSenders')?.toLowerCase())
  if (address === undefined || senders === undefined) {
    throw new DirectoryError(
      'DIRECTORY_ENTRY',
      `Cannot use the entry ${entry.dn}: mail or twinpostSenders is missing or unknown`,
    )
  }
  const lower = (attribute: string) => values(entry, attribute).map((text) => text.toLowerCase())
  return {
    address,
    aliases: lower('mailLocalAddress')
      .filter((alias) => alias !== address)
      .sort(),
    displayName: value(entry, 'displayName') ?? address,
    senders,
    members: lower('twinpostMember').sort(),
    lastCommand: value(entry, 'twinpostLastCommand') ?? '',
    ...filterOf(entry),
  }
}

export function groupEntry(group: StoredGroup): Record<string, string[]> {
  return {
    objectClass: ['twinpostGroup'],
    cn: [group.displayName],
    displayName: [group.displayName],
    mail: [group.address],
    mailLocalAddress: [group.address, ...group.aliases],
    twinpostSenders: [group.senders],
    ...(group.members.length > 0 ? { twinpostMember: [...group.members] } : {}),
    twinpostLastCommand: [group.lastCommand],
  }
}

export function secretsFrom(entry: RawEntry): AccountSecrets {
  return {
    passwordHash: value(entry, 'twinpostPasswordHash'),
    scramKeys: value(entry, 'twinpostScramKeys'),
    appPasswords: values(entry, 'twinpostAppPassword').flatMap((text) => parseAppPassword(text) ?? []),
  }
}

export function domainFrom(entry: RawEntry): StoredDomain {
  const sending = value(entry, 'twinpostSending')
  const owner = value(entry, 'description')
  return {
    ...(owner === null ? {} : { owner }),
    ...filterOf(entry),
    ...(sending === null ? {} : { sending }),
    name: (value(entry, 'associatedDomain') ?? '').toLowerCase(),
    active: value(entry, 'twinpostStatus')?.toLowerCase() === 'active',
    catchAll: value(entry, 'twinpostCatchAll')?.toLowerCase() ?? null,
    postmaster: value(entry, 'twinpostPostmaster')?.toLowerCase() ?? null,
    isDefault: value(entry, 'twinpostDefaultDomain') === 'TRUE',
  }
}

/** A malformed wish is none: mail goes on. */
function filterOf(entry: RawEntry): { readonly filter?: FilterWish } {
  const text = value(entry, 'twinpostFilter')
  const filter = text === null ? null : parseFilterWish(text)
  return filter === null ? {} : { filter }
}

export function shardFrom(entry: RawEntry): StoredShard {
  return {
    name: toShardName(value(entry, 'cn') ?? ''),
    active: value(entry, 'twinpostStatus')?.toLowerCase() === 'active',
  }
}

export interface NewAccount extends Omit<StoredAccount, 'status' | 'generation' | 'deletion'> {
  readonly secrets: StoredSecrets
}

/** Attributes of a new entry: `creating`, generation 1. */
export function accountEntry(account: NewAccount): Record<string, string[]> {
  const entry: Record<string, string[]> = {
    objectClass: ['inetOrgPerson', 'inetLocalMailRecipient', 'twinpostAccount'],
    cn: [account.displayName],
    sn: [account.displayName],
    displayName: [account.displayName],
    preferredLanguage: [account.locale],
    mail: [account.address],
    mailLocalAddress: [account.address, ...account.aliases],
    mailHost: [splitShardName(account.home).mailNode],
    mailRoutingAddress: [account.address],
    twinpostAccountId: [account.id],
    twinpostShard: [account.home],
    twinpostGeneration: ['1'],
    twinpostStatus: ['creating'],
    twinpostPasswordHash: [account.secrets.passwordHash],
    twinpostScramKeys: [account.secrets.scramKeys],
    twinpostLastCommand: [account.lastCommand],
  }
  if (account.quotaBytes !== null) entry['twinpostQuotaBytes'] = [String(account.quotaBytes)]
  if (account.entitlements.length > 0) entry['twinpostEntitlement'] = [...account.entitlements]
  return entry
}
