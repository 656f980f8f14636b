/**
 * Rule 11: how far UIDs, MODSEQs and UIDVALIDITY jump after a forced recovery. What the other member gave out after this one left is
 * not known; it is guessed generously, because a UID that is used for a second letter corrupts what clients have stored, and a
 * gap costs nothing. Pure.
 */

/** One mailbox does not grow faster for long: what one disk takes, all into one mailbox. */
const UIDS_PER_SECOND_MAX = 2_000
const UIDS_MIN = 1 << 20
/** A sixteenth of all UIDs: a member that was away for longer than 37 hours of such a flood is past guessing. */
const UIDS_MAX = 1 << 28
/** Beyond what all changes of an account can have been, and 8,192 such jumps fit below 2^53. */
const MODSEQS = 2 ** 40
/** UIDVALIDITY is the time of creation in seconds: the lost member's clock may have been ahead by a day. */
const CLOCK_AHEAD_S = 86_400
const UID_VALIDITY_MAX = 0xffff_ffff

/** @param newestMs Wall time of the newest record that is left. */
export function uidsToPass(newestMs: number, nowMs: number): number {
  const awayS = Math.ceil((nowMs - newestMs) / 1_000)
  return Math.min(UIDS_MAX, Math.max(UIDS_MIN, awayS * UIDS_PER_SECOND_MAX))
}

/** What the record of the jump says. @param uids As decided when the recovery began. */
export function jumpOf(uids: number, nowMs: number): { uids: number; modSeqs: number; uidValidity: number } {
  const uidValidity = Math.min(UID_VALIDITY_MAX, Math.floor(nowMs / 1_000) + CLOCK_AHEAD_S)
  return { uids, modSeqs: MODSEQS, uidValidity }
}
