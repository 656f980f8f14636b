/** Waiting for what a spec can see: tried again until it is there. */
import { setTimeout as pause } from 'node:timers/promises'

const TRIES = 150
const PAUSE_MS = 200

/** @param attempt Null, or an error, means: not yet. @throws naming `what` when it never came */
export async function waitFor<T>(what: string, attempt: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const value = await attempt().catch(() => null)
    if (value !== null) return value
    await pause(PAUSE_MS)
  }
  throw new Error(`Gave up waiting for ${what}`)
}
