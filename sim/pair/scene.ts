/** What all faults of one history share: the world, chance, time that goes by, and whether something is under way that tolerates no other fault. */
import type { SimRandom } from '../random.ts'
import type { PairMember } from './member.ts'
import type { PairWorld } from './pair-world.ts'

export class Scene {
  readonly world: PairWorld
  readonly random: SimRandom
  struck = 0
  /** Nothing strikes any more, and what would end later has ended. */
  over = false
  /** Something is under way with which another fault would make a disaster: nothing strikes until it is over. */
  #alone = false

  constructor(world: PairWorld) {
    this.world = world
    this.random = world.world.random.fork()
  }

  get alone(): boolean {
    return this.#alone
  }

  get primary(): PairMember | null {
    return this.world.members.find(({ process }) => process?.primary) ?? null
  }

  otherOf({ member }: PairMember): PairMember {
    const [a, b] = this.world.members
    return member === 0 ? b : a
  }

  told(name: string, member: PairMember | null): void {
    this.struck++
    this.world.coverage.count(`fault: ${name}`)
    this.world.trace.add('FAULT', name, member?.name ?? '')
  }

  at(afterMs: number, action: () => void): void {
    this.world.world.clock.after(afterMs, () => {
      if (!this.over) action()
    })
  }

  when(holds: () => boolean, action: () => void): void {
    if (holds()) action()
    else this.at(1, () => this.when(holds, action))
  }

  /** Waits for a moment in which both members are in sync and nothing else is under way. */
  whenCalm(action: () => void): void {
    const { network, members } = this.world
    const well = members.every(
      ({ process, ledger, machine }) =>
        process?.life.paused === false &&
        process.machine?.admissionFacts().disk !== 'failed' &&
        !Number.isFinite(machine.disk.capacityBytes) &&
        !ledger.faults.unreachable &&
        ledger.faults.lateSwap === 0,
    )
    const wired = !network.cut[0] && !network.cut[1] && network.slowMs === 0
    if (well && wired && !this.#alone && this.world.calm) action()
    else this.at(250, () => this.whenCalm(action))
  }

  aloneUntil(over: () => boolean): void {
    this.#alone = !over()
    if (this.#alone) this.at(100, () => this.aloneUntil(over))
  }

  end(member: PairMember, how: 'kill' | 'crash'): void {
    if (!member.running) return
    member.end(how)
    member.bootLater(this.random.chance(0.4) ? this.random.int(20, 500) : this.random.int(500, 7_000))
  }

  restart(member: PairMember): void {
    if (!member.running) return
    member.end(this.random.pick(['kill', 'crash', 'exit']))
    member.bootLater(this.random.int(0, 300))
  }
}
