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
/** A promise that takes longer than this in virtual time will never be decided. */
const SETTLE_WITHIN_MS = 600_000

export type Settled<T> = { kind: 'value'; value: T } | { kind: 'error'; error: unknown } | { kind: 'died' }

/** One run of a process, from start to its end. Its clock, disk and chance are the ports of the code under test. */
export class Life {
  readonly clock: Clock
  readonly disk: Disk
  readonly random: SimRandom
  #alive = true

  constructor(machine: Machine, simClock: SimClock, random: SimRandom) {
    this.random = random
    this.disk = machine.disk.for(this)
    this.clock = {
      nowMs: () => WALL_START_MS + Math.floor(simClock.nowMs) + machine.wallOffsetMs,
      monotonicMs: () => simClock.nowMs,
      after: (delayMs, action) =>
        simClock.after(delayMs, () => {
          if (this.#alive) action()
        }),
    }
  }

  get alive(): boolean {
    return this.#alive
  }

  end(): void {
    this.#alive = false
  }
}

export class Machine {
  readonly name: string
  readonly disk: SimDisk
  /** Added to the wall clock: jumps are made by changing it. */
  wallOffsetMs = 0
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
