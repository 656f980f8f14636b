/**
 * Watches a pair while it runs: who acknowledged in which epoch, what was committed, and what the machines say of themselves.
 * Knows nothing of the code under test but the events it tells.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import type { MachineNotice } from '#shard/replication/machine.ts'
import type { PairMember } from './member.ts'
import type { PairWorld } from './pair-world.ts'
import type { Process } from './process.ts'

export class Watch {
  /** The first claim that was broken: the history ends there. */
  failure: unknown = null
  readonly #world: PairWorld
  /** Which process life speaks for an epoch. */
  readonly #owner = new Map<number, string>()
  /** When something was first acknowledged to a client in that epoch or a later one. */
  #acked: { readonly epoch: number; readonly atMs: number }[] = []
  readonly #commits = new Map<string, number>()
  readonly #roles = ['', '']
  /** A member wrote segments anew while the other one was not in sync. */
  #foldedAlone = false

  constructor(world: PairWorld) {
    this.#world = world
  }

  broken(error: unknown): void {
    this.failure ??= error
  }

  claim(condition: boolean, words: () => string): void {
    if (!condition) this.broken(new AssertionFailure(words()))
  }

  /** A process says that it serves `epoch` from now on. */
  serves({ bootId, member }: Process, epoch: number): void {
    const owner = this.#owner.get(epoch)
    this.claim(owner === undefined || owner === bootId, () => `Epoch ${epoch} belongs to two process lives`)
    this.#owner.set(epoch, bootId)
    this.#world.coverage.count('epochs served')
    member.told('took up office', { epoch })
  }

  committed({ bootId }: Process, epoch: number, commit: number): void {
    const key = `${bootId}/${epoch}`
    const before = this.#commits.get(key) ?? 0
    this.claim(commit >= before, () => `Commit of epoch ${epoch} went from ${before} back to ${commit}`)
    this.#commits.set(key, commit)
  }

  /**
   * A client got an answer from a primary of `epoch`. Nobody who began to ask after a newer epoch had answered anybody may hear from
   * an older one.
   */
  answered(epoch: number, askedAtMs: number, what: string): void {
    const newer = this.#acked.find((one) => one.epoch > epoch && one.atMs < askedAtMs)
    this.claim(
      newer === undefined,
      () => `${what} was answered in epoch ${epoch}, although epoch ${newer?.epoch} had answered before it was asked`,
    )
    if (!this.#acked.some((one) => one.epoch === epoch)) this.#acked.push({ epoch, atMs: this.#world.nowMs })
  }

  /**
   * Compaction is about to look at everything up to `horizon` (rule 10). What both members must have, both have: asked of the disks, not
   * of what one was told of the other.
   */
  marked(member: PairMember, horizon: number): void {
    const { entry, members } = this.#world
    const other = members[member.member === 0 ? 1 : 0]
    const log = other.process?.log ?? null
    if (log === null || other.rotted || ![member, other].every(({ id }) => entry?.inSync.includes(id))) return
    this.claim(
      horizon <= log.durableLsn,
      () =>
        `${member.name} compacts up to ${horizon}, and ${other.name}, which is in sync, has no more than ${log.durableLsn}`,
    )
  }

  compacted(member: PairMember): void {
    const { entry } = this.#world
    if (entry?.inSync.length === 1 && entry.inSync[0] === member.id) this.#foldedAlone = true
  }

  noticed(member: PairMember, notice: MachineNotice): void {
    const { coverage } = this.#world
    member.told(notice.kind, notice)
    switch (notice.kind) {
      case 'swap':
        if (notice.result === 'ok') coverage.count(`swap: ${notice.change}`)
        else if (notice.result === 'unknown') coverage.count('swap with unknown outcome')
        return
      case 'cut':
        coverage.count(notice.fromLsn === 1 ? 'log set aside for a full copy' : 'tail cut by a new primary')
        return
      case 'refused':
        coverage.count(`refused primary: ${notice.reason}`)
        return
      case 'role':
        if (notice.role === 'stepping-down') coverage.count('step down')
        if (notice.role === 'failed') coverage.count('stopped for good')
        this.#roles[member.member] = notice.role
        return
      case 'clock-jumped':
        coverage.count('clock jump noticed')
        return
      case 'end-in-doubt':
        coverage.count('went on alone with an end in doubt')
        return
      case 'repaired':
        coverage.count('record repaired from the peer')
        return
      case 'not-repaired':
        coverage.count('repair put off')
        this.claim(member.rotted, () => `${member.name} cannot repair ${notice.lsn}, and nothing rotted there`)
        return
      case 'link-closed':
        return
      case 'bad-frame':
        coverage.count(`frame refused: ${notice.code}`)
        return
      default:
        notice satisfies never
    }
  }

  /** Looked at all the time: two that may serve at once. */
  look(): void {
    if (this.#foldedAlone && this.#world.entry?.inSync.length === 2) {
      this.#foldedAlone = false
      this.#world.coverage.count('folds followed by rejoin')
    }
    const [a, b] = this.#world.members
    const both = a.process?.mayServe() && b.process?.mayServe() && !a.process.life.paused && !b.process.life.paused
    this.claim(!both, () => 'Two members have the right to read at the same time')
  }
}
