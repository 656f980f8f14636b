/**
 * Rule 14, the part that one disk cannot tell: whether an in-sync mirror holds what this log may have lost. Pure.
 *
 * A member of the in-sync set holds all that was acknowledged. A primary whose recovery found its end damaged does not know that of itself
 * any more: where the mirror goes on, it may go on with acknowledged records, and where records rotted that the mirror never had, they
 * were never acknowledged and stand in the way of everything new.
 */
import type { LsnRange } from './ports.ts'

export interface AheadFacts {
  readonly lastLsn: number
  /** Known here. A mirror that ends below it has lost something itself. */
  readonly commit: number
  readonly endInDoubt: boolean
  readonly rotten: readonly LsnRange[]
  /** Up to here both logs are equal. */
  readonly commonLsn: number
  readonly mirrorLastLsn: number
}

/** Whether the mirror must lead. To be asked only of one that the ledger may hold in sync. */
export function mirrorIsAhead(facts: AheadFacts): boolean {
  const { lastLsn, commit, endInDoubt, rotten, commonLsn, mirrorLastLsn } = facts
  if (mirrorLastLsn < commit) return false
  if (endInDoubt && commonLsn === lastLsn && mirrorLastLsn > lastLsn) return true
  return commonLsn === mirrorLastLsn && rotten.some(({ last }) => last > mirrorLastLsn)
}
