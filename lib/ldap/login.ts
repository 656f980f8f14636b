/**
 * Password checks (rules.md, "Who may say what"): a known and an unknown name cost the same hash; a check that succeeded is
 * remembered for a few minutes under a key that says nothing about the password, and forgotten on news about the account;
 * a suspended account is told so only after the right password.
 */
import { createHmac } from 'node:crypto'
import type { DirectoryAccount, PasswordVerdict, Scope } from '#lib/directory/port.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { matchesAppPassword } from '#lib/sasl/app-password.ts'
import { hashPassword, verifyPassword } from '#lib/sasl/password.ts'
import { TtlCache } from './cache.ts'
import type { AccountSecrets } from './entry.ts'
import { DirectoryError } from './errors.ts'
import { HASHES_AT_ONCE, HASHES_WAITING_MAX, LOGIN_CACHE_ENTRIES_MAX, LOGIN_TTL_MS } from './limits.ts'

export interface LoginRecord {
  readonly account: DirectoryAccount
  readonly secrets: AccountSecrets
}

/** A password that was right, and what it may be used for. */
interface Proven {
  readonly account: DirectoryAccount
  readonly secret: string
  /** Null: the account's own password, which may do everything. */
  readonly scopes: readonly Scope[] | null
}

export interface PasswordCheckerOptions {
  readonly clock: Clock
  readonly random: Random
  /** The account with this address and its secrets, from the directory itself. */
  readonly find: (address: string) => Promise<LoginRecord | null>
  /** The account as lookups see it now: cached, dropped on news. */
  readonly current: (address: string) => Promise<DirectoryAccount | null>
}

/** Name under which the account's own password is told from app passwords. */
export const MAIN_SECRET = 'password'

export class PasswordChecker {
  readonly #options: PasswordCheckerOptions
  readonly #proven: TtlCache<Proven | null>
  readonly #key: Uint8Array
  readonly #dummyHash: Promise<string>
  readonly #hashing = new Turns(HASHES_AT_ONCE, HASHES_WAITING_MAX)

  constructor(options: PasswordCheckerOptions) {
    this.#options = options
    this.#key = options.random.bytes(32)
    this.#proven = new TtlCache(options.clock, LOGIN_CACHE_ENTRIES_MAX, (proven) => (proven ? LOGIN_TTL_MS : 0))
    this.#dummyHash = hashPassword('nobody has this password', options.random)
  }

  /** @param address Canonical; null when the login cannot be an address. */
  async check(address: string | null, password: string, scope: Scope): Promise<PasswordVerdict> {
    // Logins that ask the same at the same time (a client's five connections) share one hash.
    const key = `${address ?? ''} ${createHmac('sha256', this.#key).update(`${address}\0${password}`).digest('base64')}`
    const proven = await this.#proven.get(key, () => this.#prove(address, password))
    if (proven === null || address === null) return { kind: 'denied' }
    if (proven.scopes !== null && !proven.scopes.includes(scope)) return { kind: 'denied' }
    const account = await this.#options.current(address)
    if (account === null || account.id !== proven.account.id) return { kind: 'denied' }
    if (account.status === 'suspended') return { kind: 'suspended', account }
    return { kind: 'ok', account, secret: proven.secret }
  }

  forget(addressOrId: string | null): void {
    this.#proven.forget(
      addressOrId === null
        ? null
        : (key, proven) =>
            key.startsWith(`${addressOrId} `) ||
            proven?.account.id === addressOrId ||
            proven?.account.address === addressOrId,
    )
  }

  async #prove(address: string | null, password: string): Promise<Proven | null> {
    const record = address === null ? null : await this.#options.find(address)
    const app = record?.secrets.appPasswords.find((candidate) => matchesAppPassword(candidate, password))
    if (record && app) return { account: record.account, secret: app.name, scopes: app.scopes }
    const stored = record?.secrets.passwordHash ?? (await this.#dummyHash)
    const right = await this.#hashing.run(() => verifyPassword(stored, password))
    return right && record?.secrets.passwordHash ? { account: record.account, secret: MAIN_SECRET, scopes: null } : null
  }
}

/** Lets a few do their work at a time, the others in the order in which they came. */
class Turns {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #busy = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** @throws {DirectoryError} DIRECTORY_UNAVAILABLE when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#atOnce) this.#busy++
    else if (this.#waiting.length >= this.#waitingMax)
      throw new DirectoryError('DIRECTORY_UNAVAILABLE', 'Cannot check the password: too many logins wait')
    else await new Promise<void>((turn) => this.#waiting.push(turn)) // whoever leaves hands over its place
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#busy--
    }
  }
}
