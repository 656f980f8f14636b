/** Which sessions live on this shard, so that they can be counted, bounded and ended. */
import type { SessionProtocol } from '#lib/frames/shard-protocol.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'

/** How the store tells a session host that a session must end: with BYE or by closing the connection. Called at most once. */
export type EndSession = (reason: string) => void

interface Session {
  readonly protocol: SessionProtocol
  readonly end: EndSession
}

export class SessionRegistry {
  readonly #sessions = new Map<AccountId, Set<Session>>()
  readonly #perAccountMax: number
  #count = 0

  constructor(perAccountMax: number) {
    this.#perAccountMax = perAccountMax
  }

  get count(): number {
    return this.#count
  }

  /** @returns The release, safe to call again. @throws {StoreError} STORE_LIMIT */
  register(account: AccountId, protocol: SessionProtocol, end: EndSession): () => void {
    const sessions = this.#sessions.get(account) ?? new Set<Session>()
    if (sessions.size >= this.#perAccountMax) {
      throw new StoreError('STORE_LIMIT', `Cannot open a session: the account has ${sessions.size} already`)
    }
    const session = { protocol, end }
    sessions.add(session)
    this.#sessions.set(account, sessions)
    this.#count++
    return () => this.#release(account, session)
  }

  /** @returns How many were told. */
  end(account: AccountId, reason: string): number {
    const sessions = [...(this.#sessions.get(account) ?? [])]
    for (const session of sessions) {
      this.#release(account, session)
      session.end(reason)
    }
    return sessions.length
  }

  endAll(reason: string): void {
    for (const account of [...this.#sessions.keys()]) this.end(account, reason)
  }

  #release(account: AccountId, session: Session): void {
    const sessions = this.#sessions.get(account)
    if (sessions === undefined || !sessions.delete(session)) return
    this.#count--
    if (sessions.size === 0) this.#sessions.delete(account)
  }
}
