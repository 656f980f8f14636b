/**
 * A level-triggered queue of keys: a key that is added says "look at this object again", whatever happened to it. The work
 * reads the present state itself, so that ten changes cost one run and a lost or doubled key does no harm.
 *
 * Invariants: one key never runs twice at a time; a key added while it runs runs once more afterwards; a key whose work failed
 * comes back later and later, apart from all others; nothing is kept of a key that rests.
 */
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { type Backoff, backoffMs } from './backoff.ts'

export interface WorkQueueOptions {
  /** Resolves with a delay in ms after which the key wants to run again without a change, or null. */
  readonly work: (key: string) => Promise<number | null>
  readonly clock: Clock
  readonly random: Random
  /** How many keys run at a time. */
  readonly workers: number
  readonly backoff: Backoff
  /** The least wait that an error asks for itself (Retry-After), or null. */
  readonly retryAfterMs: (error: unknown) => number | null
  readonly failed: (key: string, error: unknown, retryMs: number) => void
}

export class WorkQueue {
  readonly #options: WorkQueueOptions
  /** Waiting for a worker, in order of arrival. */
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, { again: boolean }>()
  readonly #later = new Map<string, { readonly atMs: number; readonly cancel: () => void }>()
  readonly #failures = new Map<string, number>()
  #started = false
  #stopped = false
  #idle: (() => void) | null = null

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  /** Keys that wait for a worker now. */
  get depth(): number {
    return this.#waiting.size
  }

  get running(): number {
    return this.#running.size
  }

  /** Keys whose last run failed. */
  get failing(): number {
    return this.#failures.size
  }

  add(key: string): void {
    if (this.#stopped) return
    this.#forgetLater(key)
    const run = this.#running.get(key)
    if (run) run.again = true
    else this.#waiting.add(key)
    this.#next()
  }

  /** Adds the key after `delayMs`, or earlier if it was to come earlier anyway. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return
    const atMs = this.#options.clock.monotonicMs() + delayMs
    const planned = this.#later.get(key)
    if (planned && planned.atMs <= atMs) return
    planned?.cancel()
    const cancel = this.#options.clock.after(delayMs, () => this.add(key))
    this.#later.set(key, { atMs, cancel })
  }

  /** Work begins: keys that were added before run now. */
  start(): void {
    this.#started = true
    this.#next()
  }

  /** No more runs begin; resolves when the present ones are over. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.clear()
    for (const { cancel } of this.#later.values()) cancel()
    this.#later.clear()
    if (this.#running.size === 0) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
    })
  }

  #next(): void {
    if (!this.#started) return
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.workers) return
      this.#waiting.delete(key)
      this.#running.set(key, { again: false })
      this.#run(key)
    }
  }

  async #run(key: string): Promise<void> {
    let failure: { readonly error: unknown } | null = null
    let againMs: number | null = null
    try {
      againMs = await this.#options.work(key)
    } catch (error) {
      failure = { error }
    }
    const again = this.#running.get(key)?.again === true
    this.#running.delete(key)
    if (failure !== null) this.#failed(key, failure.error)
    else {
      this.#failures.delete(key)
      if (againMs !== null) this.addAfter(key, againMs)
    }
    // What changed while it ran is looked at at once, also after a failure: the change may be the cure.
    if (again) this.add(key)
    else this.#next()
    if (this.#stopped && this.#running.size === 0) this.#idle?.()
  }

  #failed(key: string, error: unknown): void {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const { backoff, random, retryAfterMs, failed } = this.#options
    const retryMs = Math.max(backoffMs(backoff, failures, random.fraction()), retryAfterMs(error) ?? 0)
    this.addAfter(key, retryMs)
    failed(key, error, retryMs)
  }

  #forgetLater(key: string): void {
    this.#later.get(key)?.cancel()
    this.#later.delete(key)
  }
}
