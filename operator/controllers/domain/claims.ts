/**
 * All claims on names, by name, kept up to date change by change: with ten thousand Domains nobody compares all with all. Says
 * after each change which other Domains may have won or lost something, so that they are looked at again.
 */
import { type Claim, holderOf } from './decide.ts'

export class Claims {
  readonly #byKey = new Map<string, Claim>()
  readonly #byDomain = new Map<string, Map<string, Claim>>()
  readonly #defaults = new Map<string, Claim>()

  /** @param claim null: the Domain is gone. @returns Keys of all Domains whose case this changes, without `key`. */
  set(key: string, claim: Claim | null): string[] {
    const before = this.#byKey.get(key) ?? null
    const same = before?.domain === claim?.domain && before?.loginDefault === claim?.loginDefault
    if (same && before?.createdAt === claim?.createdAt) return []
    const touched = new Set<string>()
    for (const one of [before, claim]) {
      if (one === null) continue
      for (const rival of this.#byDomain.get(one.domain)?.keys() ?? []) touched.add(rival)
      if (one.loginDefault) for (const rival of this.#defaults.keys()) touched.add(rival)
    }
    if (before !== null) this.#remove(before)
    if (claim !== null) this.#add(claim)
    touched.delete(key)
    return [...touched]
  }

  of(key: string): Claim | null {
    return this.#byKey.get(key) ?? null
  }

  /** Key of the Domain that has the name, or null. */
  holder(domain: string): string | null {
    return holderOf(this.#byDomain.get(domain)?.values() ?? [])?.key ?? null
  }

  /** Key of the Domain that logins without a domain mean, or null. Only one that has its name can be it. */
  defaultHolder(): string | null {
    const able = [...this.#defaults.values()].filter((claim) => this.holder(claim.domain) === claim.key)
    return holderOf(able)?.key ?? null
  }

  #add(claim: Claim): void {
    this.#byKey.set(claim.key, claim)
    const rivals = this.#byDomain.get(claim.domain) ?? new Map<string, Claim>()
    this.#byDomain.set(claim.domain, rivals.set(claim.key, claim))
    if (claim.loginDefault) this.#defaults.set(claim.key, claim)
  }

  #remove(claim: Claim): void {
    this.#byKey.delete(claim.key)
    this.#defaults.delete(claim.key)
    const rivals = this.#byDomain.get(claim.domain)
    rivals?.delete(claim.key)
    if (rivals?.size === 0) this.#byDomain.delete(claim.domain)
  }
}
