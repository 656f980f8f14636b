/** One member of the pair: a machine with its disk, and the process that runs there now, if one does. */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { ShardIndex } from '#shard/index/port.ts'
import type { SimLedgerClient } from '#shard/ledger/testing/sim-ledger.ts'
import type { SimRandom } from '../random.ts'
import type { Machine } from '../world.ts'
import { IndexImage } from './index-image.ts'
import { SimLocks } from './lock.ts'
import type { Member } from './network.ts'
import type { PairWorld } from './pair-world.ts'
import { DIRECTORY, Process } from './process.ts'

const RESTART_MS = { min: 100, max: 1_500 }

export class PairMember {
  readonly world: PairWorld
  readonly member: Member
  readonly machine: Machine
  readonly ledger: SimLedgerClient
  readonly image = new IndexImage()
  readonly locks = new SimLocks()
  process: Process | null = null
  /** Of the replica directory that is there now. */
  id = ''
  freeShare = 0.5
  /** An administrator keeps it stopped, and vouches for that. */
  heldDown = false
  /** Bits of its disk changed in this history. */
  rotted = false
  readonly #random: SimRandom
  #index: ShardIndex | null = null
  #cleanEnd = false
  #boots = 0

  constructor(world: PairWorld, member: Member) {
    this.world = world
    this.member = member
    this.machine = world.world.machine(this.name)
    this.ledger = world.ledger.client()
    this.#random = world.world.random.fork()
  }

  get name(): string {
    return this.member === 0 ? 'A' : 'B'
  }

  get running(): boolean {
    return this.process?.life.alive ?? false
  }

  told(what: string, facts: unknown = null): void {
    this.world.trace.add(this.name, what, facts)
  }

  boot(): void {
    if (this.running) throw new AssertionFailure(`${this.name} runs already`)
    this.told('boots', { number: ++this.#boots })
    const process = new Process(this, this.machine.boot())
    this.process = process
    process.start().catch((error: unknown) => this.processFailed(process, error))
  }

  /** kill -9, a loss of power, or an end by itself. */
  end(how: 'kill' | 'crash' | 'exit'): void {
    if (!this.running) return
    this.told(how)
    if (how === 'crash') this.machine.crash()
    else this.machine.kill()
    this.ended(how)
  }

  /** The life is over already, as by a fault that struck between two disk operations. */
  ended(how: 'kill' | 'crash' | 'exit'): void {
    const { process } = this
    if (process === null) return
    this.#cleanEnd = how === 'exit'
    this.world.network.gone(this.member, how !== 'crash')
    process.machine = null
    process.term = null
    this.process = null
  }

  /** The volume comes back empty. */
  loseDirectory(): void {
    this.end('crash')
    this.machine.disk.wipe()
    this.image.forget()
    this.id = ''
    this.told('lost its disk')
  }

  bootLater(delayMs: number): void {
    this.world.world.clock.after(delayMs, () => {
      if (!this.running && !this.heldDown && !this.world.over) this.boot()
    })
  }

  /** What a restart finds of the index: after a clean end all of it, otherwise an older image or nothing. */
  restoreIndex(): ShardIndex {
    this.#index?.close()
    const { batchCount } = this.image
    const dice = this.#random.fraction()
    const kept = this.#cleanEnd ? batchCount : dice < 0.3 ? 0 : this.#random.int(0, Math.max(0, batchCount - 1))
    this.#cleanEnd = false
    this.world.coverage.count(kept === 0 ? 'index begun anew' : 'older image of the index')
    this.#index = this.image.restore(kept)
    return this.#index
  }

  close(): void {
    this.machine.kill()
    this.#index?.close()
    this.#index = null
  }

  processFailed(process: Process, error: unknown): void {
    if (this.process !== process || !process.life.alive) return
    const code = errorCode(error)
    this.told('process failed', `${code ?? ''} ${errorMessage(error)}`)
    if (code === null || code === undefined) {
      this.world.watch.broken(error)
      return
    }
    this.world.coverage.count(`process ended by ${code}`)
    this.end('exit')
    this.bootLater(RESTART_MS.min + this.#random.fraction() * (RESTART_MS.max - RESTART_MS.min))
  }

  /** A second process is started on the same disk while the first one runs: it must be refused. */
  bootSecond(): void {
    const { world, machine, name } = this
    const first = this.process
    if (first === null || !this.running) return
    const second = new Process(this, machine.bootBeside())
    this.told('a second process starts')
    second.start().then(
      () => {
        // Unless the first one died meanwhile.
        if (first.life.alive) world.watch.broken(new AssertionFailure(`Two processes of ${name} hold ${DIRECTORY}`))
        second.life.end()
      },
      (error: unknown) => {
        second.life.end()
        if (errorCode(error) !== 'REPLICA_LOCKED') world.watch.broken(error)
        else world.coverage.count('second process refused')
      },
    )
  }
}
