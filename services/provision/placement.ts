/** Chooses home shards: the active one with the fewest accounts. The choice becomes true by the directory's add, not here. */
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { COUNT_AGE_MS } from './limits.ts'
import type { Accounts } from './ports.ts'
import { Refusal } from './refusal.ts'

/** The one with the least load; by name among equals. Null without any. */
export function leastLoaded(shards: readonly ShardName[], counts: ReadonlyMap<ShardName, number>): ShardName | null {
  let best: ShardName | null = null
  for (const shard of shards.toSorted()) {
    if (best === null || (counts.get(shard) ?? 0) < (counts.get(best) ?? 0)) best = shard
  }
  return best
}

export class Placement {
  readonly #accounts: Accounts
  readonly #clock: Clock
  #counts = new Map<ShardName, number>()
  #countedMs = Number.NEGATIVE_INFINITY
  #counting: Promise<void> | null = null

  constructor(accounts: Accounts, clock: Clock) {
    this.#accounts = accounts
    this.#clock = clock
  }

  /** @param pinned What the administrator asked for; null: choose. @throws {Refusal} no-shard */
  async choose(pinned: ShardName | null): Promise<ShardName> {
    const active = (await this.#accounts.shards()).filter((shard) => shard.active).map((shard) => shard.name)
    if (pinned !== null) {
      if (active.includes(pinned)) return pinned
      throw new Refusal('no-shard', `${pinned} is not an active shard`)
    }
    await this.#recount()
    const chosen = leastLoaded(active, this.#counts)
    if (chosen === null) throw new Refusal('no-shard', 'no shard takes new accounts')
    // Counted at once, so that accounts made at the same time spread.
    this.#counts.set(chosen, (this.#counts.get(chosen) ?? 0) + 1)
    return chosen
  }
  /** One count for all who wait for it: a second would forget what the first ones have chosen. */
  async #recount(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#countedMs <= COUNT_AGE_MS) return
    this.#counting ??= this.#accounts.countAccounts().then((counts) => {
      this.#counts = counts
      this.#countedMs = this.#clock.monotonicMs()
    })
    try {
      await this.#counting
    } finally {
      this.#counting = null
    }
  }
}
