/**
 * The simulated world: one seed gives the clock, the chance and every fault. Machines have a disk that outlives them
 * and run one process life at a time; what a dead life still awaits never comes.
 *
 * A test drives the world from outside: it never awaits a promise of the code under test by itself, but lets `settle` run
 * events until the promise is decided or the life that owes it has ended.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { SimClock, settled } from './clock.ts'
import { Coverage } from './coverage.ts'
import { SimDisk } from './disk.ts'
import { SimRandom } from './random.ts'

/** 2026-01-01T00:00:00Z: where wall clocks begin. */
const WALL_START_MS = 1_767_225_600_000
/** Steps of a process's timers. Code that asks its clock how long is left, after a timer of just that long, must see that none is. */
const TIMER_STEPS_PER_MS = 1000
/** A promise that takes longer than this in virtual time will never be decided. */
const SETTLE_WITHIN_MS = 600_000

export type Settled<T> = { kind: 'value'; value: T } | { kind: 'error'; error: unknown } | { kind: 'died' }

/**
 * One run of a process, from start to its end. Its clock, disk and chance are the ports of the code under test; whatever
 * reaches the process from outside goes through `gate`, where it waits while the process is paused.
 */
export class Life {
  readonly clock: Clock
  readonly disk: Disk
  readonly random: SimRandom
  readonly #simClock: SimClock
  readonly #rate: number
  #alive = true
  #atEnd: (() => void)[] = []
  /** What waits for the process to be woken; null: it runs. */
  #waiting: (() => void)[] | null = null
  /** Virtual time in which the whole machine stood still, its monotonic clock included. */
  #frozenMs = 0

  constructor(machine: Machine, simClock: SimClock, random: SimRandom) {
    const { clockRate } = machine
    this.#rate = clockRate
    this.#simClock = simClock
    this.random = random
    this.disk = machine.disk.for(this)
    this.clock = {
      nowMs: () => WALL_START_MS + Math.floor(simClock.nowMs * clockRate) + machine.wallOffsetMs,
      monotonicMs: () => (simClock.nowMs - this.#frozenMs) * clockRate,
      after: (delayMs, action) => this.#after(delayMs, action),
    }
  }

  get alive(): boolean {
    return this.#alive
  }

  get paused(): boolean {
    return this.#waiting !== null
  }

  end(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#waiting = null
    for (const action of this.#atEnd.splice(0)) action()
  }

  /** Called when the life ends; at once if it has. The returned function takes it back. */
  atEnd(action: () => void): () => void {
    if (!this.#alive) action()
    else this.#atEnd.push(action)
    return () => {
      this.#atEnd = this.#atEnd.filter((one) => one !== action)
    }
  }

  /** Something from outside reaches the process: never after its end, and later if it is paused. */
  gate(action: () => void): void {
    if (!this.#alive) return
    if (this.#waiting !== null) this.#waiting.push(action)
    else action()
  }

  /** What the process is given by others: it never settles after the end of the life. */
  given<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.gate(() => resolve(value)),
        (error: unknown) => this.gate(() => reject(error)),
      )
    })
  }

  /** SIGSTOP: nothing of the process runs, its clocks go on. */
  pause(): void {
    if (this.#alive) this.#waiting ??= []
  }

  /** SIGCONT. All that waited comes at once, in order. @param frozenMs The monotonic clock stood still for so long */
  wake(frozenMs = 0): void {
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    this.#frozenMs += frozenMs
    for (const action of waiting) this.#simClock.after(0, () => this.gate(action))
  }

  /** A delay of the life's clock in true time, never less; without a whole step on top rounding would let timers fire early. */
  #trueMs(delayMs: number): number {
    if (delayMs <= 0) return 0
    return (Math.ceil((delayMs / this.#rate) * TIMER_STEPS_PER_MS) + 1) / TIMER_STEPS_PER_MS
  }

  #after(delayMs: number, action: () => void): () => void {
    let frozenMs = this.#frozenMs
    let cancelled = false
    let cancel = () => {}
    const fire = () => {
      if (cancelled) return
      const owedMs = this.#frozenMs - frozenMs
      frozenMs = this.#frozenMs
      if (owedMs <= 0) action()
      else cancel = this.#simClock.after(owedMs, () => this.gate(fire))
    }
    cancel = this.#simClock.after(this.#trueMs(delayMs), () => this.gate(fire))
    return () => {
      cancelled = true
      cancel()
    }
  }
}

export class Machine {
  readonly name: string
  readonly disk: SimDisk
  /** Added to the wall clock: jumps are made by changing it. */
  wallOffsetMs = 0
  /** How fast its clocks go against true time, from the next boot on. */
  clockRate = 1
  readonly #world: World
  #life: Life | null = null

  constructor(world: World, name: string, pageBytes: number) {
    this.#world = world
    this.name = name
    this.disk = new SimDisk({
      clock: world.clock,
      random: world.random.fork(),
      coverage: world.coverage,
      pageBytes,
    })
  }

  get running(): boolean {
    return this.#life?.alive ?? false
  }

  boot(): Life {
    this.#life?.end()
    this.disk.disarm()
    this.disk.beforeOperation = () => {}
    this.#life = new Life(this, this.#world.clock, this.#world.random.fork())
    return this.#life
  }

  /** A second process on the same disk: the first one does not notice. */
  bootBeside(): Life {
    return new Life(this, this.#world.clock, this.#world.random.fork())
  }

  /** The process ends as by kill -9; the page cache stays. */
  kill(): void {
    if (!this.running) return
    this.#life?.end()
    this.#world.coverage.count('process killed')
  }

  /** The power fails. */
  crash(): void {
    this.#life?.end()
    this.disk.crash()
    this.#world.coverage.count('machine crash')
  }

  /** The power fails, or the process ends, at the begin of the disk operation after `operations` more. */
  dieAfter(operations: number, how: 'crash' | 'kill'): void {
    let left = operations
    this.disk.beforeOperation = () => {
      if (left-- > 0) return
      this.disk.beforeOperation = () => {}
      if (how === 'crash') this.crash()
      else this.kill()
    }
  }
}

export class World {
  readonly seed: number
  readonly random: SimRandom
  readonly clock = new SimClock()
  readonly coverage = new Coverage()
  readonly #machines = new Map<string, Machine>()

  constructor(seed: number) {
    this.seed = seed
    this.random = new SimRandom(seed)
  }

  /** The machine of that name, made at the first call. */
  machine(name: string): Machine {
    let machine = this.#machines.get(name)
    if (machine === undefined) {
      machine = new Machine(this, name, this.random.pick([512, 4096]))
      this.#machines.set(name, machine)
    }
    return machine
  }

  /** Lets `ms` of virtual time go by. */
  async pass(ms: number): Promise<void> {
    await this.clock.run(() => false, this.clock.nowMs + ms)
  }

  /** Runs the world until the promise is decided or `life` has ended. */
  async settle<T>(life: Life, promise: Promise<T>): Promise<Settled<T>> {
    let result: Settled<T> | null = null
    promise.then(
      (value) => {
        result ??= { kind: 'value', value }
      },
      (error: unknown) => {
        result ??= { kind: 'error', error }
      },
    )
    await settled()
    const decided = await this.clock.run(() => result !== null || !life.alive, this.clock.nowMs + SETTLE_WITHIN_MS)
    if (result !== null) return result
    if (!decided) throw new AssertionFailure(`A promise stayed undecided for ${SETTLE_WITHIN_MS} ms of virtual time`)
    return { kind: 'died' }
  }
}
