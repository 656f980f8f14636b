/**
 * What goes wrong in a history: some faults at chance times, each with its own end. What two faults together could destroy for good
 * (all copies of a record, the ledger and its only witness) is kept apart, because no shard can promise anything then: one history
 * has rot or lost disks on one member alone, and the ledger is lost only while both members are well.
 */
import type { SimRandom } from '../random.ts'
import type { PairMember } from './member.ts'
import type { Member } from './network.ts'
import type { PairWorld } from './pair-world.ts'

/** How long an administrator watches whether the two make a lost ledger anew by themselves. */
const PATIENCE_MS = 10_000

type Fault = (member: PairMember) => void

export class Faults {
  struck = 0
  readonly #world: PairWorld
  readonly #random: SimRandom
  /** The member whose disk rots, or is lost, in this history. */
  readonly #weak: Member
  readonly #weakness: 'rot' | 'loss' | 'none'
  #over = false
  #rotten = 0
  /** Something is under way with which another fault would make a disaster: nothing strikes until it is over. */
  #alone = false
  readonly #plain: readonly (readonly [string, Fault, number])[]

  constructor(world: PairWorld) {
    this.#world = world
    this.#random = world.world.random.fork()
    this.#weak = this.#random.chance(0.5) ? 0 : 1
    this.#weakness = this.#random.pick(['rot', 'loss', 'none'])
    this.#plain = [
      ['power lost', (member) => this.#end(member, 'crash'), 3],
      ['killed', (member) => this.#end(member, 'kill'), 3],
      ['restart at once', (member) => this.#restart(member), 3],
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
      ['disk full', (member) => this.#disk(member, 'no-space'), 1],
      ['disk nearly full', (member) => this.#nearlyFull(member), 1],
      ['growth lands late', () => this.#whenCalm(() => this.#lateGrowth()), 2],
      ['switchover asked for', () => this.#switchover(), 2],
    ]
  }

  /** Begins; faults strike until `forMs` have gone by. */
  run(forMs: number): void {
    const count = this.#random.int(7, 12)
    for (let i = 0; i < count; i++) this.#at(this.#random.fraction() * forMs, () => this.#strike())
    if (this.#weakness === 'loss') this.#at(this.#random.fraction() * forMs, () => this.#whenCalm(() => this.#lose()))
    if (this.#weakness === 'rot') {
      for (let i = 0; i < 3; i++) this.#at(this.#random.fraction() * forMs, () => this.#whenCalm(() => this.#rot()))
    }
    if (this.#random.chance(0.3)) {
      this.#at(this.#random.fraction() * forMs, () => this.#whenCalm(() => this.#ledgerLost()))
    }
  }

  /** Everything is mended, everybody runs. */
  heal(): void {
    this.#over = true
    const { network, members } = this.#world
    for (const member of [0, 1] as const) network.setCut(member, false)
    network.slowMs = 0
    for (const member of members) {
      member.freeShare = 0.5
      const { disk } = member.machine
      disk.disarm()
      disk.beforeOperation = () => {}
      disk.hangsUntilMs = 0
      Object.assign(member.ledger.faults, { unreachable: false, lostAnswer: 0, lostSwap: 0, lateSwap: 0, latencyMs: 5 })
      member.ledger.next = null
      member.process?.life.wake()
      const { process } = member
      const ill = process?.machine?.role === 'failed' || process?.machine?.admissionFacts().disk === 'failed'
      if (ill) member.end('kill')
      if (!member.running) member.boot()
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
    this.#told('an administrator puts the ledger back', null)
    coverage.count('ledger put back by hand')
    ledger.put(shard, last)
  }

  #strike(): void {
    if (this.#over) return
    if (this.#alone) {
      this.#at(500, () => this.#strike())
      return
    }
    const total = this.#plain.reduce((sum, [, , weight]) => sum + weight, 0)
    let dice = this.#random.fraction() * total
    for (const [name, fault, weight] of this.#plain) {
      dice -= weight
      if (dice >= 0) continue
      // The primary is where most can go wrong.
      const member = (this.#random.chance(0.4) ? this.#primary() : null) ?? this.#random.pick(this.#world.members)
      this.#told(name, member)
      fault(member)
      return
    }
  }

  #told(name: string, member: PairMember | null): void {
    this.struck++
    this.#world.coverage.count(`fault: ${name}`)
    this.#world.trace.add('FAULT', name, member?.name ?? '')
  }

  #primary(): PairMember | null {
    return this.#world.members.find(({ process }) => process?.primary) ?? null
  }

  #at(afterMs: number, action: () => void): void {
    this.#world.world.clock.after(afterMs, () => {
      if (!this.#over) action()
    })
  }

  /** Waits for a moment in which both members are in sync and nothing else is under way. */
  #whenCalm(action: () => void): void {
    const { network, members } = this.#world
    const well = members.every(
      ({ process, ledger }) =>
        process?.life.paused === false &&
        process.machine?.admissionFacts().disk !== 'failed' &&
        !ledger.faults.unreachable &&
        ledger.faults.lateSwap === 0,
    )
    const wired = !network.cut[0] && !network.cut[1] && network.slowMs === 0
    if (well && wired && !this.#alone && this.#world.calm) action()
    else this.#at(250, () => this.#whenCalm(action))
  }

  #end(member: PairMember, how: 'kill' | 'crash'): void {
    if (!member.running) return
    member.end(how)
    member.bootLater(this.#random.chance(0.4) ? this.#random.int(20, 500) : this.#random.int(500, 7_000))
  }

  #restart(member: PairMember): void {
    if (!member.running) return
    member.end(this.#random.pick(['kill', 'crash', 'exit']))
    member.bootLater(this.#random.int(0, 300))
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
    for (const member of this.#world.members) this.#end(member, this.#random.pick(['crash', 'kill']))
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
    const deposed = this.#primary()
    const other = this.#world.members[1 - (deposed?.member ?? 0)]
    const life = deposed?.process?.life
    if (deposed === null || other === undefined || life === undefined || life.paused) return
    life.pause()
    const sinceMs = this.#world.nowMs
    const served = () => other.process?.primary === true || this.#world.nowMs > sinceMs + 6_000
    this.#when(served, () => {
      this.#at(this.#random.int(0, 900), () => {
        this.#restart(other)
        this.#at(this.#random.int(0, 40), () => life.wake())
      })
    })
  }

  #cut(members: readonly Member[]): void {
    const { network } = this.#world
    for (const member of members) network.setCut(member, true)
    this.#at(this.#random.int(300, 9_000), () => {
      for (const member of members) network.setCut(member, false)
      this.#world.trace.add('FAULT', 'cut mended')
    })
  }

  #slowLink(): void {
    const { network } = this.#world
    network.slowMs = this.#random.int(20, 900)
    this.#at(this.#random.int(1_000, 8_000), () => {
      network.slowMs = 0
    })
  }

  #ledgerAway(members: readonly PairMember[]): void {
    for (const { ledger } of members) ledger.faults.unreachable = true
    this.#at(this.#random.int(500, 9_000), () => {
      for (const { ledger } of members) ledger.faults.unreachable = false
      this.#world.trace.add('FAULT', 'ledger back')
    })
  }

  /** The next swaps of that member have an unknown outcome, and something gives it a reason to swap. */
  #unsure(member: PairMember): void {
    const { faults } = member.ledger
    Object.assign(faults, { lostAnswer: 0.25, lostSwap: 0.25, lateSwap: 0.35, latencyMs: this.#random.int(5, 300) })
    this.#at(this.#random.int(3_000, 9_000), () => {
      Object.assign(faults, { lostAnswer: 0, lostSwap: 0, lateSwap: 0, latencyMs: 5 })
    })
    const other = this.#world.members[1 - member.member]
    if (other !== undefined && this.#random.chance(0.6))
      this.#at(this.#random.int(10, 600), () => this.#end(other, 'kill'))
  }

  /**
   * The mirror comes back and is taken in by a swap that lands late; before it does the mirror is gone again. Whoever takes the swap for
   * failed acknowledges alone, and then the mirror is in sync without having what was acknowledged.
   */
  #lateGrowth(): void {
    const primary = this.#primary()
    const mirror = this.#world.members[1 - (primary?.member ?? 0)]
    if (primary === null || mirror === undefined) return
    mirror.end('kill')
    this.#aloneUntil(() => {
      const alone = this.#world.entry?.inSync.length === 1
      if (!alone || mirror.running) return false
      primary.ledger.next = 'late-swap'
      mirror.boot()
      const swapped = () => primary.ledger.next === null
      this.#when(swapped, () => {
        mirror.end('kill')
        this.#at(2_100 + this.#random.int(0, 300), () => {
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

  #disk(member: PairMember, fault: 'sync-error' | 'no-space'): void {
    member.machine.disk.arm(fault)
    // A replica whose disk failed may wait for ever; somebody restarts it in the end.
    this.#at(this.#random.int(2_000, 6_000), () => {
      if (member.process?.machine?.admissionFacts().disk === 'failed') this.#restart(member)
    })
  }

  #nearlyFull(member: PairMember): void {
    member.freeShare = 0.05
    this.#at(this.#random.int(1_000, 5_000), () => {
      member.freeShare = 0.5
    })
  }

  #switchover(): void {
    const { machine, life } = this.#primary()?.process ?? {}
    if (machine === undefined || machine === null || life === undefined) return
    life.gate(() => {
      machine.switchover().then(
        () => this.#world.coverage.count('switchover done'),
        () => this.#world.coverage.count('switchover called off'),
      )
    })
  }

  #lose(): void {
    const member = this.#world.members[this.#weak]
    this.#told('replica directory lost', member)
    member.loseDirectory()
    member.bootLater(this.#random.int(100, 4_000))
  }

  /** One record rots that both members have; or the newest ones, just before a restart. */
  #rot(): void {
    const member = this.#world.members[this.#weak]
    const { disk } = member.machine
    if (this.#rotten >= 2) return
    this.#rotten++
    member.rotted = true
    const dice = this.#random.fraction()
    if (dice < 0.15 && this.#primary() === member) {
      this.#forget(member)
    } else if (dice < 0.35) {
      this.#told('bit flip at rest', member)
      disk.flipBit('n1/0/log/', '.seg')
    } else if (dice < 0.8) this.#rotNewest(member)
    else {
      this.#told('misdirected write', member)
      disk.arm('misdirected-write')
      // Sometimes it ends before a later write shows what is missing.
      if (this.#random.chance(0.5)) {
        this.#when(
          () => !disk.armed('misdirected-write'),
          () => this.#restart(member),
        )
      }
    }
  }

  /** Covered by a later header or not, acknowledged or not; in some histories the other member fails in the same moment. */
  #rotNewest(member: PairMember): void {
    this.#told('newest record rots before a restart', member)
    member.end(this.#random.pick(['kill', 'crash']))
    member.machine.disk.flipLate('n1/0/log/', '.seg', 600)
    member.bootLater(this.#random.int(0, 400))
    const other = this.#world.members[1 - member.member]
    if (other !== undefined && this.#random.chance(0.3)) {
      this.#at(this.#random.int(0, 600), () => {
        this.#told('the other member fails beside a rotten end', other)
        this.#end(other, this.#random.pick(['kill', 'crash']))
      })
    }
  }

  /** The disk loses whole batches that it had called synced, without a trace: only the mirror can know. No two fail at once here. */
  #forget(member: PairMember): void {
    const files = [...member.machine.disk.stableFiles('n1/0/log/')].filter(([path]) => path.endsWith('.seg')).sort()
    const [path, bytes] = files.at(-1) ?? []
    if (path === undefined || bytes === undefined) return
    const batches = [...bytes.toString('latin1').matchAll(/TPB1/g)].map(({ index }) => index)
    // Not all of them: a log without any record of its epochs is another history to everybody, and both stop.
    const at = batches.slice(4).at(-this.#random.int(1, 4))
    if (at === undefined) return
    this.#told('disk forgot what it had synced', member)
    member.end('kill')
    member.machine.disk.forget(path, at)
    member.bootLater(this.#random.int(0, 400))
    this.#aloneUntil(() => this.#world.calm)
  }

  #when(holds: () => boolean, action: () => void): void {
    if (holds()) action()
    else this.#at(1, () => this.#when(holds, action))
  }

  #ledgerLost(): void {
    const { ledger, shard, members } = this.#world
    for (const { machine } of members) {
      machine.disk.disarm()
      machine.disk.beforeOperation = () => {}
    }
    const { version } = this.#world.entry ?? { version: 0 }
    // It is made anew only while both members are well.
    this.#aloneUntil(() => (this.#world.entry?.version ?? 0) > version && this.#world.calm)
    if (this.#random.chance(0.5)) {
      this.#told('ledger lost', null)
      ledger.lose(shard)
    } else if (ledger.rollBack(shard, this.#random.int(1, 3))) this.#told('ledger rolled back', null)
  }

  #aloneUntil(over: () => boolean): void {
    this.#alone = !over()
    if (this.#alone) this.#at(100, () => this.#aloneUntil(over))
  }
}
