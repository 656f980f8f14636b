/**
 * Rule 10: up to which LSN compaction may look. Pure. What lies at or below the horizon, record and effect, is committed, in every
 * replica, in the index, and known to all who read the log: dropping it can bring nothing back and lose nothing.
 */
import { AWAY_MS_MAX, LAG_BYTES_MAX } from './limits.ts'

/** Somebody who must have seen a record before it may be dropped: a replica that the ledger names, or a cursor into the log. */
export interface Follower {
  /** For people: the replica's id, or the name of the cursor. */
  readonly name: string
  /** Has everything up to here for certain; null: not known in this process life. */
  readonly lsn: number | null
  /** Since when it did not come on; 0: it keeps up. */
  readonly awayMs: number
}

export interface HorizonFacts {
  /** The highest commit known here. */
  readonly commit: number
  /** Durable on this disk. */
  readonly durable: number
  /** What the index holds even after a crash. */
  readonly indexLsn: number
  readonly followers: readonly Follower[]
  /** Bytes of the log, for the limit on lag; records are taken as equally large. */
  readonly logBytes: number
  readonly limits: LagLimits
}

export interface LagLimits {
  readonly lagBytesMax: number
  readonly awayMsMax: number
}

export const LAG_LIMITS: LagLimits = { lagBytesMax: LAG_BYTES_MAX, awayMsMax: AWAY_MS_MAX }

export interface Horizon {
  readonly lsn: number
  /** Who is not waited for any more: what it lacks cannot be sent record by record. */
  readonly needFullCopy: readonly string[]
}

export function horizon(facts: HorizonFacts): Horizon {
  const { commit, durable, indexLsn, followers } = facts
  const needFullCopy = followers.filter((follower) => isTooFarBehind(follower, facts)).map(({ name }) => name)
  const waitedFor = followers.filter(({ name }) => !needFullCopy.includes(name)).map(({ lsn }) => lsn ?? 0)
  return { lsn: Math.max(0, Math.min(commit, durable, indexLsn, ...waitedFor)), needFullCopy }
}

function isTooFarBehind({ lsn, awayMs }: Follower, { durable, logBytes, limits }: HorizonFacts): boolean {
  if (awayMs > limits.awayMsMax) return true
  // One that was not heard of yet may be up to date: only time tells.
  return lsn !== null && durable > 0 && ((durable - lsn) / durable) * logBytes > limits.lagBytesMax
}
