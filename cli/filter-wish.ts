/** From a wish of the filter and the words of a command to the wish that it becomes. Pure. */
import { canonicalListed, FILTER_LEVELS, FILTER_LIST_MAX, FilterWish } from '#lib/filter/settings.ts'
import { canonicalDomain } from '#lib/ldap/address.ts'

export interface WishChange {
  /** A level, or `default`: as those farther away say. Null: as it is. */
  readonly level: string | null
  /** Entries for a list; they leave the other one. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** Entries that leave both lists. */
  readonly forget: readonly string[]
}

export type ChangedWish =
  | { readonly kind: 'wish'; readonly wish: FilterWish }
  /** A level or an entry that cannot be one. */
  | { readonly kind: 'mistake'; readonly what: string }
  | { readonly kind: 'too-many'; readonly most: number }

export function changedWish(wish: FilterWish, change: WishChange): ChangedWish {
  const level = change.level === 'default' ? null : FILTER_LEVELS.find((one) => one === change.level)
  if (change.level !== null && level === undefined) return { kind: 'mistake', what: change.level }
  const canonical = (text: string) => canonicalListed(text, canonicalDomain)
  const wrong = [...change.allow, ...change.deny, ...change.forget].find((text) => canonical(text) === null)
  if (wrong !== undefined) return { kind: 'mistake', what: wrong }
  const entries = (texts: readonly string[]) => texts.map((text) => canonical(text) ?? text)
  const [allow, deny, forget] = [entries(change.allow), entries(change.deny), entries(change.forget)]
  const list = (old: readonly string[], added: readonly string[], elsewhere: readonly string[]) => {
    const left = old.filter((entry) => !elsewhere.includes(entry) && !forget.includes(entry))
    return [...new Set([...left, ...added])].sort()
  }
  const changed = {
    level: level === undefined ? wish.level : level,
    allow: list(wish.allow, allow, deny),
    deny: list(wish.deny, deny, allow),
  }
  if (Math.max(changed.allow.length, changed.deny.length) > FILTER_LIST_MAX) {
    return { kind: 'too-many', most: FILTER_LIST_MAX }
  }
  return { kind: 'wish', wish: FilterWish.parse(changed) }
}
