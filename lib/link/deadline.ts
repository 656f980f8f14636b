/**
 * A deadline for what another process should have sent. Timers run before sockets are read: a process that had no processor for a while
 * finds its timer due and the answer unread. So a deadline passes in several looks, of which only one can come late by the same
 * pause, and what arrived meanwhile is read before the next one.
 */
import type { Clock } from '#lib/ports/clock.ts'

export const DEADLINE_LOOKS = 4

/** Calls `expired` once, after `ms` in which this process could read. @returns Cancels it */
export function deadline(clock: Clock, ms: number, expired: () => void): () => void {
  let looks = 0
  const look = (): (() => void) =>
    clock.after(ms / DEADLINE_LOOKS, () => {
      if (++looks === DEADLINE_LOOKS) expired()
      else cancel = look()
    })
  let cancel = look()
  return () => cancel()
}
