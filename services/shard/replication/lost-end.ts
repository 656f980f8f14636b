/**
 * Rot that reaches the end of a log hides even of which epoch those records were: the comparison (`common-point.ts`) then ends below them, and
 * whatever the other log holds there may be what stood here. Pure.
 *
 * Invariant: what cannot be read here is neither defended against the peer nor a reason to cut what the peer has.
 */
import type { LsnRange } from './ports.ts'

/** Whether no record above `lsn` can be read: of the log nothing is left there but its length, if that. */
export function isLostAbove(
  lsn: number,
  { lastLsn, rotten }: { lastLsn: number; rotten: readonly LsnRange[] },
): boolean {
  let known = lsn
  for (const { first, last } of [...rotten].sort((a, b) => a.first - b.first)) {
    if (first <= known + 1) known = Math.max(known, last)
  }
  return known >= lastLsn
}
