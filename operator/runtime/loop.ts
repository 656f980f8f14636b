/**
 * A level-triggered loop: `poke()` says that something may have changed, and the work runs once after that, never twice at
 * a time, however many pokes come. Work that fails is tried again, later and later. The work looks at the whole state each
 * time, so that a lost or doubled poke does no harm.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'

const RETRY_FIRST_MS = 100
const RETRY_MS_MAX = 5_000

export interface Loop {
  poke(): void
  /** No more runs begin; resolves when the present one is over. */
  stop(): Promise<void>
}

/** @param work Resolves with a delay in ms after which it wants to run again without a poke, or null. */
export function createLoop(options: {
  readonly clock: Clock
  readonly work: () => Promise<number | null>
  readonly failed: (message: string, retryMs: number) => void
}): Loop {
  const { clock, work, failed } = options
  let running: Promise<void> | null = null
  let poked = false
  let stopped = false
  let failures = 0
  let cancel = () => {}

  const run = async () => {
    while (poked && !stopped) {
      poked = false
      try {
        const againMs = await work()
        failures = 0
        if (againMs !== null) later(againMs)
      } catch (error) {
        failures++
        const retryMs = Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_MS_MAX)
        failed(errorMessage(error), retryMs)
        later(retryMs)
      }
    }
    running = null
  }
  const later = (delayMs: number) => {
    cancel()
    if (!stopped) cancel = clock.after(delayMs, poke)
  }
  const poke = () => {
    poked = true
    if (!stopped) running ??= run()
  }
  return {
    poke,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
