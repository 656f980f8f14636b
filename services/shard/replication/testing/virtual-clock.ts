/** Virtual time for tests: it stands while code runs and jumps to the next timer when all of it waits. */
import type { Clock } from '#lib/ports/clock.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

const WALL_START_MS = 1_767_225_600_000 // 2026-01-01T00:00:00Z

export class VirtualClock implements Clock {
  /** Added to the wall clock: a jump. */
  wallOffsetMs = 0
  #timers: Timer[] = []
  #nowMs = 0
  #order = 0

  nowMs(): number {
    return WALL_START_MS + Math.floor(this.#nowMs) + this.wallOffsetMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** Lets `ms` go by. */
  async pass(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** Runs timers until `done()` or until `withinMs` have gone by. @returns What `done()` said last. */
  async until(done: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = this.#nowMs + withinMs
    await settled()
    while (!done()) {
      const next = this.#timers.reduce<Timer | null>(
        (first, one) => (first === null || before(one, first) ? one : first),
        null,
      )
      if (next === null || next.atMs > endMs) {
        this.#nowMs = endMs
        return done()
      }
      this.#timers = this.#timers.filter((one) => one !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.action()
      await settled()
    }
    return true
  }

  /** A clock of a process that ends or is frozen: its timers never fire after `end`, and late after `freeze`, at `thaw`. */
  life(): { clock: Clock; end: () => void; freeze: () => void; thaw: () => void } {
    let alive = true
    let overdue: (() => void)[] | null = null
    const clock: Clock = {
      nowMs: () => this.nowMs(),
      monotonicMs: () => this.monotonicMs(),
      after: (delayMs, action) =>
        this.after(delayMs, () => {
          if (!alive) return
          if (overdue) overdue.push(action)
          else action()
        }),
    }
    return {
      clock,
      freeze: () => {
        overdue ??= []
      },
      thaw: () => {
        const actions = overdue ?? []
        overdue = null
        for (const action of actions) action()
      },
      end: () => {
        alive = false
      },
    }
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** All promise jobs have run: Node runs next ticks only after them. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
