/** System flags as bits (RFC 9051 section 2.3.2); keywords are strings beside them. \Recent is a session's, never stored. */
export const Flag = { answered: 1, flagged: 2, deleted: 4, seen: 8, draft: 16 } as const
export type Flag = (typeof Flag)[keyof typeof Flag]

export interface Flags {
  /** Sum of `Flag` bits. */
  readonly system: number
  /** Sorted, without duplicates (compared without case), as first spelled by a client. */
  readonly keywords: readonly string[]
}

export const NO_FLAGS: Flags = { system: 0, keywords: [] }

const NAMES: readonly (readonly [Flag, string])[] = [
  [Flag.answered, '\\Answered'],
  [Flag.flagged, '\\Flagged'],
  [Flag.deleted, '\\Deleted'],
  [Flag.seen, '\\Seen'],
  [Flag.draft, '\\Draft'],
]

/** The flags as IMAP writes them, system flags first. */
export function flagNames(flags: Flags): string[] {
  const names: string[] = []
  for (const [bit, name] of NAMES) if (flags.system & bit) names.push(name)
  names.push(...flags.keywords)
  return names
}

/** Flags from IMAP names, in any case; null if a name begins with a backslash and is no storable system flag. */
export function flagsFromNames(names: readonly string[]): Flags | null {
  let system = 0
  const keywords: string[] = []
  for (const name of names) {
    if (name.startsWith('\\')) {
      const known = NAMES.find(([, n]) => n.toLowerCase() === name.toLowerCase())
      if (!known) return null
      system |= known[0]
    } else keywords.push(name)
  }
  return { system, keywords: normalizeKeywords(keywords) }
}

/** Keywords sorted and without duplicates; they are compared without regard to case. */
export function normalizeKeywords(keywords: readonly string[]): string[] {
  if (keywords.length === 0) return []
  const byFolded = new Map<string, string>()
  for (const keyword of keywords) {
    const folded = keyword.toLowerCase()
    if (!byFolded.has(folded)) byFolded.set(folded, keyword)
  }
  return [...byFolded.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, keyword]) => keyword)
}

export type FlagChange = 'add' | 'remove' | 'replace'

/** The flags after a STORE of `given` with the mode `change` (RFC 9051 section 6.4.6). */
export function changeFlags(current: Flags, change: FlagChange, given: Flags): Flags {
  switch (change) {
    case 'replace':
      return given
    case 'add':
      return {
        system: current.system | given.system,
        keywords:
          given.keywords.length === 0 ? current.keywords : normalizeKeywords([...current.keywords, ...given.keywords]),
      }
    case 'remove': {
      const gone = new Set(given.keywords.map((keyword) => keyword.toLowerCase()))
      return {
        system: current.system & ~given.system,
        keywords:
          gone.size === 0 ? current.keywords : current.keywords.filter((keyword) => !gone.has(keyword.toLowerCase())),
      }
    }
    default:
      return change satisfies never
  }
}

export function sameFlags(a: Flags, b: Flags): boolean {
  return (
    a.system === b.system && a.keywords.length === b.keywords.length && a.keywords.every((k, i) => k === b.keywords[i])
  )
}
