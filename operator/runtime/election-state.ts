/**
 * Who may lead, decided from a Lease. Pure, and without trust in anybody's clock: a holder counts as gone only when its record
 * was seen unchanged for the whole duration that the record itself names, measured here on a monotonic clock. Times written in
 * the Lease are for people; they are compared for equality only.
 *
 * Whoever leads counts from the moment at which the request of its last renewal was sent, and stops after `renewDeadlineMs`,
 * which is less than the duration that others wait: so two never lead at a time, also when one of them slept.
 */
import { assert } from '#lib/errors/assert.ts'

export interface ElectionTimes {
  /** How long others wait after the last renewal that they saw. */
  readonly leaseMs: number
  /** How long a leader goes on without a successful renewal. */
  readonly renewDeadlineMs: number
  /** Pause between two attempts. */
  readonly retryMs: number
}
export const ELECTION_TIMES: ElectionTimes = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 }

/** Wall clock and monotonic clock of a machine that was suspended differ by more than this. */
const CLOCKS_APART_MS_MAX = 500

/** @throws {AssertionFailure} on times by which two could lead at once, or nobody could lead for long. */
export function checkTimes({ leaseMs, renewDeadlineMs, retryMs }: ElectionTimes): void {
  assert(leaseMs > renewDeadlineMs, 'a leader stops before others may take over')
  assert(renewDeadlineMs > 1.2 * retryMs, 'a leader tries to renew more than once')
  assert(leaseMs % 1_000 === 0, 'a Lease holds whole seconds')
}

export interface LeaseRecord {
  /** '' after a clean release. */
  readonly holder: string
  readonly leaseMs: number
  readonly renewTime: string
  readonly transitions: number
}

/** A record and when it was first seen as it is. */
export interface Observation {
  readonly record: LeaseRecord
  readonly sinceMs: number
}

export function observe(before: Observation | null, record: LeaseRecord, nowMs: number): Observation {
  const same =
    before !== null &&
    before.record.holder === record.holder &&
    before.record.renewTime === record.renewTime &&
    before.record.transitions === record.transitions
  return same ? before : { record, sinceMs: nowMs }
}

export type ElectionStep =
  /** Write ourselves into the Lease, which must still be as it was observed. */
  { readonly kind: 'take'; readonly why: 'free' | 'ours' | 'abandoned' } | { readonly kind: 'wait' }

export function decideElection(observation: Observation, identity: string, nowMs: number): ElectionStep {
  const { record, sinceMs } = observation
  if (record.holder === '') return { kind: 'take', why: 'free' }
  if (record.holder === identity) return { kind: 'take', why: 'ours' }
  if (nowMs - sinceMs >= record.leaseMs) return { kind: 'take', why: 'abandoned' }
  return { kind: 'wait' }
}

/**
 * Whether to make a Lease that is not there. One that was seen before was deleted under somebody who may still lead: that takes
 * as long to be sure of as a holder that went silent.
 */
export function mayCreate(before: Observation | null, missingSinceMs: number, nowMs: number): boolean {
  return before === null || before.record.holder === '' || nowMs - missingSinceMs >= before.record.leaseMs
}

/** The right to lead: when the request that gave or renewed it was sent, by both clocks. */
export interface Tenure {
  readonly sentAtMs: number
  readonly sentAtWallMs: number
}

/** Time for which the tenure still holds; 0 or less: it does not. */
export function tenureLeftMs(tenure: Tenure, times: ElectionTimes, nowMs: number, wallMs: number): number {
  const passedMs = nowMs - tenure.sentAtMs
  const wallPassedMs = wallMs - tenure.sentAtWallMs
  // A monotonic clock may stand while a machine is suspended; then the wall clock tells.
  if (Math.abs(wallPassedMs - passedMs) > CLOCKS_APART_MS_MAX) return 0
  return times.renewDeadlineMs - passedMs
}
