/**
 * What goes wrong in a history: some faults at chance times, each with its own end. What two faults together could destroy for good
 * (all copies of a record, the ledger and its only witness) is kept apart, because no shard can promise anything then: one history
 * has rot or lost disks on one member alone (`damage.ts`), and the ledger is lost only while both members are well. In some histories both
 * copies of acknowledged mail are lost all the same, and an administrator decides (`recovery.ts`).
 */
import type { SimRandom } from '../random.ts'
import { Damage, type Weakness } from './damage.ts'
import type { PairMember } from './member.ts'
import type { Member } from './network.ts'
import type { PairWorld } from './pair-world.ts'
import { Recovery } from './recovery.ts'
import { Scene } from './scene.ts'

/** How long an administrator watches whether the two make a lost ledger anew by themselves. */
const PATIENCE_MS = 10_000

type Fault = (member: PairMember) => void

export interface FaultOptions {
  /** An administrator gave up all that was acknowledged from that time on: it may be there or not. */
  readonly onGivenUp: (sinceMs: number) => void
  /** What is wrong with a disk; null: as chance says. */
  readonly weakness: Weakness | null
}

export class Faults {
  readonly #scene: Scene
  readonly #world: PairWorld
  readonly #random: SimRandom
  readonly #damage: Damage
  readonly #recovery: Recovery
  readonly #plain: readonly (readonly [string, Fault, number])[]

  constructor(world: PairWorld, { onGivenUp, weakness }: FaultOptions) {
    const scene = new Scene(world)
    this.#scene = scene
    this.#world = world
    this.#random = scene.random
    this.#damage = new Damage(scene, weakness)
    this.#recovery = new Recovery(scene, onGivenUp)
    this.#plain = [
      ['power lost', (member) => this.#scene.end(member, 'crash'), 3],
      ['killed', (member) => this.#scene.end(member, 'kill'), 3],
      ['restart at once', (member) => this.#scene.restart(member), 3],
      ['died in the middle of disk work', (member) => this.#dieSoon(member), 2],
      ['both members died', () => this.#both(), 1],
      ['paused longer than every timeout', (member) => this.#pause(member, this.#random.int(2_500, 8_000), false), 3],
      ['paused for a moment', (member) => this.#pause(member, this.#random.int(300, 2_600), false), 2],
      ['machine frozen', (member) => this.#pause(member, this.#random.int(800, 6_000), true), 2],
      ['members cut from each other', () => this.#cut([0, 1]), 2],
      ['cut in one direction', (member) => this.#cut([member.member]), 2],
      ['connections dropped', () => world.network.breakChannels(), 2],
      ['connections dropped for one side', (member) => world.network.breakEnd(member.member), 2],
      ['deposed primary wakes beside a restart', () => this.#deposedWakes(), 1],
      ['slow link', () => this.#slowLink(), 1],
      ['ledger away for one', (member) => this.#ledgerAway([member]), 2],
      ['ledger away for both', () => this.#ledgerAway(world.members), 2],
      ['ledger answers get lost', (member) => this.#unsure(member), 4],
      ['wall clock jumped', (member) => this.#jump(member), 1],
      ['second process on one disk', (member) => member.bootSecond(), 1],
      ['slow sync', (member) => member.machine.disk.arm('slow-sync'), 2],
      ['disk hangs', (member) => this.#hang(member), 2],
      ['sync error', (member) => this.#disk(member, 'sync-error'), 1],
      ['disk full to the last byte', (member) => this.#full(member), 2],
      ['disk nearly full', (member) => this.#nearlyFull(member), 1],
      ['growth lands late', () => this.#scene.whenCalm(() => this.#lateGrowth()), 2],
      ['switchover asked for', () => this.#switchover(), 2],
    ]
  }

  get struck(): number {
    return this.#scene.struck
  }

  /** Begins; faults strike until `forMs` have gone by. */
  run(forMs: number): void {
    const scene = this.#scene
    const count = this.#random.int(9, 15)
    for (let i = 0; i < count; i++) scene.at(this.#random.fraction() * forMs, () => this.#strike())
    this.#damage.run(forMs)
    // Where one copy is lost for good the other must not have been damaged before.
    if (this.#damage.weakness === 'none') this.#recovery.run(forMs)
    if (this.#random.chance(0.3)) {
      scene.at(this.#random.fraction() * forMs, () => scene.whenCalm(() => this.#ledgerLost()))
    }
  }

  /** Everything is mended, everybody runs. */
  heal(): void {
    this.#scene.over = true
    const { network, members } = this.#world
    for (const member of [0, 1] as const) network.setCut(member, false)
    network.slowMs = 0
    for (const member of members) {
      member.freeShare = 0.5
      const { disk } = member.machine
      disk.disarm()
      disk.beforeOperation = () => {}
      disk.hangsUntilMs = 0
      disk.capacityBytes = Number.POSITIVE_INFINITY
      Object.assign(member.ledger.faults, { unreachable: false, lostAnswer: 0, lostSwap: 0, lateSwap: 0, latencyMs: 5 })
      member.ledger.next = null
      member.process?.life.wake()
      const { process } = member
      const ill = process?.machine?.role === 'failed' || process?.machine?.admissionFacts().disk === 'failed'
      if (ill) member.end('kill')
      if (!member.running && !member.heldDown) member.boot()
    }
    if (!members.some(({ process }) => process?.primary)) this.#restoreLedger()
    else this.#world.world.clock.after(PATIENCE_MS, () => this.#restoreLedger())
  }

  /** Rule 13: where the two cannot make the lost ledger anew, an administrator puts the last entry back. */
  #restoreLedger(): void {
    const { ledger, shard, coverage } = this.#world
    const last = ledger.history.at(-1)?.entry
    const now = ledger.entry(shard)
    if (last === undefined || now?.nonce === last.nonce) return
    this.#scene.told('an administrator puts the ledger back', null)
    coverage.count('ledger put back by hand')
    ledger.put(shard, last)
  }

  #strike(): void {
    if (this.#scene.over) return
    if (this.#scene.alone) {
      this.#scene.at(500, () => this.#strike())
      return
    }
    const total = this.#plain.reduce((sum, [, , weight]) => sum + weight, 0)
    let dice = this.#random.fraction() * total
    for (const [name, fault, weight] of this.#plain) {
      dice -= weight
      if (dice >= 0) continue
      // The primary is where most can go wrong.
      const member = (this.#random.chance(0.4) ? this.#scene.primary : null) ?? this.#random.pick(this.#world.members)
      this.#scene.told(name, member)
      fault(member)
      return
    }
  }

  #dieSoon(member: PairMember): void {
    const { machine, process } = member
    if (process === null) return
    const how = this.#random.pick(['crash', 'kill'] as const)
    machine.dieAfter(this.#random.int(0, 20), how)
    process.life.atEnd(() => {
      if (member.process !== process) return
      member.told(`${how} between two disk operations`)
      member.ended(how)
      member.bootLater(this.#random.int(20, 3_000))
    })
  }

  #both(): void {
    for (const member of this.#world.members) this.#scene.end(member, this.#random.pick(['crash', 'kill']))
  }

  #pause(member: PairMember, forMs: number, frozen: boolean): void {
    const life = member.process?.life
    if (life === undefined || life.paused) return
    member.told(frozen ? 'is frozen' : 'is paused', forMs)
    life.pause()
    this.#world.world.clock.after(forMs, () => {
      if (!life.paused) return
      member.told('wakes')
      life.wake(frozen ? forMs : 0)
    })
  }

  /** A primary sleeps until the other member was promoted and served; it wakes while that one starts again and knows nobody yet. */
  #deposedWakes(): void {
    const deposed = this.#scene.primary
    const other = this.#world.members[1 - (deposed?.member ?? 0)]
    const life = deposed?.process?.life
    if (deposed === null || other === undefined || life === undefined || life.paused) return
    life.pause()
    const sinceMs = this.#world.nowMs
    const served = () => other.process?.primary === true || this.#world.nowMs > sinceMs + 6_000
    this.#scene.when(served, () => {
      this.#scene.at(this.#random.int(0, 900), () => {
        this.#scene.restart(other)
        this.#scene.at(this.#random.int(0, 40), () => life.wake())
      })
    })
  }

  #cut(members: readonly Member[]): void {
    const { network } = this.#world
    for (const member of members) network.setCut(member, true)
    this.#scene.at(this.#random.int(300, 9_000), () => {
      for (const member of members) network.setCut(member, false)
      this.#world.trace.add('FAULT', 'cut mended')
    })
  }

  #slowLink(): void {
    const { network } = this.#world
    network.slowMs = this.#random.int(20, 900)
    this.#scene.at(this.#random.int(1_000, 8_000), () => {
      network.slowMs = 0
    })
  }

  #ledgerAway(members: readonly PairMember[]): void {
    for (const { ledger } of members) ledger.faults.unreachable = true
    this.#scene.at(this.#random.int(500, 9_000), () => {
      for (const { ledger } of members) ledger.faults.unreachable = false
      this.#world.trace.add('FAULT', 'ledger back')
    })
  }

  /** The next swaps of that member have an unknown outcome, and something gives it a reason to swap. */
  #unsure(member: PairMember): void {
    const { faults } = member.ledger
    Object.assign(faults, { lostAnswer: 0.25, lostSwap: 0.25, lateSwap: 0.35, latencyMs: this.#random.int(5, 300) })
    this.#scene.at(this.#random.int(3_000, 9_000), () => {
      Object.assign(faults, { lostAnswer: 0, lostSwap: 0, lateSwap: 0, latencyMs: 5 })
    })
    const other = this.#scene.otherOf(member)
    if (this.#random.chance(0.6)) this.#scene.at(this.#random.int(10, 600), () => this.#scene.end(other, 'kill'))
  }

  /**
   * The mirror comes back and is taken in by a swap that lands late; before it does the mirror is gone again. Whoever takes the swap for
   * failed acknowledges alone, and then the mirror is in sync without having what was acknowledged.
   */
  #lateGrowth(): void {
    const primary = this.#scene.primary
    const mirror = this.#world.members[1 - (primary?.member ?? 0)]
    if (primary === null || mirror === undefined) return
    mirror.end('kill')
    this.#scene.aloneUntil(() => {
      const alone = this.#world.entry?.inSync.length === 1
      if (!alone || mirror.running) return false
      primary.ledger.next = 'late-swap'
      mirror.boot()
      const swapped = () => primary.ledger.next === null
      this.#scene.when(swapped, () => {
        mirror.end('kill')
        this.#scene.at(2_100 + this.#random.int(0, 300), () => {
          primary.end('kill')
          primary.bootLater(this.#random.int(3_000, 7_000))
          mirror.bootLater(0)
        })
      })
      return true
    })
  }

  #jump(member: PairMember): void {
    member.machine.wallOffsetMs += this.#random.int(-20_000, 20_000)
  }

  #hang(member: PairMember): void {
    member.machine.disk.hangsUntilMs = this.#world.nowMs + this.#random.int(300, 6_000)
  }

  #disk(member: PairMember, fault: 'sync-error'): void {
    member.machine.disk.arm(fault)
    // A replica whose disk failed may wait for ever; somebody restarts it in the end.
    this.#scene.at(this.#random.int(2_000, 6_000), () => {
      if (member.process?.machine?.admissionFacts().disk === 'failed') this.#scene.restart(member)
    })
  }

  /** Until somebody makes space; sometimes the member ends or the other one takes over meanwhile. */
  #full(member: PairMember): void {
    const { disk } = member.machine
    disk.capacityBytes = disk.usedBytes + this.#random.int(0, 6_000)
    this.#scene.at(this.#random.int(500, 9_000), () => {
      disk.capacityBytes = Number.POSITIVE_INFINITY
    })
  }

  #nearlyFull(member: PairMember): void {
    member.freeShare = 0.05
    this.#scene.at(this.#random.int(1_000, 5_000), () => {
      member.freeShare = 0.5
    })
  }

  #switchover(): void {
    const { machine, life } = this.#scene.primary?.process ?? {}
    if (machine === undefined || machine === null || life === undefined) return
    life.gate(() => {
      machine.switchover().then(
        () => this.#world.coverage.count('switchover done'),
        () => this.#world.coverage.count('switchover called off'),
      )
    })
  }

  #ledgerLost(): void {
    const { ledger, shard, members } = this.#world
    for (const { machine } of members) {
      machine.disk.disarm()
      machine.disk.beforeOperation = () => {}
    }
    const { version } = this.#world.entry ?? { version: 0 }
    // It is made anew only while both members are well.
    this.#scene.aloneUntil(() => (this.#world.entry?.version ?? 0) > version && this.#world.calm)
    if (this.#random.chance(0.5)) {
      this.#scene.told('ledger lost', null)
      ledger.lose(shard)
    } else if (ledger.rollBack(shard, this.#random.int(1, 3))) this.#scene.told('ledger rolled back', null)
  }
}
