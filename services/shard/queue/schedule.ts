/** When a recipient is tried again, and when a letter is given up. Pure. */
import type { QueueKind } from '../records/types.ts'
import { LIFETIME_MS, RETRY_JITTER_SHARE, RETRY_PAUSES_MS, TRANSIT_PAUSES_MS } from './limits.ts'

/**
 * @param attempts Attempts that have failed, this one included: 1 or more.
 * @param chance In [0, 1). @returns Never later than `expiresMs`, so that the last try is made at the end.
 */
export function nextTryMs(kind: QueueKind, attempts: number, nowMs: number, expiresMs: number, chance: number): number {
  const pauses = kind === 'transit' ? TRANSIT_PAUSES_MS : RETRY_PAUSES_MS
  const pause = pauses[Math.min(attempts, pauses.length) - 1] ?? 0
  const jitter = 1 - RETRY_JITTER_SHARE / 2 + RETRY_JITTER_SHARE * chance
  return Math.min(nowMs + Math.round(pause * jitter), Math.max(nowMs, expiresMs))
}

export function expiryMs(kind: QueueKind, dueMs: number): number {
  return dueMs + LIFETIME_MS[kind]
}
