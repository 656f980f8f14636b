/** Chooses home shards: the active one with the fewest accounts. The choice becomes true by the directory's add, not here. */
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { COUNT_AGE_MS, COUNT_REST_TIMES } from './limits.ts'
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
  readonly #accounts: Pick<Accounts, 'shards' | 'countAccounts'>
  readonly #clock: Clock
  #counts: Map<ShardName, number> | null = null
  #countedMs = 0
  /** How long a count holds: long against the time that it took, so that counting a million accounts is a small part of the work. */
  #restMs = COUNT_AGE_MS
  #counting: Promise<Map<ShardName, number>> | null = null
  /** Chosen since the count under way began: it may not have seen these. */
  #since = new Map<ShardName, number>()

  constructor(accounts: Pick<Accounts, 'shards' | 'countAccounts'>, clock: Clock) {
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
    const counts = await this.#known()
    const chosen = leastLoaded(active, counts)
    if (chosen === null) throw new Refusal('no-shard', 'no shard takes new accounts')
    // Counted at once, so that accounts made at the same time spread.
    addTo(counts, chosen, 1)
    if (this.#counting) addTo(this.#since, chosen, 1)
    return chosen
  }

  /** The first count is waited for; later ones are made while the last one is still used. */
  async #known(): Promise<Map<ShardName, number>> {
    if (this.#counts === null) return await this.#count()
    if (this.#clock.monotonicMs() - this.#countedMs > this.#restMs) {
      void this.#count().catch(() => {}) // the directory is away: the old counts do until it is back
    }
    return this.#counts
  }

  /** One count for all who wait for it. */
  #count(): Promise<Map<ShardName, number>> {
    this.#counting ??= this.#counted().finally(() => {
      this.#counting = null
    })
    return this.#counting
  }

  async #counted(): Promise<Map<ShardName, number>> {
    const beganMs = this.#clock.monotonicMs()
    this.#since = new Map()
    const counts = await this.#accounts.countAccounts()
    for (const [shard, count] of this.#since) addTo(counts, shard, count)
    this.#counts = counts
    this.#countedMs = this.#clock.monotonicMs()
    this.#restMs = Math.max(COUNT_AGE_MS, (this.#countedMs - beganMs) * COUNT_REST_TIMES)
    return counts
  }
}

function addTo(counts: Map<ShardName, number>, shard: ShardName, count: number): void {
  counts.set(shard, (counts.get(shard) ?? 0) + count)
}
