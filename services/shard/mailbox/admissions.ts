/**
 * Sessions that an administrator may open without the account's password: provisioning, which has written the audit trail,
 * names each one before (`admit`). In memory only: a new primary knows none, and whoever wanted one asks again.
 */
import type { AccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'

/** Far more than administrators open within a minute; the oldest goes first. */
const ADMISSIONS_MAX = 1_000

export class Admissions {
  readonly #clock: Clock
  readonly #open = new Map<string, { readonly account: AccountId; readonly untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns false if it was admitted already. */
  admit(account: AccountId, ticket: string, seconds: number): boolean {
    const known = this.#open.has(ticket)
    this.#open.set(ticket, { account, untilMs: this.#clock.monotonicMs() + seconds * 1000 })
    for (const [oldest] of this.#open) {
      if (this.#open.size <= ADMISSIONS_MAX) break
      this.#open.delete(oldest)
    }
    return !known
  }

  /** Whether this session may be opened now; a ticket is good for one. */
  redeem(account: AccountId, ticket: string): boolean {
    const found = this.#open.get(ticket)
    if (found?.account !== account) return false
    this.#open.delete(ticket)
    return found.untilMs > this.#clock.monotonicMs()
  }
}
