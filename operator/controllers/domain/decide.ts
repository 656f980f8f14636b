/** From Domains to what the directory must hold about them, and who has a name that two claim. Pure. */
import type { Domain } from '#operator/api/mod.ts'

/** A domain as the directory keeps it. */
export interface DirectoryEntry {
  readonly name: string
  readonly active: boolean
  readonly catchAll: string | null
  readonly postmaster: string | null
  readonly isDefault: boolean
}

export interface DomainVerdict {
  readonly resource: string
  readonly entry: DirectoryEntry | null
  /** Name of the resource that has the name already; then there is no entry of this one. */
  readonly conflict: string | null
}

/** If two Domains claim one name, the older one has it, then the one whose resource name sorts first. */
export function decideDomains(domains: readonly Domain[]): DomainVerdict[] {
  const byAge = [...domains].sort(
    (a, b) =>
      compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
      compare(a.metadata.name, b.metadata.name),
  )
  const owners = new Map<string, string>()
  const verdicts: DomainVerdict[] = []
  for (const domain of byAge) {
    const name = domain.spec.name.toLowerCase()
    const conflict = owners.get(name) ?? null
    if (conflict === null) owners.set(name, domain.metadata.name)
    verdicts.push({
      resource: domain.metadata.name,
      conflict,
      entry:
        conflict === null
          ? {
              name,
              active: domain.spec.active,
              catchAll: domain.spec.catchAll?.toLowerCase() ?? null,
              postmaster: domain.spec.postmaster?.toLowerCase() ?? null,
              isDefault: domain.spec.loginDefault,
            }
          : null,
    })
  }
  return verdicts
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Bytes of a quantity like `5Gi`, `500M` or `1024`; the schema has let nothing else through. */
export function bytesOf(quantity: string): number {
  const match = /^([0-9]+)([KMGTPk]?)(i?)$/.exec(quantity)
  const power = ['', 'K', 'M', 'G', 'T', 'P'].indexOf((match?.[2] ?? '').toUpperCase())
  return Number(match?.[1] ?? 0) * (match?.[3] ? 1024 : 1000) ** power
}
