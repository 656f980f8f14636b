/** How long to wait after a failure: twice as long each time, up to a bound, spread so that many never come back at once. */
export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * @param failures Failures in a row, at least 1.
 * @param fraction Chance in [0, 1): the wait lies between half and all of the full one.
 */
export function backoffMs(backoff: Backoff, failures: number, fraction: number): number {
  const full = Math.min(backoff.firstMs * 2 ** (Math.max(1, failures) - 1), backoff.maxMs)
  return full * (0.5 + fraction / 2)
}
