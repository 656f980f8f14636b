/**
 * What a replica knows of the end of its own log after a start, and how long it waits because of that. Pure.
 *
 * A record that rots before a later header calls it synced looks like a torn tail, and is cut (rule 14). A tear loses nothing, rot may take an
 * acknowledged record with it. The other member of the in-sync set has whatever was acknowledged: so a replica whose end is in doubt neither
 * takes the other out nor takes over from it before it was asked, or `doubtMs` went by without it.
 */
import type { RoleTimes } from './times.ts'

/**
 * `in-doubt`: damage was found at the start, and the log was not compared since. `rotten`: the last record is damaged, and nothing can follow it
 * before the peer has repaired it.
 */
export type LogEnd = 'good' | 'in-doubt' | 'rotten'

export interface DoubtFacts {
  readonly end: LogEnd
  /** For how long this replica could have been told by the other. */
  readonly waitedMs: number
  readonly times: RoleTimes
}

/** Whether this replica may go on as if the other had nothing to add. */
export function mayLeaveOtherBehind({ end, waitedMs, times }: DoubtFacts): boolean {
  switch (end) {
    case 'good':
      return true
    case 'in-doubt':
      return waitedMs >= times.doubtMs
    case 'rotten':
      return false // alone it cannot write: nothing is won
    default:
      return end satisfies never
  }
}

/** In words, for status: why nothing happens for so long. */
export function doubtWords({ end, waitedMs, times }: DoubtFacts, whom: string): string {
  if (end === 'rotten') return `the last record of this log is rotten: waiting for ${whom}, which can repair it`
  const leftS = Math.ceil((times.doubtMs - waitedMs) / 1_000)
  return `the end of this log was damaged, and ${whom} may hold what was acknowledged: waiting ${leftS} s more for it`
}
