/** Rows of a file as wishes for groups, and what is to be done about each when it is held against the directory. Pure. */
import { GROUP_SENDERS, type GroupSenders } from '#lib/directory/port.ts'
import { canonicalAddress } from '#lib/ldap/address.ts'
import type { StoredGroup } from '#lib/ldap/entry.ts'
import { GROUP_MEMBERS_MAX } from '#lib/ldap/limits.ts'

export interface GroupWish {
  readonly address: string
  readonly aliases: readonly string[]
  readonly displayName: string | null
  readonly senders: GroupSenders
  readonly members: readonly string[]
}

export type GroupProblem =
  | 'address'
  | 'alias'
  | 'member'
  | 'senders'
  | 'too-many'
  | 'domain'
  | 'twice'
  | 'taken'
  | 'differs'

export type GroupRow =
  | { readonly kind: 'group'; readonly line: number; readonly wish: GroupWish }
  | { readonly kind: 'problem'; readonly line: number; readonly address: string; readonly problem: GroupProblem }

const COLUMNS = ['address', 'members', 'aliases', 'name', 'senders'] as const
type Column = (typeof COLUMNS)[number]

/** @returns The name of a column that is none of ours, or of one that is missing. */
export function groupColumns(head: readonly string[]): { readonly columns: Column[] } | { readonly unknown: string } {
  const columns: Column[] = []
  for (const name of head) {
    const found = COLUMNS.find((column) => column === name.toLowerCase())
    if (!found) return { unknown: name }
    columns.push(found)
  }
  return columns.includes('address') ? { columns } : { unknown: head[0] ?? '' }
}

/** Members and aliases have blanks, commas or semicolons between. */
export function groupRow(columns: readonly Column[], fields: readonly string[], line: number): GroupRow {
  const field = (column: Column) => fields[columns.indexOf(column)] ?? ''
  const wrong = (problem: GroupProblem): GroupRow => ({ kind: 'problem', line, address: field('address'), problem })
  const address = canonicalAddress(field('address'))
  if (address === null) return wrong('address')
  const aliases = addressesOf(field('aliases'))
  if (aliases === null) return wrong('alias')
  const members = addressesOf(field('members'))
  if (members === null) return wrong('member')
  if (members.length > GROUP_MEMBERS_MAX) return wrong('too-many')
  const said = field('senders').toLowerCase() || 'internal'
  const senders = GROUP_SENDERS.find((word) => word === said)
  if (!senders) return wrong('senders')
  const wish = { address, aliases, displayName: field('name') || null, senders, members }
  return { kind: 'group', line, wish }
}

/** Each once, in order. */
function addressesOf(text: string): string[] | null {
  const found = new Set<string>()
  for (const part of text.split(/[\s,;]+/).filter((one) => one !== '')) {
    const address = canonicalAddress(part)
    if (address === null) return null
    found.add(address)
  }
  return [...found].sort()
}

export interface GroupFacts {
  readonly foreignDomains: readonly string[]
  /** The group with this address. */
  readonly group: StoredGroup | null
  /** An account, or another group, has one of the addresses. */
  readonly taken: boolean
  readonly seen: boolean
}

export type GroupDecision =
  | { readonly kind: 'create' }
  /** An earlier run was ended before all had joined. */
  | { readonly kind: 'join'; readonly members: readonly string[] }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly problem: GroupProblem }

export function decideGroup(wish: GroupWish, { foreignDomains, group, taken, seen }: GroupFacts): GroupDecision {
  const refused = (problem: GroupProblem): GroupDecision => ({ kind: 'refused', problem })
  if (seen) return refused('twice')
  if (foreignDomains.length > 0) return refused('domain')
  if (taken) return refused('taken')
  if (group === null) return { kind: 'create' }
  const same = group.senders === wish.senders && JSON.stringify(group.aliases) === JSON.stringify(wish.aliases)
  const missing = wish.members.filter((member) => !group.members.includes(member))
  if (!same || group.members.length + missing.length !== wish.members.length) return refused('differs')
  return missing.length === 0 ? { kind: 'unchanged' } : { kind: 'join', members: missing }
}
