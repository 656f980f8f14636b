/**
 * The attempts that are under way: which sender has them, and which are in doubt because their sender has gone (rule 18 of the
 * replication design). A recipient has one attempt at most: the log says which, and who holds it stands here.
 */
import type { Lsn } from '#lib/mail/types.ts'

/** A sender's stream, as a key. */
export type Owner = object

export interface Attempt {
  readonly attempt: Lsn
  readonly entry: Lsn
  readonly destination: string
}

interface Held extends Attempt {
  /** Null: in doubt. */
  owner: Owner | null
  /** In doubt: when the doubt is over. Else: when the sender has had it for too long. */
  untilMs: number
}

export class Attempts {
  readonly #held = new Map<number, Held>()
  readonly #doubtMs: number
  readonly #patienceMs: number

  constructor(doubtMs: number, patienceMs: number) {
    this.#doubtMs = doubtMs
    this.#patienceMs = patienceMs
  }

  get size(): number {
    return this.#held.size
  }

  get inDoubt(): number {
    let count = 0
    for (const { owner } of this.#held.values()) if (owner === null) count++
    return count
  }

  given(attempt: Attempt, owner: Owner, nowMs: number): void {
    this.#held.set(attempt.attempt, { ...attempt, owner, untilMs: nowMs + this.#patienceMs })
  }

  /** Found in the log by a primary that did not give it out. */
  found(attempt: Attempt, nowMs: number): void {
    this.#held.set(attempt.attempt, { ...attempt, owner: null, untilMs: nowMs + this.#doubtMs })
  }

  get(attempt: number): Attempt | null {
    return this.#held.get(attempt) ?? null
  }

  heldBy(attempt: number, owner: Owner): boolean {
    return this.#held.get(attempt)?.owner === owner
  }

  /** A sender says that it goes on with these. @returns Those that are not its own any more: somebody else may try. */
  adopt(attempts: readonly number[], owner: Owner, nowMs: number): number[] {
    return attempts.filter((attempt) => {
      const held = this.#held.get(attempt)
      if (held === undefined) return true
      held.owner = owner
      held.untilMs = nowMs + this.#patienceMs
      return false
    })
  }

  over(attempt: number): void {
    this.#held.delete(attempt)
  }

  /** The sender's stream has ended: what it had is in doubt. @returns Whether there was something */
  ownerGone(owner: Owner, nowMs: number): boolean {
    let some = false
    for (const held of this.#held.values()) {
      if (held.owner !== owner) continue
      held.owner = null
      held.untilMs = nowMs + this.#doubtMs
      some = true
    }
    return some
  }

  /** Those about which nobody said anything in time. */
  due(nowMs: number): Attempt[] {
    return [...this.#held.values()].filter(({ untilMs }) => untilMs <= nowMs)
  }

  /** When the next doubt is over; null: there is none. */
  nextMs(): number | null {
    let next: number | null = null
    for (const { owner, untilMs } of this.#held.values()) {
      if (owner === null && (next === null || untilMs < next)) next = untilMs
    }
    return next
  }
}
