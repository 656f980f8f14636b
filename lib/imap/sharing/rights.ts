/**
 * Rights of a mailbox (RFC 4314 section 2). Kept as their letters in one order; `c` and `d` of RFC 2086 are said and understood, never
 * kept: `c` is `k`, `d` is `e`, `t` and `x` (section 2.1.1).
 */
import { Flag, type Flags } from '#lib/mail/flags.ts'
import { refusal } from '../syntax/syntax-error.ts'

/** In the order in which they are shown. Of the owner, always. */
export const ALL_RIGHTS = 'lrswipkxtea'

const OBSOLETE: ReadonlyMap<string, string> = new Map([
  ['c', 'k'],
  ['d', 'etx'],
])

/** Letters as a client says them, in the order in which they are kept; null if one is no right. */
export function parseRights(text: string): string | null {
  const letters = new Set([...text].flatMap((letter) => [...(OBSOLETE.get(letter) ?? letter)]))
  const rights = ordered(letters)
  return rights.length === letters.size ? rights : null
}

function ordered(letters: ReadonlySet<string>): string {
  return [...ALL_RIGHTS].filter((right) => letters.has(right)).join('')
}

/** As responses show them: with what a client of RFC 2086 would look for. */
export function shownRights(rights: string): string {
  const obsolete = [...OBSOLETE].filter(([, members]) => [...members].some((right) => rights.includes(right)))
  return rights + obsolete.map(([letter]) => letter).join('')
}

export function unionRights(...sets: readonly string[]): string {
  return ordered(new Set(sets.join('')))
}

export function withoutRights(rights: string, gone: string): string {
  return [...rights].filter((right) => !gone.includes(right)).join('')
}

/** Whether a mailbox may be known by its name: without one of these it does not exist (section 6). */
export function mayKnow(rights: string): boolean {
  return /[lrikxa]/.test(rights)
}

/** Whether a session with these rights could change anything in an open mailbox (section 5.2). */
export function mayChange(rights: string): boolean {
  return /[swite]/.test(rights)
}

/** The system flags that may be changed. */
export function flagBits(rights: string): number {
  const others = Flag.answered | Flag.flagged | Flag.draft
  return (
    (rights.includes('t') ? Flag.deleted : 0) |
    (rights.includes('s') ? Flag.seen : 0) |
    (rights.includes('w') ? others : 0)
  )
}

/** What of `flags` may be set. */
export function allowedFlags({ system, keywords }: Flags, rights: string): Flags {
  return { system: system & flagBits(rights), keywords: rights.includes('w') ? keywords : [] }
}

/** @throws {ImapSyntaxError} Answered NO [NOPERM] */
export function demand(rights: string, right: string): void {
  if (!rights.includes(right)) throw refusal('NOPERM', `You lack the right "${right}" here`)
}
