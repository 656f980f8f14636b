/**
 * What somebody wishes of the filter: how much spam to see, whose letters always come in, whose never. Said for the whole system, a
 * Domain, a group or a user, and kept as one line of JSON in the directory. Viruses are none of it: nobody's wish lets one in.
 *
 * Invariants: the wish of the nearer one holds (user, groups, Domain, system); lists are looked through from near to far, and the first
 * that names the sender decides, deny before allow. What `parseFilterWish` accepts, `formatFilterWish` writes back the same.
 */
import { z } from 'zod'

export const FILTER_LEVELS = ['off', 'low', 'standard', 'strict'] as const
/** How much spam a recipient wants to see. */
export type FilterLevel = (typeof FILTER_LEVELS)[number]

/** Entries of one list: with the other list and the longest names still one value of the directory. */
export const FILTER_LIST_MAX = 100
const ENTRY_CHARACTERS_MAX = 320

/** An address (`ann@example.net`) or a domain with its subdomains (`example.net`), in lower case and A-labels. */
const LISTED = /^(?:[!-?[-~]{1,64}@)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/
const list = z.array(z.string().max(ENTRY_CHARACTERS_MAX).regex(LISTED)).max(FILTER_LIST_MAX).default([])

export const FilterWish = z.strictObject({
  /** Null: as those farther away say. */
  level: z.enum(FILTER_LEVELS).nullable().default(null),
  allow: list,
  deny: list,
})
export type FilterWish = Readonly<z.infer<typeof FilterWish>>

/** Nothing is wished. */
export const NO_WISH: FilterWish = { level: null, allow: [], deny: [] }

/** @returns null for what is not of our making: it counts as no wish. */
export function parseFilterWish(text: string): FilterWish | null {
  try {
    return FilterWish.parse(JSON.parse(text))
  } catch {
    return null // a directory that others write too: a malformed wish must not stop mail
  }
}

/** One line of ASCII; empty: nothing is wished. */
export function formatFilterWish({ level, allow, deny }: FilterWish): string {
  if (level === null && allow.length === 0 && deny.length === 0) return ''
  return JSON.stringify({ level, allow: [...allow].sort(), deny: [...deny].sort() })
}

/** An entry of a list as it is compared; null: it cannot be one. @param text As a person writes it. */
export function canonicalListed(text: string, canonicalDomain: (name: string) => string | null): string | null {
  const at = text.lastIndexOf('@')
  const domain = canonicalDomain(text.slice(at + 1))
  if (domain === null) return null
  const entry = at > 0 ? `${text.slice(0, at).toLowerCase()}@${domain}` : domain
  return LISTED.test(entry) ? entry : null
}

/** What is wished for mail that an account gets by one address. */
export interface AccountWishes {
  readonly own: FilterWish | null
  /** Of the domain of that address. */
  readonly domain: FilterWish | null
}

/** From near to far. @param group Of the group by whose address it comes, if it does */
export function wishesOf(account: AccountWishes | undefined, group: FilterWish | undefined): readonly FilterWish[] {
  return [account?.own ?? [], group ?? [], account?.domain ?? []].flat()
}

export interface Listed {
  readonly list: 'allow' | 'deny'
  /** As it stands there. */
  readonly entry: string
}

/** What holds for a recipient. */
export interface EffectiveFilter {
  readonly level: FilterLevel
  /** From near to far, the system's last. */
  readonly wishes: readonly FilterWish[]
}

/** @param wishes From near to far. */
export function effectiveFilter(
  system: { readonly level: FilterLevel; readonly allow: readonly string[]; readonly deny: readonly string[] },
  wishes: readonly FilterWish[],
): EffectiveFilter {
  const level = wishes.find((wish) => wish.level !== null)?.level ?? system.level
  return { level, wishes: [...wishes, { level: system.level, allow: [...system.allow], deny: [...system.deny] }] }
}

/** The nearest list that names the address. */
export function listedIn(wishes: readonly FilterWish[], address: string): Listed | null {
  for (const { allow, deny } of wishes) {
    for (const [list, entries] of [
      ['deny', deny],
      ['allow', allow],
    ] as const) {
      const entry = entries.find((one) => names(one, address))
      if (entry !== undefined) return { list, entry }
    }
  }
  return null
}

function names(entry: string, address: string): boolean {
  if (entry.includes('@')) return entry === address
  const domain = address.slice(address.lastIndexOf('@') + 1)
  return domain === entry || domain.endsWith(`.${entry}`)
}
