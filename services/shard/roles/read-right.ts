/**
 * Rule 8: may this replica send bytes of mail to anybody now? Pure; asked before each write to a socket and after each pause.
 */
import type { LedgerEntry, ReplicaId } from '../ledger/types.ts'
import { surelyPrimary, surelySole } from './entries.ts'
import type { RoleTimes } from './times.ts'

export interface ReadFacts {
  readonly self: ReplicaId
  /** The replica took up its role as primary: epoch started and committed. */
  readonly serving: boolean
  readonly mayHold: readonly LedgerEntry[]
  readonly nowMs: number
  /** When the newest acknowledged beacon was sent; null if none since the clock last jumped. */
  readonly ackedBeaconSentMs: number | null
  readonly times: RoleTimes
}

export type ReadRight =
  | { readonly kind: 'may'; readonly untilMs: number | null }
  | { readonly kind: 'must-not'; readonly reason: 'not-primary' | 'authority-in-doubt' | 'lease-lost' }

export function readRight(facts: ReadFacts): ReadRight {
  const { self, serving, mayHold, nowMs, ackedBeaconSentMs, times } = facts
  if (!serving) return { kind: 'must-not', reason: 'not-primary' }
  // A handover that may have landed: the peer may serve already.
  if (!surelyPrimary(mayHold, self)) return { kind: 'must-not', reason: 'authority-in-doubt' }
  if (surelySole(mayHold, self)) return { kind: 'may', untilMs: null }
  const untilMs = ackedBeaconSentMs === null ? Number.NEGATIVE_INFINITY : ackedBeaconSentMs + times.leaseMs
  return nowMs < untilMs ? { kind: 'may', untilMs } : { kind: 'must-not', reason: 'lease-lost' }
}

export interface ClockLook {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** Whether wall and monotonic time went apart between two looks: the machine was frozen, or somebody set the time. */
export function clockJumped(before: ClockLook, now: ClockLook, times: RoleTimes): boolean {
  const drift = now.wallMs - before.wallMs - (now.monotonicMs - before.monotonicMs)
  return Math.abs(drift) > times.clockJumpMs
}
