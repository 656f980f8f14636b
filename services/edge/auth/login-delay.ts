/**
 * How soon a user may come back for POP3 (LOGIN-DELAY, RFC 2449 section 6.5): for arrays whose users let programs ask every few seconds.
 * Each edge counts for itself: a user who meets another one waits less.
 */
import type { AccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { LOGINS_REMEMBERED_MAX } from '../limits.ts'

export class LoginDelay {
  readonly #clock: Clock
  readonly #delayMs: number
  /** In the order of the logins. */
  readonly #last = new Map<AccountId, number>()

  /** @param seconds 0: no delay. */
  constructor(clock: Clock, seconds: number) {
    this.#clock = clock
    this.#delayMs = seconds * 1000
  }

  tooSoon(account: AccountId): boolean {
    const last = this.#last.get(account)
    return last !== undefined && this.#clock.monotonicMs() - last < this.#delayMs
  }

  loggedIn(account: AccountId): void {
    if (this.#delayMs === 0) return
    const nowMs = this.#clock.monotonicMs()
    this.#last.delete(account)
    this.#last.set(account, nowMs)
    for (const [oldest, atMs] of this.#last) {
      if (this.#last.size <= LOGINS_REMEMBERED_MAX && nowMs - atMs < this.#delayMs) break
      this.#last.delete(oldest)
    }
  }
}
