/**
 * When an ended process is started again: at once the first time, then after 200 ms, doubling up to 10 s; a life of 30 s
 * counts as healthy and begins anew. Pure, so that the supervisor only obeys. (Kubernetes: 10 s doubling to 5 min; a
 * person waits here.)
 */
export const FIRST_BACKOFF_MS = 200
export const BACKOFF_MS_MAX = 10_000
export const HEALTHY_LIFE_MS = 30_000

export interface RestartState {
  /** Ends in a row without a healthy life. */
  readonly failures: number
}

export const FRESH: RestartState = { failures: 0 }

/** What to do after a process ended that lived `livedMs`. */
export function afterExit(
  state: RestartState,
  livedMs: number,
): { readonly delayMs: number; readonly next: RestartState } {
  const failures = livedMs >= HEALTHY_LIFE_MS ? 1 : state.failures + 1
  const delayMs = failures === 1 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 2), BACKOFF_MS_MAX)
  return { delayMs, next: { failures } }
}
