/**
 * Every password that a client says, and every other proof, goes through here: the directory judges it, failures wait before they are
 * told and are counted by client address, so that guessing is slow on every protocol and over many connections. It never says more than
 * yes or no: what a wrong name costs, a wrong password costs too.
 */

import type { Directory, DirectoryAccount, Scope } from '#lib/directory/port.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { MAIN_SECRET } from '#lib/ldap/login.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import {
  LOGIN_FAILURE_ADDRESSES_MAX,
  LOGIN_FAILURE_DELAY_MAX_MS,
  LOGIN_FAILURE_DELAY_MS,
  LOGIN_FAILURE_MEMORY_MS,
} from '../limits.ts'
import type { EdgeMetrics } from '../metrics.ts'

export interface LoginFacts {
  readonly login: string
  readonly scope: Scope
  /** As the client's protocol calls it: PLAIN, LOGIN, USER. */
  readonly mechanism: string
  readonly clientAddress: string
  /** Session id, for the log. */
  readonly session: string
}

export interface LoginAttempt extends LoginFacts {
  readonly password: string
}

export type LoginVerdict =
  | {
      readonly kind: 'ok'
      readonly account: DirectoryAccount
      /** The name of the app password that matched; absent: the account's own secret. */
      readonly appPassword?: string
    }
  | { readonly kind: 'denied' | 'suspended' | 'unavailable' }

/** For the audit trail: what was tried, and what came of it. Never the password. */
export type LoginListener = (attempt: LoginFacts, verdict: LoginVerdict) => void

interface Failures {
  count: number
  lastMs: number
}

export class PasswordGate {
  readonly #directory: Directory
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: EdgeMetrics
  readonly #delayMs: number
  readonly #heard: LoginListener
  readonly #failures = new Map<string, Failures>()

  constructor(options: {
    readonly directory: Directory
    readonly clock: Clock
    readonly logger: Logger
    readonly metrics: EdgeMetrics
    /** Hears of every attempt, at once; must not throw. */
    readonly heard?: LoginListener
    /** For tests. */
    readonly failureDelayMs?: number
  }) {
    this.#directory = options.directory
    this.#clock = options.clock
    this.#logger = options.logger
    this.#metrics = options.metrics
    this.#heard = options.heard ?? (() => {})
    this.#delayMs = options.failureDelayMs ?? LOGIN_FAILURE_DELAY_MS
  }

  /** Judges and, after a failure, waits. Never rejects. */
  async check(attempt: LoginAttempt): Promise<LoginVerdict> {
    return this.settle(attempt, await this.#ask(attempt))
  }

  /** Counts a verdict that another mechanism found and, after a failure, waits. Never rejects. */
  async settle(attempt: LoginFacts, verdict: LoginVerdict): Promise<LoginVerdict> {
    const protocol = attempt.scope
    const { mechanism, clientAddress, session } = attempt
    this.#heard(attempt, verdict)
    if (verdict.kind === 'ok') {
      this.#failures.delete(clientAddress)
      this.#metrics.logins.inc({ protocol, mechanism })
      return verdict
    }
    this.#metrics.loginFailures.inc({ protocol, mechanism, reason: verdict.kind })
    this.#logger.info({ session, login: attempt.login, address: clientAddress, reason: verdict.kind }, 'login refused')
    if (verdict.kind !== 'unavailable') await sleep(this.#clock, this.#countFailure(clientAddress))
    return verdict
  }

  async #ask(attempt: LoginAttempt): Promise<LoginVerdict> {
    try {
      const verdict = await this.#directory.checkPassword(attempt.login, attempt.password, attempt.scope)
      switch (verdict.kind) {
        case 'ok':
          if (verdict.account.status !== 'active') return { kind: 'suspended' }
          return {
            kind: 'ok',
            account: verdict.account,
            ...(verdict.secret === MAIN_SECRET ? {} : { appPassword: verdict.secret }),
          }
        case 'denied':
        case 'suspended':
          return { kind: verdict.kind }
        default:
          return verdict satisfies never
      }
    } catch (err) {
      this.#metrics.directoryErrors.inc()
      this.#logger.warn({ session: attempt.session, code: errorCode(err), err }, 'cannot check a password')
      return { kind: 'unavailable' }
    }
  }

  /** @returns How long this failure waits: longer with each one of the same address. */
  #countFailure(address: string): number {
    const nowMs = this.#clock.monotonicMs()
    const before = this.#failures.get(address)
    const count = before && nowMs - before.lastMs < LOGIN_FAILURE_MEMORY_MS ? before.count + 1 : 1
    this.#failures.delete(address) // so that the map stays in order of the last failure
    this.#failures.set(address, { count, lastMs: nowMs })
    for (const [oldest] of this.#failures) {
      if (this.#failures.size <= LOGIN_FAILURE_ADDRESSES_MAX) break
      this.#failures.delete(oldest)
    }
    return Math.min(this.#delayMs * 2 ** Math.min(count - 1, 10), LOGIN_FAILURE_DELAY_MAX_MS)
  }
}
