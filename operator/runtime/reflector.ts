/**
 * Keeps a cache like the server's objects of one kind: lists once, then watches, and takes the stream up again whatever ends it.
 * watch-state.ts decides each next step; here is only the I/O.
 *
 * Invariants: one loop, so never two watches of one reflector; every change of the cache calls `changed` with its key, also the
 * deletions that only a relist shows; `changed` does nothing but put the key into a queue; an error never ends the loop.
 */
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { ApiClient, Selection } from './api-client.ts'
import { errorOf, KubeError } from './api-error.ts'
import { type KubeObject, keyOf, type ResourceType } from './kube-object.ts'
import { ObjectCache } from './object-cache.ts'
import { afterFact, FIRST_WATCH_STATE, type WatchFact, type WatchState } from './watch-state.ts'
import { WatchLines } from './watch-stream.ts'

export interface ReflectorOptions {
  readonly client: Pick<ApiClient, 'list' | 'watch'>
  readonly type: ResourceType
  /** null: all namespaces. */
  readonly namespace: string | null
  readonly selection?: Selection
  readonly clock: Clock
  readonly random: Random
  /** With the object as it is now, or as it last was when it is gone. */
  readonly changed: (key: string, object: KubeObject) => void
  /** For logs and metrics: why a list or a stream failed. The loop goes on by itself. */
  readonly failed?: (error: unknown) => void
  readonly times?: Partial<ReflectorTimes>
}

export interface ReflectorTimes {
  /** The server ends a watch after so long, spread by a quarter. */
  readonly watchSeconds: number
  /** A stream without a byte for so long is cut. Bookmarks come about once a minute, so a live one is never that still. */
  readonly inactivityMs: number
  /** The cache is held against a whole list so often, spread by a quarter, in case a change was lost on the way. */
  readonly relistMs: number
}
export const REFLECTOR_TIMES: ReflectorTimes = { watchSeconds: 240, inactivityMs: 100_000, relistMs: 900_000 }

export interface ReflectorCounts {
  lists: number
  watches: number
  failures: number
  /** Objects that a relist showed though no watch that was well had told of them: lost changes, or ones of that very moment. */
  missed: number
}

export class Reflector {
  readonly cache = new ObjectCache()
  /** Resolves when the cache holds everything for the first time. */
  readonly synced: Promise<void>
  readonly counts: ReflectorCounts = { lists: 0, watches: 0, failures: 0, missed: 0 }
  readonly #options: ReflectorOptions
  readonly #times: ReflectorTimes
  readonly #abort = new AbortController()
  #done: Promise<void> | null = null
  #state: WatchState = FIRST_WATCH_STATE
  #isSynced = false
  #markSynced = () => {}
  #contactAtMs: number
  #listedAtMs = 0
  /** The list that comes now follows a stream that was well. */
  #comparing = false

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#times = { ...REFLECTOR_TIMES, ...options.times }
    this.#contactAtMs = options.clock.monotonicMs()
    this.synced = new Promise((resolve) => {
      this.#markSynced = () => {
        this.#isSynced = true
        resolve()
      }
    })
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** Time since the server last said anything, in ms: what is in the cache may be that old. */
  get ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#contactAtMs
  }

  start(): void {
    this.#done ??= this.#loop()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #loop(): Promise<void> {
    const { signal } = this.#abort
    let next: 'list' | 'watch' = 'list'
    while (!signal.aborted) {
      const fact = await (next === 'list' ? this.#list() : this.#watch())
      if (signal.aborted) return
      const { next: step, ...state } = afterFact(this.#state, fact, this.#options.random.fraction())
      this.#state = state
      next = step.do
      if (step.afterMs > 0) await sleep(this.#options.clock, step.afterMs, signal).catch(() => {})
    }
  }

  async #list(): Promise<WatchFact> {
    const { client, type, namespace, selection, clock, changed } = this.#options
    try {
      const { items, resourceVersion } = await client.list(type, namespace, selection)
      this.counts.lists++
      this.#contactAtMs = this.#listedAtMs = clock.monotonicMs()
      const differing = this.cache.replace(items)
      if (this.#comparing) this.counts.missed += differing.length
      this.#comparing = false
      for (const object of differing) changed(keyOf(object), object)
      if (!this.#isSynced) this.#markSynced()
      return { kind: 'listed', resourceVersion }
    } catch (error) {
      return this.#failure(error)
    }
  }

  async #watch(): Promise<WatchFact> {
    const { client, type, namespace, selection, clock } = this.#options
    const resourceVersion = this.#state.resourceVersion
    if (resourceVersion === null) return { kind: 'expired' }
    const cut = new AbortController()
    const signal = AbortSignal.any([this.#abort.signal, cut.signal])
    const beganAtMs = clock.monotonicMs()
    try {
      const body = await client.watch(type, namespace, {
        ...selection,
        resourceVersion,
        timeoutSeconds: Math.ceil(this.#spread(this.#times.watchSeconds)),
        signal,
      })
      this.counts.watches++
      this.#contactAtMs = clock.monotonicMs()
      return await this.#read(body, () => cut.abort(), beganAtMs)
    } catch (error) {
      return this.#failure(error)
    }
  }

  /** Reads until the stream ends, for whatever reason. */
  async #read(body: AsyncIterable<Uint8Array>, cut: () => void, beganAtMs: number): Promise<WatchFact> {
    const { clock } = this.#options
    const lines = new WatchLines()
    let relist = false
    let stillTimer = clock.after(this.#times.inactivityMs, cut)
    const relistTimer = clock.after(this.#untilRelistMs(), () => {
      relist = true
      cut()
    })
    try {
      for await (const chunk of body) {
        stillTimer()
        stillTimer = clock.after(this.#times.inactivityMs, cut)
        this.#contactAtMs = clock.monotonicMs()
        for (const event of lines.push(chunk)) {
          if (event.kind === 'error') {
            return this.#failure(errorOf(`watch ${this.#options.type.plural}`, { ...event, retryAfter: null }))
          }
          if (event.kind !== 'bookmark') this.#take(event.kind, event.object)
          const { next: _, ...state } = afterFact(
            this.#state,
            { kind: 'received', resourceVersion: event.resourceVersion },
            0,
          )
          this.#state = state
        }
      }
    } catch (error) {
      if (error instanceof KubeError) return this.#failure(error)
      // A cut stream is an end as any other: what came before it counts.
    } finally {
      stillTimer()
      relistTimer()
      cut()
    }
    this.#comparing = relist
    return relist ? { kind: 'relist' } : { kind: 'ended', livedMs: clock.monotonicMs() - beganAtMs }
  }

  #take(kind: 'changed' | 'deleted', object: KubeObject): void {
    const key = keyOf(object)
    const differs = kind === 'deleted' ? this.cache.remove(key) : this.cache.put(object)
    if (differs) this.#options.changed(key, object)
  }

  #failure(error: unknown): WatchFact {
    if (this.#abort.signal.aborted) return { kind: 'ended', livedMs: 0 }
    if (error instanceof KubeError && error.code === 'KUBE_EXPIRED') return { kind: 'expired' }
    this.counts.failures++
    this.#options.failed?.(error)
    return { kind: 'failed', retryAfterMs: error instanceof KubeError ? error.retryAfterMs : null }
  }

  #untilRelistMs(): number {
    return Math.max(0, this.#listedAtMs + this.#spread(this.#times.relistMs) - this.#options.clock.monotonicMs())
  }

  #spread(value: number): number {
    return value * (1 + this.#options.random.fraction() / 4)
  }
}

export function sumOfCounts(all: readonly ReflectorCounts[]): ReflectorCounts {
  const sum: ReflectorCounts = { lists: 0, watches: 0, failures: 0, missed: 0 }
  for (const counts of all) {
    sum.lists += counts.lists
    sum.watches += counts.watches
    sum.failures += counts.failures
    sum.missed += counts.missed
  }
  return sum
}

/** Why a cache cannot be relied on, in words, or null; for probes. */
export function whyStale(reflector: Reflector, type: ResourceType, ageMsMax: number): string | null {
  if (!reflector.isSynced) return `${type.plural} are not listed yet`
  const { ageMs } = reflector
  return ageMs > ageMsMax ? `nothing heard of ${type.plural} for ${Math.round(ageMs / 1_000)} s` : null
}
