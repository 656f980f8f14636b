/**
 * Rules 3 and 9: where two logs part, from their outlines alone. Pure. The chain value at the answer is compared afterwards, record
 * by record if headers are rotten: an epoch belongs to one process life, so an equal chain only proves what must be so.
 *
 * Invariant: what rot made unknown contradicts nothing. Two histories differ only by what can be read on both sides.
 */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { EPOCHS_SENT_MAX } from './limits.ts'
import type { LogOutline } from './messages.ts'
import type { EpochStart } from './ports.ts'

export type CommonPoint =
  /** The mirror keeps its records up to `lsn`. `floor`: where the highest common epoch begins; below, nothing needs comparing. */
  | { readonly kind: 'at'; readonly lsn: Lsn; readonly floor: Lsn }
  /** The mirror starts from nothing. `reset`: what it has is set aside. `parted`: up to there the logs may be equal, as far as known. */
  | { readonly kind: 'full-copy'; readonly reset: boolean; readonly parted: Lsn; readonly why: string }
  | { readonly kind: 'differ'; readonly why: string }

export function commonPoint(primary: LogOutline, mirror: LogOutline): CommonPoint {
  if (mirror.lastLsn === 0) return { kind: 'full-copy', reset: false, parted: toLsn(0), why: 'the mirror is empty' }
  if (!Buffer.from(primary.tag).equals(mirror.tag)) return { kind: 'differ', why: 'the logs have different tags' }
  const pairs = new Map(primary.epochs.map((start) => [start.epoch, start]))
  for (let i = mirror.epochs.length - 1; i >= 0; i--) {
    const theirs = mirror.epochs[i]
    const ours = theirs && pairs.get(theirs.epoch)
    if (!theirs || !ours) continue
    if (contradict(ours, theirs)) {
      return { kind: 'differ', why: `epoch ${theirs.epoch} begins with two different records` }
    }
    // Where the mirror may have begun an epoch of its own but cannot say where, its unreadable records are given anew anyway.
    const mirrorEnd = (nextOf(mirror, theirs.epoch)?.latestLsn ?? mirror.lastLsn + 1) - 1
    const primaryEnd = (nextOf(primary, theirs.epoch)?.firstLsn ?? primary.lastLsn + 1) - 1
    const lsn = toLsn(Math.min(primaryEnd, mirrorEnd))
    if (lsn < primary.horizon)
      return { kind: 'full-copy', reset: true, parted: lsn, why: 'the mirror was away for too long' }
    return { kind: 'at', lsn, floor: toLsn(Math.max(ours.firstLsn, theirs.firstLsn)) }
  }
  if (primary.epochs.length >= EPOCHS_SENT_MAX || mirror.epochs.length >= EPOCHS_SENT_MAX) {
    const why = 'there were too many epochs since the two parted'
    return { kind: 'full-copy', reset: true, parted: toLsn(0), why }
  }
  if (primary.lastLsn === 0) return { kind: 'differ', why: "the primary's log is empty and the mirror's is not" }
  return { kind: 'differ', why: 'the logs have no epoch in common' }
}

function contradict(ours: EpochStart, theirs: EpochStart): boolean {
  if (ours.latestLsn < theirs.firstLsn || theirs.latestLsn < ours.firstLsn) return true
  return ours.chain !== null && theirs.chain !== null && !Buffer.from(ours.chain).equals(theirs.chain)
}

function nextOf(log: LogOutline, epoch: number): EpochStart | undefined {
  return log.epochs.find((start) => start.epoch > epoch)
}
