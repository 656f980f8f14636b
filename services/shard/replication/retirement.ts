/**
 * The end of a process that was asked to stop: what it is primary of goes to the other member first, if that one is in sync, so that
 * clients see a switchover and no failover. Bounded: a replica that cannot hand over in time stops all the same, and the other
 * one takes over after the grace.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'

const LOOK_MS = 20
/** A successor begins its epoch within tens of milliseconds, or it is stopping too. */
const SUCCESSOR_MS = 1_500

export interface RetirementOptions {
  readonly clock: Clock
  readonly withinMs: number
  readonly isPrimary: () => boolean
  /** The planned switchover. */
  readonly handOver: () => Promise<void>
  /** The other member has begun its epoch: it needs this one no more. */
  readonly successorServes: () => boolean
}

/** @returns In words what came of it, for the log of the process. Never rejects. */
export async function retire(options: RetirementOptions): Promise<string> {
  const { clock, withinMs, isPrimary, handOver, successorServes } = options
  if (!isPrimary()) return 'nothing to hand over'
  const giveUp = new AbortController()
  const late = sleep(clock, withinMs, giveUp.signal).then(() => 'not handed over in time')
  late.catch(() => {}) // aborted: the handover was faster
  const handed = handOver().then(
    () => null,
    (error: unknown) => `not handed over: ${errorMessage(error)}`,
  )
  const why = await Promise.race([handed, late])
  giveUp.abort(new Error('all is said'))
  if (why !== null) return why
  const deadlineMs = clock.monotonicMs() + SUCCESSOR_MS
  while (!successorServes() && clock.monotonicMs() < deadlineMs) await sleep(clock, LOOK_MS)
  return successorServes() ? 'handed over, the other member serves' : 'handed over'
}
