/**
 * One kind of resource from the watch to the work: a reflector fills the cache, changes put keys into a queue, and the queue works
 * once this operator leads and everything that work reads was listed.
 */

import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import { askedWaitMs } from './api-error.ts'
import type { Backoff } from './backoff.ts'
import type { ObjectCache } from './object-cache.ts'
import { Reflector, type ReflectorCounts, type ReflectorOptions, whyStale } from './reflector.ts'
import { WorkQueue } from './work-queue.ts'

export const RECONCILE_BACKOFF: Backoff = { firstMs: 250, maxMs: 120_000 }

export interface ResourceLoopOptions extends Omit<ReflectorOptions, 'changed'> {
  readonly workers: number
  readonly backoff?: Backoff
  readonly logger: Logger
  /** The work on one key. @returns When to look again, in ms, or null. */
  readonly reconcile: (key: string, cache: ObjectCache) => Promise<number | null>
  /** Keys to look at after a change of `key`; that one alone without it. */
  readonly affected?: (key: string, cache: ObjectCache) => readonly string[]
  /** Told of each run: `ok`, or the code of the error. */
  readonly reconciled: (outcome: string) => void
}

export class ResourceLoop {
  readonly queue: WorkQueue
  readonly #reflector: Reflector
  readonly #options: ResourceLoopOptions

  constructor(options: ResourceLoopOptions) {
    this.#options = options
    const { type, logger, clock, random, workers, backoff = RECONCILE_BACKOFF, affected, reconcile } = options
    this.#reflector = new Reflector({
      ...options,
      changed: (key) => {
        for (const one of affected?.(key, this.cache) ?? [key]) this.queue.add(one)
      },
    })
    this.queue = new WorkQueue({
      work: async (key) => {
        try {
          const againMs = await reconcile(key, this.cache)
          options.reconciled('ok')
          return againMs
        } catch (error) {
          options.reconciled(errorCode(error) ?? 'error')
          throw error
        }
      },
      clock,
      random,
      workers,
      backoff,
      retryAfterMs: askedWaitMs,
      failed: (key, error, retryMs) =>
        logger.warn(
          { kind: type.kind, resource: key, reason: errorMessage(error), code: errorCode(error), retryMs },
          'not done yet',
        ),
    })
  }

  get cache(): ObjectCache {
    return this.#reflector.cache
  }

  get synced(): Promise<void> {
    return this.#reflector.synced
  }

  get counts(): ReflectorCounts {
    return this.#reflector.counts
  }

  /** Begins to watch; nothing is worked on before `queue.start()`. */
  start(): void {
    this.#reflector.start()
  }

  /** Why the cache cannot be relied on, in words, or null. */
  whyStale(ageMsMax: number): string | null {
    return whyStale(this.#reflector, this.#options.type, ageMsMax)
  }

  /** Ends the watch; the queue is stopped before. */
  async stop(): Promise<void> {
    await this.#reflector.stop()
  }
}
