/**
 * Which Events are written and which are folded, so that a controller that says the same thing every second costs the API one
 * object. Pure but for its memory: a fact and the time in, one action out.
 *
 * Same object, reason, action and words within six minutes are one series: its first repetition is written, then at most one a minute.
 * Different Events about one object share a bucket of tokens; a controller that goes wild about one object silences itself there only.
 */
export interface EventFact {
  /** Whom it is about; the UID keeps a later object of the same name apart. */
  readonly regardingUid: string
  readonly type: 'Normal' | 'Warning'
  /** One CamelCase word out of a table: an interface to users. */
  readonly reason: string
  /** What was done or tried, one CamelCase word. */
  readonly action: string
  readonly note: string
}

export type EventAction =
  | { readonly kind: 'create'; readonly series: string }
  | { readonly kind: 'repeat'; readonly series: string; readonly count: number }
  | { readonly kind: 'drop' }

const SERIES_MS = 360_000
const REPEAT_WRITE_MS = 60_000
const BURST = 25
const TOKEN_MS = 60_000

interface Series {
  count: number
  lastAtMs: number
  writtenAtMs: number
}
interface Bucket {
  tokens: number
  filledAtMs: number
}

export class EventAggregator {
  readonly #series = new Map<string, Series>()
  readonly #buckets = new Map<string, Bucket>()

  decide(fact: EventFact, nowMs: number): EventAction {
    const key = [fact.regardingUid, fact.type, fact.reason, fact.action, fact.note].join('\u0000')
    const series = this.#series.get(key)
    if (series && nowMs - series.lastAtMs < SERIES_MS) {
      series.count++
      series.lastAtMs = nowMs
      if (series.count > 2 && nowMs - series.writtenAtMs < REPEAT_WRITE_MS) return { kind: 'drop' }
      series.writtenAtMs = nowMs
      return { kind: 'repeat', series: key, count: series.count }
    }
    if (!this.#spend(fact.regardingUid, nowMs)) return { kind: 'drop' }
    this.#prune(nowMs)
    this.#series.set(key, { count: 1, lastAtMs: nowMs, writtenAtMs: nowMs })
    return { kind: 'create', series: key }
  }

  /** Whether a further event of the series would be folded into it. */
  has(series: string): boolean {
    return this.#series.has(series)
  }

  /** The object of a series is gone, or was never written: the next one begins anew. */
  forget(series: string): void {
    this.#series.delete(series)
  }

  #spend(uid: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(uid) ?? { tokens: BURST, filledAtMs: nowMs }
    const fresh = Math.floor((nowMs - bucket.filledAtMs) / TOKEN_MS)
    bucket.tokens = Math.min(BURST, bucket.tokens + fresh)
    bucket.filledAtMs += fresh * TOKEN_MS
    this.#buckets.set(uid, bucket)
    if (bucket.tokens === 0) return false
    bucket.tokens--
    return true
  }

  #prune(nowMs: number): void {
    for (const [key, { lastAtMs }] of this.#series) if (nowMs - lastAtMs >= SERIES_MS) this.#series.delete(key)
    for (const [uid, { filledAtMs }] of this.#buckets) {
      if (nowMs - filledAtMs >= BURST * TOKEN_MS) this.#buckets.delete(uid)
    }
  }
}
