/**
 * Which accounts should live elsewhere. Pure: what shards hold goes in, a list of moves comes out, the same for the same facts. Carrying it out
 * is another matter: a plan that is made again halfway goes on from what is true then.
 */
import { type AccountId, type ShardName, splitShardName } from '#lib/mail/types.ts'

export interface PlacedAccount {
  readonly account: AccountId
  readonly home: ShardName
  /** Of its mail. */
  readonly bytes: number
}

export interface PlannedMove {
  readonly account: AccountId
  readonly from: ShardName
  readonly to: ShardName
  readonly bytes: number
}

/** What an account costs beside its letters: so that empty accounts are spread as well. */
export const ACCOUNT_BYTES = 1024 * 1024
/** Shards whose loads differ by less than this share of the mean are left alone. */
export const TOLERANCE = 0.1

/**
 * Everything off the shards of `mailNode`, to the least loaded of the others.
 * @returns null if there is no other shard
 */
export function planDrain(
  mailNode: string,
  shards: readonly ShardName[],
  accounts: readonly PlacedAccount[],
): PlannedMove[] | null {
  const leaves = (shard: ShardName) => splitShardName(shard).mailNode === mailNode
  const targets = shards.filter((shard) => !leaves(shard))
  if (targets.length === 0) return null
  const loads = loadsOf(targets, accounts)
  return largestFirst(accounts.filter(({ home }) => leaves(home))).map(({ account, home, bytes }) => {
    const to = least(loads)
    loads.set(to, (loads.get(to) ?? 0) + bytes + ACCOUNT_BYTES)
    return { account, from: home, to, bytes }
  })
}

/**
 * As few moves as even out what the shards hold: from the fullest that can give one to the emptiest, the largest account that does not
 * turn the difference round.
 */
export function planRebalance(
  shards: readonly ShardName[],
  accounts: readonly PlacedAccount[],
  movesMax = Number.POSITIVE_INFINITY,
): PlannedMove[] {
  const loads = loadsOf(shards, accounts)
  if (loads.size < 2) return []
  const mean = [...loads.values()].reduce((sum, load) => sum + load, 0) / loads.size
  const residents = new Map<ShardName, PlacedAccount[]>()
  for (const one of largestFirst(accounts)) residents.set(one.home, [...(residents.get(one.home) ?? []), one])
  const moves: PlannedMove[] = []
  while (moves.length < movesMax) {
    const to = least(loads)
    const leaving = nextToLeave(loads, residents, to, mean * TOLERANCE)
    if (leaving === null) break
    const { account, home: from, bytes } = leaving
    const weight = bytes + ACCOUNT_BYTES
    loads.set(from, (loads.get(from) ?? 0) - weight)
    loads.set(to, (loads.get(to) ?? 0) + weight)
    moves.push({ account, from, to, bytes })
  }
  return moves
}

/** Taken out of `residents`. The fullest shard may hold nothing but one large account: then the next one gives. */
function nextToLeave(
  loads: ReadonlyMap<ShardName, number>,
  residents: ReadonlyMap<ShardName, PlacedAccount[]>,
  to: ShardName,
  tolerance: number,
): PlacedAccount | null {
  const fullestFirst = [...loads].toSorted(([, a], [, b]) => b - a)
  for (const [from, load] of fullestFirst) {
    const difference = load - (loads.get(to) ?? 0)
    if (difference <= tolerance) return null
    const here = residents.get(from) ?? []
    // More than half of the difference would make the other one the fuller.
    const at = here.findIndex(({ bytes }) => bytes + ACCOUNT_BYTES <= difference / 2)
    const [one] = at === -1 ? [] : here.splice(at, 1)
    if (one !== undefined) return one
  }
  return null
}

function loadsOf(shards: readonly ShardName[], accounts: readonly PlacedAccount[]): Map<ShardName, number> {
  const loads = new Map(shards.toSorted().map((shard) => [shard, 0]))
  for (const { home, bytes } of accounts) {
    const load = loads.get(home)
    if (load !== undefined) loads.set(home, load + bytes + ACCOUNT_BYTES)
  }
  return loads
}

function largestFirst(accounts: readonly PlacedAccount[]): PlacedAccount[] {
  return accounts.toSorted((a, b) => b.bytes - a.bytes || (a.account < b.account ? -1 : 1))
}

function least(loads: ReadonlyMap<ShardName, number>): ShardName {
  return [...loads].reduce((best, one) => (one[1] < best[1] ? one : best))[0]
}
