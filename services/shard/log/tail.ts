/**
 * Torn or rotten: what recovery does with the damage in the last, unsealed segment (rule 14 of the replication design).
 * Pure. Invariant: nothing at or below what was known to be durable is ever cut.
 */
import { BATCH_HEADER_BYTES, type BatchHeader } from './format.ts'
import type { Damage, Walk } from './segment-walk.ts'

export interface LsnRange {
  readonly first: number
  readonly last: number
}

export interface TailVerdict {
  /** The bytes before this position stay. */
  readonly keepTo: number
  /** A batch that loses its last records gets this header, at this position. */
  readonly shortened: { readonly at: number; readonly header: BatchHeader } | null
  readonly nextLsn: number
  /** Records that were durable and are damaged now; they stay as they are until the peer repairs them. */
  readonly rotten: readonly LsnRange[]
}

/** @param knownUpTo An LSN that is known to have been durable here from elsewhere (the index, the peer); 0 if none. */
export function judgeTail(walk: Walk, knownUpTo: number): TailVerdict {
  const durable = Math.max(walk.syncedUpTo, knownUpTo)
  const rotten = walk.damages
    .filter((damage) => damage.first <= durable && damage.last >= damage.first)
    .map((damage) => ({ first: damage.first, last: Math.min(damage.last, durable) }))
  const torn = walk.damages.find((damage) => isTorn(damage, durable))
  const nextLsn = Math.max(torn === undefined ? walk.nextLsn : torn.first, durable + 1)
  if (torn === undefined) {
    if (durable >= walk.nextLsn) rotten.push({ first: walk.nextLsn, last: durable })
    return { keepTo: walk.end, shortened: null, nextLsn, rotten }
  }
  return { ...shorten(walk, torn.at, torn.first), nextLsn, rotten }
}

/**
 * Damage to what may never have been synced. A hole without records before a whole batch is none: an empty batch header stood there,
 * and such a header is synced before anything follows it.
 */
function isTorn(damage: Damage, durable: number): boolean {
  if (damage.last < damage.first) return damage.first > durable && !damage.beforeBatch
  return damage.last > durable
}

/** The batch that `keepTo` cuts in two keeps its records below `firstCut`; one that would keep none goes too. */
export function shorten(walk: Walk, keepTo: number, firstCut: number): Pick<TailVerdict, 'keepTo' | 'shortened'> {
  const batch = walk.batches.findLast((candidate) => candidate.at < keepTo)
  if (batch === undefined || batch.at + BATCH_HEADER_BYTES + batch.header.byteCount <= keepTo) {
    return { keepTo, shortened: null }
  }
  const recordCount = Math.max(firstCut - batch.header.firstLsn, 0)
  const byteCount = keepTo - batch.at - BATCH_HEADER_BYTES
  if (recordCount === 0 && byteCount === 0) return { keepTo: batch.at, shortened: null }
  return { keepTo, shortened: { at: batch.at, header: { ...batch.header, recordCount, byteCount } } }
}

/** What is left of the ranges. */
export function withoutRange(ranges: readonly LsnRange[], gone: LsnRange): LsnRange[] {
  return ranges.flatMap(({ first, last }) => {
    if (last < gone.first || first > gone.last) return [{ first, last }]
    const left = [
      { first, last: gone.first - 1 },
      { first: gone.last + 1, last },
    ]
    return left.filter((range) => range.last >= range.first)
  })
}

/** Ranges in order, neighbours joined. */
export function joinRanges(ranges: readonly LsnRange[]): LsnRange[] {
  const joined: LsnRange[] = []
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1)
    if (before !== undefined && range.first <= before.last + 1) {
      joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
    } else joined.push(range)
  }
  return joined
}
