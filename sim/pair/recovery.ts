/**
 * The double fault that costs mail: the mirror is away, the primary goes on alone, and then it is gone for good. An administrator makes the stale
 * member primary by force (rule 11). The lost member comes back later, with an empty volume, or with its log, which nobody may believe.
 *
 * Invariant: from the death of the primary until an administrator lets it start, it does not run: that is what the typed name vouches for.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import type { SimRandom } from '../random.ts'
import type { PairMember } from './member.ts'
import type { PairWorld } from './pair-world.ts'
import type { Process } from './process.ts'
import type { Scene } from './scene.ts'

const CHANCE = 0.5
const LOOK_MS = 100
/** An administrator looks for so long whether it is needed; a member that was heard since is not passed over anyway. */
const PATIENCE_MS = 2_500
/** Before it strikes an end of the history must be so far away. */
const TAKES_MS = 15_000

export class Recovery {
  readonly #scene: Scene
  readonly #world: PairWorld
  readonly #random: SimRandom
  readonly #onGivenUp: (sinceMs: number) => void
  #busy = false
  /** The process that may be told to take over, since when it runs, and whether it was told. */
  #seen: { readonly process: Process; readonly sinceMs: number; asked: boolean } | null = null
  /** The stale member still has to die in the middle of it. */
  #dies = false

  constructor(scene: Scene, onGivenUp: (sinceMs: number) => void) {
    this.#scene = scene
    this.#world = scene.world
    this.#random = scene.random
    this.#onGivenUp = onGivenUp
  }

  run(forMs: number): void {
    if (!this.#random.chance(CHANCE)) return
    const latestMs = this.#world.nowMs + forMs - TAKES_MS
    this.#scene.at(this.#random.fraction() * (forMs - TAKES_MS), () =>
      this.#scene.whenCalm(() => {
        if (this.#world.nowMs < latestMs) this.#strike()
      }),
    )
  }

  #strike(): void {
    const { primary } = this.#scene
    if (primary === null) return
    const stale = this.#scene.otherOf(primary)
    const sinceMs = this.#world.nowMs
    this.#busy = true
    this.#dies = this.#random.chance(0.4)
    this.#scene.aloneUntil(() => !this.#busy)
    this.#scene.told('mirror away, then the primary lost', primary)
    const cut = this.#random.chance(0.3)
    if (cut) for (const { member } of [primary, stale]) this.#world.network.setCut(member, true)
    else stale.end(this.#random.pick(['kill', 'crash']))
    this.#after(this.#random.int(1_500, 7_000), () => {
      if (cut) for (const { member } of [primary, stale]) this.#world.network.setCut(member, false)
      primary.heldDown = true
      primary.end(this.#random.pick(['kill', 'crash']))
      this.#after(this.#random.int(0, 2_000), () => this.#takeOver(stale, primary, sinceMs))
    })
  }

  /** Until the stale member serves, however often it dies meanwhile. If it was in sync after all it does so by itself. */
  #takeOver(stale: PairMember, lost: PairMember, sinceMs: number): void {
    if (!stale.running) stale.boot()
    if (stale.process?.primary) {
      this.#comesBack(lost)
      return
    }
    this.#force(stale, lost, sinceMs)
    this.#after(LOOK_MS, () => this.#takeOver(stale, lost, sinceMs))
  }

  #force(stale: PairMember, lost: PairMember, sinceMs: number): void {
    const { process } = stale
    const { entry, coverage, nowMs } = this.#world
    if (process?.machine == null || process.life.paused || entry?.inSync.includes(stale.id) !== false) return
    if (this.#seen?.process !== process) this.#seen = { process, sinceMs: nowMs, asked: false }
    const seen = this.#seen
    if (seen.asked || nowMs < seen.sinceMs + PATIENCE_MS) return
    seen.asked = true
    const pod = `n1-${lost.member}`
    // Whatever comes of it: from now on the ledger may name the stale member.
    this.#onGivenUp(sinceMs)
    process.machine.promoteByForce({ kind: 'typed', member: pod }, pod).then(
      () => coverage.count('promoted by force'),
      (error: unknown) => {
        stale.told('not promoted', errorCode(error))
        coverage.count(`force refused: ${errorCode(error)}`)
        seen.asked = false
      },
    )
    if (this.#dies) {
      this.#dies = false
      this.#after(this.#random.int(0, 40), () => {
        if (stale.process !== process) return
        coverage.count('died while it was promoted by force')
        stale.end(this.#random.pick(['kill', 'crash']))
      })
    }
  }

  #comesBack(lost: PairMember): void {
    this.#seen = null
    this.#after(this.#random.int(0, 3_000), () => {
      lost.heldDown = false
      if (this.#random.chance(0.5)) {
        lost.loseDirectory()
        lost.boot()
        this.#busy = false
        return
      }
      this.#world.coverage.count('lost member came back with its log')
      lost.boot()
      this.#after(this.#random.int(1_000, 5_000), () => {
        // If nothing of it was given up it is a mirror again.
        if (!this.#world.calm) {
          this.#world.coverage.count('lost member emptied by hand')
          lost.loseDirectory()
          lost.bootLater(100)
        }
        this.#busy = false
      })
    })
  }

  /** Also after all faults are over: what was begun must come to an end. */
  #after(ms: number, action: () => void): void {
    this.#world.world.clock.after(ms, () => {
      if (!this.#world.over) action()
    })
  }
}
