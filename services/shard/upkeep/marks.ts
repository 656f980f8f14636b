/**
 * Which bodies nobody needs: a walk over all messages of the index, in small steps while it changes.
 *
 * Why it may change: a body is dead if every message that ever referred to it was released at or below the horizon, and the horizon lies
 * below what was applied when the walk began. A message that appears later refers to a body that is newer than the horizon, or to
 * that of a message which was there when it was copied: that one is seen, as it is either there still or was released later.
 */
import type { BodyCursor, ShardIndex } from '../index/port.ts'
import { LsnSet } from '../log/lsn-set.ts'
import { MARK_ROWS } from './limits.ts'

export interface Marks {
  /** Releases up to here were believed. */
  readonly horizon: number
  /** A body that something referred to and nothing refers to any more. */
  isDead(lsn: number): boolean
  /** A body that something referred to, at any time. */
  wasReferredTo(lsn: number): boolean
}

/** @param pause Awaited between two steps; false: give up. */
export async function markBodies(
  index: ShardIndex,
  horizon: number,
  pause: () => Promise<boolean>,
): Promise<Marks | null> {
  const held = new LsnSet()
  const released = new LsnSet()
  let at: BodyCursor | null = null
  do {
    at = index.bodyHolders(at, MARK_ROWS, ({ lsns, releasedLsn }) => {
      const to = releasedLsn > 0 && releasedLsn <= horizon ? released : held
      for (const lsn of lsns) to.add(lsn)
    })
    if (!(await pause())) return null
  } while (at !== null)
  return {
    horizon,
    isDead: (lsn) => released.has(lsn) && !held.has(lsn),
    wasReferredTo: (lsn) => released.has(lsn) || held.has(lsn),
  }
}
