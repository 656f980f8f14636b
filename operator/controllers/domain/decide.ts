/**
 * Who has a name that several Domains claim, and what the directory must hold about it. Pure. One directory serves all namespaces
 * that an operator watches, so a name is claimed across them; the older Domain has it, then the one whose key sorts first.
 */
import type { StoredDomain } from '#lib/ldap/entry.ts'
import { type Domain, domainKind } from '#operator/api/domain.ts'

/** What of a Domain decides over names, small enough to keep for all of them. */
export interface Claim {
  /** `namespace/name` of the resource. */
  readonly key: string
  /** Name of the mail domain. */
  readonly domain: string
  readonly loginDefault: boolean
  /** RFC 3339 as the API server wrote it; empty outside a cluster. */
  readonly createdAt: string
}

export function claimOf(domain: Domain): Claim {
  const { namespace, name, creationTimestamp = '' } = domain.metadata
  return {
    key: `${namespace}/${name}`,
    domain: domain.spec.name.toLowerCase(),
    loginDefault: domain.spec.loginDefault,
    createdAt: creationTimestamp,
  }
}

/** The claim that wins, or null if there is none. */
export function holderOf(claims: Iterable<Claim>): Claim | null {
  let first: Claim | null = null
  for (const claim of claims) if (first === null || isBefore(claim, first)) first = claim
  return first
}

function isBefore(a: Claim, b: Claim): boolean {
  return a.createdAt === b.createdAt ? a.key < b.key : a.createdAt < b.createdAt
}

/** Mark of an entry that a Domain keeps, so that it goes with the Domain and entries made by others do not. */
export function ownerOf(key: string): string {
  return `${domainKind.kind} ${key}`
}

/** Key of the Domain that keeps an entry, or null: a person or a command made it. */
export function keptBy(entry: StoredDomain): string | null {
  const prefix = `${domainKind.kind} `
  return entry.owner?.startsWith(prefix) ? entry.owner.slice(prefix.length) : null
}

/** @param isDefault Whether logins without a domain mean this one: at most one Domain of an array has that. */
export function directoryEntry(domain: Domain, isDefault: boolean): StoredDomain {
  const { name, active, catchAll, postmaster, filter } = domain.spec
  return {
    name: name.toLowerCase(),
    active,
    catchAll: catchAll?.toLowerCase() ?? null,
    postmaster: postmaster?.toLowerCase() ?? null,
    isDefault,
    owner: ownerOf(claimOf(domain).key),
    ...(filter === undefined
      ? {}
      : { filter: { level: filter.level ?? null, allow: filter.allow, deny: filter.deny } }),
  }
}

/** Bytes of a quantity like `5Gi`, `500M` or `1024`; the schema has let nothing else through. */
export function bytesOf(quantity: string): number {
  const match = /^([0-9]+)([KMGTPk]?)(i?)$/.exec(quantity)
  const power = ['', 'K', 'M', 'G', 'T', 'P'].indexOf((match?.[2] ?? '').toUpperCase())
  return Number(match?.[1] ?? 0) * (match?.[3] ? 1024 : 1000) ** power
}
