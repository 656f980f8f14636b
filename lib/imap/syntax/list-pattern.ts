/**
 * Patterns of LIST and LSUB (RFC 9051 section 6.3.9): `*` matches anything, `%` anything but the separator. Costs length of pattern times
 * length of name at most, whatever the pattern.
 */
import { SEPARATOR } from './mailbox-name.ts'

export class ListPattern {
  readonly #pattern: string

  /** @param pattern Decoded; wildcards are still wildcards. */
  constructor(pattern: string) {
    // Neighbouring wildcards say no more than the strongest of them.
    this.#pattern = pattern.replace(/[*%]{2,}/g, (run) => (run.includes('*') ? '*' : '%'))
  }

  matches(name: string): boolean {
    if (name === 'INBOX') return matchesFrom(this.#pattern.toUpperCase(), name)
    return matchesFrom(this.#pattern, name)
  }
}

/** Runs the pattern as an automaton: `states[i]` says whether the first i characters of the pattern match what was read. */
function matchesFrom(pattern: string, name: string): boolean {
  let states = new Uint8Array(pattern.length + 1)
  states[0] = 1
  passWildcards(pattern, states)
  for (let at = 0; at < name.length; at++) {
    const char = name.charCodeAt(at)
    const next = new Uint8Array(pattern.length + 1)
    let alive = false
    for (let i = 0; i < pattern.length; i++) {
      if (states[i] === 0) continue
      const want = pattern[i]
      if (want === '*' || (want === '%' && name[at] !== SEPARATOR)) next[i] = 1
      else if (want !== '%' && pattern.charCodeAt(i) === char) next[i + 1] = 1
      else continue
      alive = true
    }
    if (!alive) return false
    passWildcards(pattern, next)
    states = next
  }
  return states[pattern.length] === 1
}

/** A wildcard may match nothing. */
function passWildcards(pattern: string, states: Uint8Array): void {
  for (let i = 0; i < pattern.length; i++) {
    if (states[i] === 1 && (pattern[i] === '*' || pattern[i] === '%')) states[i + 1] = 1
  }
}
