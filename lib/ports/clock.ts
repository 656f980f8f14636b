/**
 * The port through which time enters. Nothing outside `lib/platform` reads a clock or starts a timer,
 * so that the simulator can run the same code on a time of its own (docs/architecture.md, "Ports").
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. May jump; use it for dates that people see. */
  nowMs(): number
  /** Monotonic time in milliseconds from an arbitrary start. Use it for durations and deadlines. */
  monotonicMs(): number
  /** Runs `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void
}

/** Resolves after `delayMs` on `clock`; rejects with `signal.reason` if it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const abort = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}
