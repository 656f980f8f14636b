/**
 * Rules 3 and 9: where two logs part, from their outlines alone. Pure. The chain value at the answer is compared afterwards, record
 * by record if headers are rotten: an epoch belongs to one process life, so an equal chain only proves what must be so.
 */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { EPOCHS_SENT_MAX } from './limits.ts'
import type { LogOutline } from './messages.ts'

export type CommonPoint =
  /** The mirror keeps its records up to `lsn`. `floor`: where the highest common epoch begins; below, nothing needs comparing. */
  | { readonly kind: 'at'; readonly lsn: Lsn; readonly floor: Lsn }
  /** The mirror starts from nothing. `reset`: what it has is set aside. */
  | { readonly kind: 'full-copy'; readonly reset: boolean; readonly why: string }
  | { readonly kind: 'differ'; readonly why: string }

export function commonPoint(primary: LogOutline, mirror: LogOutline): CommonPoint {
  if (mirror.lastLsn === 0) return { kind: 'full-copy', reset: false, why: 'the mirror is empty' }
  if (!Buffer.from(primary.tag).equals(mirror.tag)) return { kind: 'differ', why: 'the logs have different tags' }
  const pairs = new Map(primary.epochs.map((start) => [start.epoch, start]))
  for (let i = mirror.epochs.length - 1; i >= 0; i--) {
    const theirs = mirror.epochs[i]
    const ours = theirs && pairs.get(theirs.epoch)
    if (!theirs || !ours) continue
    if (ours.firstLsn !== theirs.firstLsn || !Buffer.from(ours.chain).equals(theirs.chain)) {
      return { kind: 'differ', why: `epoch ${theirs.epoch} begins with two different records` }
    }
    const lsn = toLsn(Math.min(endOf(primary, theirs.epoch), endOf(mirror, theirs.epoch)))
    if (lsn < primary.horizon) return { kind: 'full-copy', reset: true, why: 'the mirror was away for too long' }
    return { kind: 'at', lsn, floor: ours.firstLsn }
  }
  if (primary.epochs.length >= EPOCHS_SENT_MAX || mirror.epochs.length >= EPOCHS_SENT_MAX) {
    return { kind: 'full-copy', reset: true, why: 'there were too many epochs since the two parted' }
  }
  if (primary.lastLsn === 0) return { kind: 'differ', why: "the primary's log is empty and the mirror's is not" }
  return { kind: 'differ', why: 'the logs have no epoch in common' }
}

/** The last LSN of an epoch: before the next one begins, or the end of the log. */
function endOf(log: LogOutline, epoch: number): number {
  const next = log.epochs.find((start) => start.epoch > epoch)
  return next === undefined ? log.lastLsn : next.firstLsn - 1
}
