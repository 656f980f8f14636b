/**
 * The times and sizes on which roles are decided, with the reason for each. Durations are of monotonic clocks.
 * Invariant (rule 8): removeMs + swapMs < leaseMs < graceMs, so that a dead mirror costs no session, and nobody serves reads while
 * another can have been promoted, as long as clock rates differ by less than (graceMs - leaseMs) / leaseMs.
 */
import { assert } from '#lib/errors/assert.ts'

export interface RoleTimes {
  /** Between two beacons: some must be lost before a mirror is taken for gone. */
  readonly beaconMs: number
  /** The mirror was not heard for so long: it is taken out. */
  readonly removeMs: number
  /** Bound of one swap or read of the ledger; beyond, its outcome is unknown. */
  readonly swapMs: number
  /** Right to read, from the sending of the last acknowledged beacon. */
  readonly leaseMs: number
  /** What a mirror waits from the receipt of the last beacon before it takes over. */
  readonly graceMs: number
  /** Rule 15: a disk or a mirror that needs longer for one record is not used any more. */
  readonly ackMs: number
  /** After a change of role nothing is handed over of one's own accord (flapping). */
  readonly holdDownMs: number
  /** Wall and monotonic clock drifted apart between two looks: the machine was frozen, or the time was set. */
  readonly clockJumpMs: number
  /** How often a replica looks at the ledger when nothing happens, and at least between two tries. */
  readonly lookMs: number
  /** A mirror that lags by no more is made to acknowledge what is new: the rest is a fraction of a second. */
  readonly growLagBytes: number
  /**
   * How long a replica whose log had a damaged end waits for the one that knows what was acknowledged: a container or a node that
   * starts again is back by then. Only where both fail at once does it cost anything.
   */
  readonly doubtMs: number
  /** A planned switchover that did not drain within is called off: clients were promised a second. */
  readonly drainMs: number
}

export const ROLE_TIMES: RoleTimes = {
  beaconMs: 200,
  removeMs: 600,
  swapMs: 400,
  leaseMs: 1_800,
  graceMs: 2_200,
  ackMs: 1_000,
  holdDownMs: 10_000,
  clockJumpMs: 500,
  lookMs: 1_000,
  growLagBytes: 4 * 1024 * 1024,
  doubtMs: 30_000,
  drainMs: 1_000,
}

/** @throws {AssertionFailure} for times with which two could serve at once. */
export function checkTimes(times: RoleTimes): RoleTimes {
  assert(times.removeMs + times.swapMs < times.leaseMs, 'remove + swap < lease')
  assert(times.leaseMs < times.graceMs, 'lease < grace')
  assert(times.graceMs < times.doubtMs, 'grace < doubt: the other may take over first')
  return times
}
