/**
 * What a reflector does next: list, or watch from a version, now or later. Pure: one fact in, the new state and one step out, so
 * that every ending of a stream is a row of a table (watch-state.test.ts).
 *
 * Rules: a stream that ends is taken up again from the last version that was received, events and bookmarks alike. A version that
 * is no longer kept (410, as answer or inside the stream) means listing again at once. Streams that end at once count as
 * failures, so that a server that closes them does not see thousands a second; too many failures in a row mean listing, in case
 * the version itself is what the server chokes on.
 */
import { type Backoff, backoffMs } from './backoff.ts'

export interface WatchState {
  /** Where to watch from; null: a list is due. */
  readonly resourceVersion: string | null
  /** Steps in a row that brought nothing. */
  readonly failures: number
}

export type WatchFact =
  | { readonly kind: 'listed'; readonly resourceVersion: string }
  | { readonly kind: 'received'; readonly resourceVersion: string }
  /** The stream is over: closed by the server in its time, cut by the network or by us. */
  | { readonly kind: 'ended'; readonly livedMs: number }
  | { readonly kind: 'expired' }
  | { readonly kind: 'failed'; readonly retryAfterMs: number | null }
  /** The cache is to be held against a whole list, though nothing is known to be wrong. */
  | { readonly kind: 'relist' }

export interface WatchStep {
  readonly do: 'list' | 'watch'
  readonly afterMs: number
}

export const FIRST_WATCH_STATE: WatchState = { resourceVersion: null, failures: 0 }
export const WATCH_BACKOFF: Backoff = { firstMs: 200, maxMs: 10_000 }
/** A stream that lived so long did its work. */
export const GOOD_STREAM_MS = 1_000
const FAILURES_BEFORE_LIST = 5

/** @param fraction Chance in [0, 1), for the spread of waits. */
export function afterFact(state: WatchState, fact: WatchFact, fraction: number): WatchState & { next: WatchStep } {
  switch (fact.kind) {
    case 'listed':
      return { ...state, resourceVersion: fact.resourceVersion, next: { do: 'watch', afterMs: 0 } }
    case 'received':
      return { resourceVersion: fact.resourceVersion, failures: 0, next: { do: 'watch', afterMs: 0 } }
    case 'ended':
      if (fact.livedMs >= GOOD_STREAM_MS) return { ...state, failures: 0, next: { do: 'watch', afterMs: 0 } }
      return later(state, 0, fraction)
    case 'expired':
      // Listing that expires again and again is slowed as any failure; the first time it is not.
      if (state.resourceVersion === null) return later(state, 0, fraction)
      return { ...state, resourceVersion: null, next: { do: 'list', afterMs: 0 } }
    case 'failed':
      return later(state, fact.retryAfterMs ?? 0, fraction)
    case 'relist':
      return { ...state, resourceVersion: null, next: { do: 'list', afterMs: 0 } }
    default:
      return fact satisfies never
  }
}

function later(state: WatchState, leastMs: number, fraction: number): WatchState & { next: WatchStep } {
  const failures = state.failures + 1
  const resourceVersion = failures % FAILURES_BEFORE_LIST === 0 ? null : state.resourceVersion
  const afterMs = Math.max(backoffMs(WATCH_BACKOFF, failures, fraction), leastMs)
  return { resourceVersion, failures, next: { do: resourceVersion === null ? 'list' : 'watch', afterMs } }
}
