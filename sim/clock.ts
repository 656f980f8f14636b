/**
 * Virtual time: a queue of events in order of time, then of arrival. Time stands still while code runs and jumps to the next
 * event when all of it waits, as in a machine with an infinitely fast processor.
 */

const READY = Promise.resolve()

interface Event {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
  cancelled: boolean
}

export class SimClock {
  /** Binary heap, earliest event first. */
  readonly #events: Event[] = []
  #nowMs = 0
  #order = 0
  #eventCount = 0

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Events that ran. */
  get eventCount(): number {
    return this.#eventCount
  }

  after(delayMs: number, action: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action, cancelled: false }
    this.#events.push(event)
    this.#rise(this.#events.length - 1)
    return () => {
      event.cancelled = true
    }
  }

  /**
   * Runs events until `done()` says so or time would pass `untilMs`; then time is `untilMs`.
   * @returns Whether `done()` became true. With `untilMs` infinite, false means that nothing is left to happen.
   */
  run(done: () => boolean, untilMs: number): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    // Promise jobs that an event makes must run before the next one: it begins as a promise job of a later tick (see `settled`).
    const step = () => {
      try {
        if (done()) resolve(true)
        else if (this.#runNext(untilMs)) process.nextTick(later)
        else resolve(false)
      } catch (error) {
        reject(error)
      }
    }
    const later = () => {
      READY.then(step)
    }
    process.nextTick(later)
    return promise
  }

  /** @returns False: nothing is left to happen until then */
  #runNext(untilMs: number): boolean {
    for (let next = this.#events[0]; next !== undefined && next.atMs <= untilMs; next = this.#events[0]) {
      this.#takeFirst()
      if (next.cancelled) continue
      this.#nowMs = next.atMs
      this.#eventCount++
      next.action()
      return true
    }
    if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs)
    return false
  }

  #takeFirst(): void {
    const last = this.#events.pop()
    if (last === undefined || this.#events.length === 0) return
    this.#events[0] = last
    this.#sink(0)
  }

  #rise(start: number): void {
    let i = start
    while (i > 0) {
      const parent = (i - 1) >>> 1
      if (!this.#before(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #sink(start: number): void {
    let i = start
    for (;;) {
      let first = i
      if (this.#before(2 * i + 1, first)) first = 2 * i + 1
      if (this.#before(2 * i + 2, first)) first = 2 * i + 2
      if (first === i) return
      this.#swap(i, first)
      i = first
    }
  }

  #before(i: number, j: number): boolean {
    const a = this.#events[i]
    const b = this.#events[j]
    if (a === undefined || b === undefined) return false
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  }

  #swap(i: number, j: number): void {
    const a = this.#events[i]
    const b = this.#events[j]
    if (a === undefined || b === undefined) return
    this.#events[i] = b
    this.#events[j] = a
  }
}

/**
 * Resolves when no promise job is left to run. Node runs the next-tick queue only after all of them, so this costs no turn
 * of the event loop and no real timer.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}
