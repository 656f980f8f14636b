/**
 * The sessions that this edge has handed over: for limits, for idle timeouts (one look at all of them, no timer each), for
 * ending those of an account that was suspended, and for a clean stop.
 */
import type { AccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { SWEEP_MS } from '../limits.ts'

export interface LiveSession {
  readonly account: AccountId
  readonly idleMs: number
  /** Grows with every byte either way. */
  traffic(): number
  end(text: string): void
}

interface Entry {
  readonly session: LiveSession
  traffic: number
  /** When the traffic was first seen as it is. */
  sinceMs: number
}

export class SessionRegistry {
  readonly #clock: Clock
  readonly #perAccountMax: number
  readonly #entries = new Map<LiveSession, Entry>()
  readonly #reserved = new Map<AccountId, number>()
  #cancelSweep: () => void = () => {}

  constructor(clock: Clock, perAccountMax: number) {
    this.#clock = clock
    this.#perAccountMax = perAccountMax
    this.#sweepLater()
  }

  get size(): number {
    return this.#entries.size
  }

  /** Counts a session of `account` in before it is opened. @returns False at the limit; else `free` must follow once. */
  reserve(account: AccountId): boolean {
    const count = this.#reserved.get(account) ?? 0
    if (count >= this.#perAccountMax) return false
    this.#reserved.set(account, count + 1)
    return true
  }

  free(account: AccountId): void {
    const count = this.#reserved.get(account) ?? 0
    if (count <= 1) this.#reserved.delete(account)
    else this.#reserved.set(account, count - 1)
  }

  add(session: LiveSession): void {
    this.#entries.set(session, { session, traffic: session.traffic(), sinceMs: this.#clock.monotonicMs() })
  }

  remove(session: LiveSession): void {
    this.#entries.delete(session)
  }

  /** @returns How many were ended. */
  endAccount(account: AccountId, text: string): number {
    return this.#endWhere((session) => session.account === account, text)
  }

  endAll(text: string): number {
    return this.#endWhere(() => true, text)
  }

  /** Ends sessions without traffic for their idle time, give or take one sweep. */
  sweep(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const entry of this.#entries.values()) {
      const traffic = entry.session.traffic()
      if (traffic !== entry.traffic) {
        entry.traffic = traffic
        entry.sinceMs = nowMs
      } else if (nowMs - entry.sinceMs >= entry.session.idleMs) entry.session.end('Idle for too long')
    }
  }

  close(): void {
    this.#cancelSweep()
  }

  #endWhere(which: (session: LiveSession) => boolean, text: string): number {
    const chosen = [...this.#entries.keys()].filter(which)
    for (const session of chosen) session.end(text)
    return chosen.length
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#clock.after(SWEEP_MS, () => {
      this.sweep()
      this.#sweepLater()
    })
  }
}
