/** Accounts in memory: loaded from the index when asked for, the least recently used ones dropped again beyond a limit. */
import type { AccountId } from '#lib/mail/types.ts'
import type { ShardIndex } from '../index/port.ts'
import { AccountState } from './account-state.ts'

/** Accounts looked at to find one that can go; if all are in use, the table grows beyond its limit. */
const EVICTION_LOOKS_MAX = 32

export class AccountTable {
  readonly #index: ShardIndex
  readonly #accountsMax: number
  /** In the order of last use. */
  readonly #accounts = new Map<AccountId, AccountState>()

  constructor(index: ShardIndex, accountsMax: number) {
    this.#index = index
    this.#accountsMax = accountsMax
  }

  get size(): number {
    return this.#accounts.size
  }

  /** Null if this shard does not own the account. */
  get(id: AccountId): AccountState | null {
    const loaded = this.#accounts.get(id)
    if (loaded !== undefined) {
      this.#accounts.delete(id)
      this.#accounts.set(id, loaded)
      return loaded
    }
    const row = this.#index.account(id)
    if (row === null || (row.status !== 'active' && row.status !== 'suspended')) return null
    this.#evict()
    const account = new AccountState(row, this.#index)
    this.#accounts.set(id, account)
    return account
  }

  /** Only if it is in memory. */
  peek(id: AccountId): AccountState | undefined {
    return this.#accounts.get(id)
  }

  drop(id: AccountId): void {
    this.#accounts.delete(id)
  }

  /** Makes room for one. Those in use stay. */
  #evict(): void {
    if (this.#accounts.size < this.#accountsMax) return
    let looked = 0
    for (const [id, account] of this.#accounts) {
      this.#accounts.delete(id)
      if (!account.inUse) return
      // In use: to the end, so that the next call does not look at it again first.
      this.#accounts.set(id, account)
      if (++looked >= EVICTION_LOOKS_MAX) return
    }
  }
}
