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
  /** What others have open of an account: ended with its sessions, and not counted with them. */
  readonly #attached = new Map<AccountId, Set<EndSession>>()
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

  /** @param end Called at most once, when the sessions of the account end. @returns The release, safe to call again. */
  attach(account: AccountId, end: EndSession): () => void {
    const attached = this.#attached.get(account) ?? new Set<EndSession>()
    this.#attached.set(account, attached)
    const own: EndSession = (reason) => end(reason)
    attached.add(own)
    return () => {
      attached.delete(own)
      if (attached.size === 0 && this.#attached.get(account) === attached) this.#attached.delete(account)
    }
  }

  /** @returns How many were told, not counting what is attached. */
  end(account: AccountId, reason: string): number {
    const attached = this.#attached.get(account)
    this.#attached.delete(account)
    for (const end of attached ?? []) end(reason)
    const sessions = [...(this.#sessions.get(account) ?? [])]
    for (const session of sessions) {
      this.#release(account, session)
      session.end(reason)
    }
    return sessions.length
  }

  endAll(reason: string): void {
    for (const account of new Set([...this.#sessions.keys(), ...this.#attached.keys()])) this.end(account, reason)
  }

  #release(account: AccountId, session: Session): void {
    const sessions = this.#sessions.get(account)
    if (sessions === undefined || !sessions.delete(session)) return
    this.#count--
    if (sessions.size === 0) this.#sessions.delete(account)
  }
}
