/**
 * Whether a mirror that the ledger may hold in sync must lead instead of this primary (rules 3 and 14). Pure.
 *
 * A member of the in-sync set holds all that was acknowledged. A primary that was just started does not know that of itself: its disk may have
 * lost what it had synced, and a torn write looks like a record that rotted. So the longer of the two logs wins. Where records rotted
 * that the mirror never had, they were never acknowledged, and stand in the way of everything new.
 */
import { isLostAbove } from './lost-end.ts'
import type { LsnRange } from './ports.ts'

export interface AheadFacts {
  readonly lastLsn: number
  /** Known here. A mirror that ends below it has lost something itself. */
  readonly commit: number
  /** The end was compared in this process life, and is known to hold all that was acknowledged. */
  readonly endProved: boolean
  readonly rotten: readonly LsnRange[]
  /** Up to here both logs are equal. */
  readonly commonLsn: number
  readonly mirrorLastLsn: number
  /** Known there. Where it is higher than what is common the mirror refuses to be cut, and needs no help. */
  readonly mirrorCommit: number
  /** It says that its own log is damaged: then it does not know either, and could not lead. */
  readonly mirrorDamaged: boolean
}

export function mirrorIsAhead(facts: AheadFacts): boolean {
  const { commit, endProved, rotten, commonLsn, mirrorLastLsn, mirrorCommit, mirrorDamaged } = facts
  if (mirrorDamaged || mirrorLastLsn < commit || mirrorCommit > commonLsn) return false
  // Also where records above are lost here: they may be just what the mirror holds there.
  if (!endProved && mirrorLastLsn > commonLsn && isLostAbove(commonLsn, facts)) return true
  return commonLsn === mirrorLastLsn && rotten.some(({ last }) => last > mirrorLastLsn)
}
