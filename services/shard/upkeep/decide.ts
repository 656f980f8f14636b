/**
 * What upkeep of a log does next: mark what nobody needs, write a segment anew without it, scrub, set space aside. Pure: facts in, one action
 * out. One thing at a time: all of it shares one disk with the letters.
 */
import { FULL_BELOW_SHARE, WARN_BELOW_SHARE } from '../roles/admission.ts'
import { RETENTION_MS, RETENTION_WHEN_FULL_MS, SCRUB_EVERY_MS } from './limits.ts'

/** How eager compaction is. */
export interface Urgency {
  /** How much of a segment must be dead before the rest is copied: half of it costs one byte of copying for each that is freed. */
  readonly deadShareMin: number
  readonly markEveryMs: number
  /** How long the bytes of an expunged message stay at least. */
  readonly retentionMs: number
}

/** By free space: as always, below 15 %, and below 7 %, where retention comes forward too (rule 16). */
export interface UpkeepPolicy {
  readonly atEase: Urgency
  readonly short: Urgency
  readonly full: Urgency
  readonly scrubEveryMs: number
}

const HOUR_MS = 60 * 60 * 1000

/** @param retentionMs How long the bytes of an expunged message stay at least, while there is space. */
export function policyOf(retentionMs: number): UpkeepPolicy {
  const whenFullMs = Math.min(retentionMs, RETENTION_WHEN_FULL_MS)
  return {
    atEase: { deadShareMin: 0.5, markEveryMs: 6 * HOUR_MS, retentionMs },
    short: { deadShareMin: 0.2, markEveryMs: HOUR_MS, retentionMs },
    full: { deadShareMin: 0.05, markEveryMs: HOUR_MS / 12, retentionMs: whenFullMs },
    scrubEveryMs: SCRUB_EVERY_MS,
  }
}

export const UPKEEP_POLICY = policyOf(RETENTION_MS)

export interface SegmentFacts {
  readonly firstLsn: number
  readonly nextLsn: number
  readonly sizeBytes: number
  /** What the last mark found that it would lose. */
  readonly deadBytes: number
}

export interface UpkeepFacts {
  readonly policy: UpkeepPolicy
  /** Monotonic. */
  readonly nowMs: number
  readonly wallMs: number
  /** Smallest share of free space, 0 to 1; null: unknown. */
  readonly freeShare: number | null
  readonly freeBytes: number
  /** Rule 10. */
  readonly horizon: number
  /** The last mark of this process life; null: none yet. */
  readonly mark: { readonly atMs: number; readonly horizon: number } | null
  /** Sealed segments as that mark found them, without those that are rotten or were written anew since. */
  readonly segments: readonly SegmentFacts[]
  /** `lastFullMs`: wall time at which the last one ended; null: never. */
  readonly scrub: { readonly lastFullMs: number | null; readonly underWay: boolean }
  /** Bytes of the reserve that are missing, and of one of its files. */
  readonly reserveMissingBytes: number
  readonly reserveFileBytes: number
}

export type UpkeepAction =
  | { readonly kind: 'rest' }
  | { readonly kind: 'mark'; readonly retentionMs: number }
  | { readonly kind: 'compact'; readonly firstLsn: number }
  | { readonly kind: 'scrub' }
  | { readonly kind: 'refill-reserve' }

/** A file of the reserve is made only where so much is left free beside it: it is not to bring anybody near the limits of rule 16. */
const FREE_BESIDE_RESERVE_SHARE = 0.1

export function decideUpkeep(facts: UpkeepFacts): UpkeepAction {
  const { nowMs, wallMs, freeShare, scrub, mark, policy } = facts
  const { deadShareMin, markEveryMs, retentionMs } = urgency(policy, freeShare)
  const segment = worthIt(facts, deadShareMin)
  if (segment !== null) return { kind: 'compact', firstLsn: segment.firstLsn }
  const markDue = mark === null || nowMs - mark.atMs >= markEveryMs
  if (markDue && facts.horizon > (mark?.horizon ?? 0)) return { kind: 'mark', retentionMs }
  if (mayRefill(facts)) return { kind: 'refill-reserve' }
  if (scrub.underWay || scrubDue(scrub.lastFullMs, wallMs, policy.scrubEveryMs)) return { kind: 'scrub' }
  return { kind: 'rest' }
}

function mayRefill({ reserveMissingBytes, reserveFileBytes, freeBytes, freeShare }: UpkeepFacts): boolean {
  if (reserveMissingBytes === 0 || freeShare === null || freeShare === 0) return false
  const beside = freeBytes - Math.min(reserveFileBytes, reserveMissingBytes)
  return beside > (freeBytes / freeShare) * FREE_BESIDE_RESERVE_SHARE
}

/** Every record is read once a week. A clock that went back makes none due. */
export function scrubDue(lastFullMs: number | null, wallMs: number, everyMs: number): boolean {
  return lastFullMs === null || wallMs - lastFullMs >= everyMs
}

/** `full` is also the state in which nothing but relief is taken in. */
export function spaceState(freeShare: number | null): 'atEase' | 'short' | 'full' {
  if (freeShare === null || freeShare >= WARN_BELOW_SHARE) return 'atEase'
  return freeShare >= FULL_BELOW_SHARE ? 'short' : 'full'
}

function urgency(policy: UpkeepPolicy, freeShare: number | null): Urgency {
  return policy[spaceState(freeShare)]
}

/** The segment that frees most for what it costs, if it is worth it and the copy fits on the disk. */
function worthIt({ segments, mark, freeBytes }: UpkeepFacts, deadShareMin: number): SegmentFacts | null {
  let best: SegmentFacts | null = null
  for (const segment of segments) {
    const { nextLsn, deadBytes, sizeBytes } = segment
    if (mark === null || nextLsn - 1 > mark.horizon || deadBytes < sizeBytes * deadShareMin) continue
    if (sizeBytes - deadBytes > freeBytes) continue
    if (best === null || deadBytes / sizeBytes > best.deadBytes / best.sizeBytes) best = segment
  }
  return best
}
