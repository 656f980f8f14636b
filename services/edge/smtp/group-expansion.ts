/**
 * From a group to the accounts that get its mail: members that are groups are opened in turn, each group once, so that groups
 * which hold each other end; depth and number are bounded. Pure but for the lookups that it is given.
 */
import type { AddressLookup, DirectoryAccount, DirectoryGroup } from '#lib/directory/port.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { GROUP_ACCOUNTS_MAX, GROUP_DEPTH_MAX, GROUP_LOOKUPS_AT_ONCE } from '../limits.ts'

/** One who writes: null without a login. */
export type Author = Pick<DirectoryAccount, 'id'> | null

export type Expansion =
  | {
      readonly kind: 'accounts'
      /** Each once, in the order in which they were found. */
      readonly accounts: readonly DirectoryAccount[]
      /** Members that reach nobody: gone, or of another system. */
      readonly lost: readonly string[]
    }
  /** The author may not write to this group, which is the one asked for or one within it. */
  | { readonly kind: 'not-allowed'; readonly group: string }
  /** More accounts, or more groups within groups, than one letter may have. */
  | { readonly kind: 'too-large' }

interface Opened {
  readonly group: DirectoryGroup
  readonly accounts: Set<AccountId>
  readonly within: Set<string>
}

/** @throws what `lookup` throws: then nothing is known. */
export async function expandGroup(
  group: DirectoryGroup,
  author: Author,
  lookup: (address: string) => Promise<AddressLookup>,
): Promise<Expansion> {
  const opened = new Map<string, Opened>()
  const accounts = new Map<AccountId, DirectoryAccount>()
  const lost: string[] = []
  let level: DirectoryGroup[] = [group]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= GROUP_DEPTH_MAX) return { kind: 'too-large' }
    const next = new Map<string, DirectoryGroup>()
    for (const open of level) {
      const into: Opened = { group: open, accounts: new Set(), within: new Set() }
      opened.set(open.address, into)
      for (const [address, found] of await allFound(open.members, lookup)) {
        if (found.kind === 'account') {
          into.accounts.add(found.account.id)
          accounts.set(found.account.id, found.account)
          if (accounts.size > GROUP_ACCOUNTS_MAX) return { kind: 'too-large' }
        } else if (found.kind === 'group') {
          into.within.add(found.group.address)
          if (!opened.has(found.group.address)) next.set(found.group.address, found.group)
        } else lost.push(address)
      }
    }
    level = [...next.values()].filter(({ address }) => !opened.has(address))
  }
  for (const each of opened.values()) {
    if (!mayWrite(each, author, opened)) return { kind: 'not-allowed', group: each.group.address }
  }
  return { kind: 'accounts', accounts: [...accounts.values()], lost }
}

async function allFound(
  addresses: readonly string[],
  lookup: (address: string) => Promise<AddressLookup>,
): Promise<[string, AddressLookup][]> {
  const found: [string, AddressLookup][] = []
  for (let at = 0; at < addresses.length; at += GROUP_LOOKUPS_AT_ONCE) {
    const some = addresses.slice(at, at + GROUP_LOOKUPS_AT_ONCE)
    found.push(
      ...(await Promise.all(some.map(async (one): Promise<[string, AddressLookup]> => [one, await lookup(one)]))),
    )
  }
  return found
}

function mayWrite(to: Opened, author: Author, opened: ReadonlyMap<string, Opened>): boolean {
  switch (to.group.senders) {
    case 'anyone':
      return true
    case 'internal':
      return author !== null
    case 'members':
      return author !== null && isMember(author.id, to, opened, new Set())
    default:
      return to.group.senders satisfies never
  }
}

function isMember(id: AccountId, of: Opened, opened: ReadonlyMap<string, Opened>, seen: Set<string>): boolean {
  if (seen.has(of.group.address)) return false
  seen.add(of.group.address)
  if (of.accounts.has(id)) return true
  return [...of.within].some((address) => {
    const within = opened.get(address)
    return within !== undefined && isMember(id, within, opened, seen)
  })
}
