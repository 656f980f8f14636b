/**
 * What goes wrong with what lies on a disk: rot, writes in a wrong place, a device that forgets, a volume that is lost. One history has one
 * kind of it, on one member alone.
 *
 * Invariant: whatever is damaged here the other member holds, or nobody was told that it is stored. A record that only one member has is not
 * touched: nothing could bring it back, whatever the code does.
 */
import type { SimRandom } from '../random.ts'
import type { PairMember } from './member.ts'
import type { Member } from './network.ts'
import type { PairWorld } from './pair-world.ts'
import type { Scene } from './scene.ts'

export type Weakness = 'rot' | 'loss' | 'none'

export class Damage {
  readonly weakness: Weakness
  readonly #scene: Scene
  readonly #world: PairWorld
  readonly #random: SimRandom
  /** The member whose disk rots, or is lost, in this history. */
  readonly #weak: Member
  #rotten = 0

  /** @param weakness Null: as chance says. */
  constructor(scene: Scene, weakness: Weakness | null) {
    this.#scene = scene
    this.#world = scene.world
    this.#random = scene.random
    this.#weak = this.#random.chance(0.5) ? 0 : 1
    const chosen = this.#random.pick(['rot', 'loss', 'none'] as const)
    this.weakness = weakness ?? chosen
  }

  run(forMs: number): void {
    const count = { rot: 3, loss: 1, none: 0 }[this.weakness]
    for (let i = 0; i < count; i++) {
      this.#scene.at(this.#random.fraction() * forMs, () =>
        this.#scene.whenCalm(() => (this.weakness === 'rot' ? this.#rot() : this.#lose())),
      )
    }
  }

  #lose(): void {
    const member = this.#world.members[this.#weak]
    this.#scene.told('replica directory lost', member)
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
    if (dice < 0.15 && this.#scene.primary === member) {
      if (this.#random.chance(0.5)) this.#forget(member)
      else this.#forgetNewEpoch(member)
    } else if (dice < 0.35) {
      this.#scene.told('bit flip at rest', member)
      disk.flipBit('n1/0/log/', '.seg')
    } else if (dice < 0.8) this.#rotNewest(member)
    else if (this.#random.chance(0.3)) this.#astrayAtTheEnd(member)
    else this.#astray(member)
  }

  /**
   * A batch stands in a wrong place. Only one that both members hold: whatever goes astray in the moment of writing may be needed alone a moment
   * later, if the other member fails before it has it.
   */
  #astray(member: PairMember): void {
    const [own, others] = [member, this.#scene.otherOf(member)].map(({ process }) => process?.log ?? null)
    if (!own || !others || own.lastLsn > own.durableLsn) {
      this.#scene.at(1, () => this.#scene.whenCalm(() => this.#astray(member)))
      return
    }
    const file = newestSegment(member)
    const held = batchesOf(file?.bytes).filter(({ recordCount, last }) => recordCount > 0 && last <= others.durableLsn)
    const batch = held.at(-1)
    if (file === null || batch === undefined || !member.machine.disk.misplace(file.path, batch.at, batch.length)) return
    this.#scene.told('misdirected write', member)
    // Sometimes it ends before a later write shows what is missing.
    if (this.#random.chance(0.5)) this.#scene.restart(member)
  }

  /** A write goes astray, and the power fails before anybody can rely on it. */
  #astrayAtTheEnd(member: PairMember): void {
    const { disk } = member.machine
    disk.arm('misdirected-write')
    this.#scene.when(
      () => !disk.armed('misdirected-write') || !this.#world.calm,
      () => {
        if (disk.armed('misdirected-write')) disk.disarm()
        else {
          this.#scene.told('misdirected write as the power fails', member)
          this.#scene.end(member, 'crash')
        }
      },
    )
  }

  /** Covered by a later header or not, acknowledged or not; in some histories the other member fails in the same moment. */
  #rotNewest(member: PairMember): void {
    this.#scene.told('newest record rots before a restart', member)
    member.end(this.#random.pick(['kill', 'crash']))
    member.machine.disk.flipLate('n1/0/log/', '.seg', 600)
    member.bootLater(this.#random.int(0, 400))
    const other = this.#scene.otherOf(member)
    if (this.#random.chance(0.3)) {
      this.#scene.at(this.#random.int(0, 600), () => {
        this.#scene.told('the other member fails beside a rotten end', other)
        this.#scene.end(other, this.#random.pick(['kill', 'crash']))
      })
    }
  }

  /** Just after an epoch began: then nothing that is left tells of it. */
  #forgetNewEpoch(member: PairMember): void {
    this.#scene.restart(member)
    const forget = () => {
      if (this.#scene.primary === member) this.#forget(member)
    }
    this.#scene.at(50, () => this.#scene.whenCalm(forget))
  }

  /** The disk loses whole batches that it had called synced, without a trace: only the mirror can know. No two fail at once here. */
  #forget(member: PairMember): void {
    const file = newestSegment(member)
    // Not all of them: a log without any record of its epochs is another history to everybody, and both stop.
    const batch = batchesOf(file?.bytes).slice(4).at(-this.#random.int(1, 4))
    if (file === null || batch === undefined) return
    this.#scene.told('disk forgot what it had synced', member)
    member.end('kill')
    member.machine.disk.forget(file.path, batch.at)
    member.bootLater(this.#random.int(0, 400))
    this.#scene.aloneUntil(() => this.#world.calm)
  }
}

/** What is stable of the segment that the log writes to. */
function newestSegment({ machine }: PairMember): { path: string; bytes: Buffer } | null {
  const files = [...machine.disk.stableFiles('n1/0/log/')].filter(([path]) => path.endsWith('.seg')).sort()
  const [path, bytes] = files.at(-1) ?? []
  return path === undefined || bytes === undefined ? null : { path, bytes }
}

interface FoundBatch {
  readonly at: number
  readonly length: number
  readonly recordCount: number
  readonly last: number
}

const BATCH_HEADER = 72

function batchesOf(bytes: Buffer = Buffer.alloc(0)): FoundBatch[] {
  const found: FoundBatch[] = []
  for (let at = bytes.indexOf('TPB1'); at >= 0; at = bytes.indexOf('TPB1', at + 1)) {
    if (at + BATCH_HEADER > bytes.length) break
    const recordCount = bytes.readUInt32BE(at + 32)
    const last = Number(bytes.readBigUInt64BE(at + 24)) + recordCount - 1
    found.push({ at, length: BATCH_HEADER + bytes.readUInt32BE(at + 36), recordCount, last })
  }
  return found
}
