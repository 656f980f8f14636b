/**
 * What a replica that is not primary does: gathers the facts, lets `../roles/decide-mirror.ts` decide and carries the action out.
 * It lives as long as the machine; taking up office is the machine's.
 */
import { known } from '#lib/errors/assert.ts'
import { toEpoch } from '#lib/mail/types.ts'
import type { Change } from '../ledger/agent.ts'
import type { LedgerEntry } from '../ledger/types.ts'
import { decideStandby, type StandbyAction, type StandbyFacts } from '../roles/decide-mirror.ts'
import { claimed, promoted } from '../roles/entries.ts'
import { REDIAL_MS } from './limits.ts'
import type { MachineParts } from './machine-parts.ts'
import { endOf } from './primary-duty.ts'
import { probePeer } from './probe.ts'

export class StandbyDuty {
  readonly #parts: MachineParts
  readonly #takeUp: (entry: LedgerEntry) => void
  #quietFromMs: number
  #actedMs: number
  #trouble: 'none' | 'histories-differ' = 'none'
  #peerDirectory: 'new' | 'used' | 'unknown' | 'alone'
  #probing: Promise<void> | null = null
  #nextProbeMs = Number.NEGATIVE_INFINITY

  /** @param takeUp Begins a term as primary. */
  constructor(parts: MachineParts, takeUp: (entry: LedgerEntry) => void) {
    this.#parts = parts
    this.#takeUp = takeUp
    this.#quietFromMs = parts.options.clock.monotonicMs()
    this.#actedMs = this.#quietFromMs
    this.#peerDirectory = parts.options.network === null ? 'alone' : 'unknown'
  }

  /** Since a primary was heard here, since this replica stepped down, or since the process began or woke: the latest of them. */
  get quietMs(): number {
    const { options, mirror } = this.#parts
    return options.clock.monotonicMs() - Math.max(this.#quietFromMs, mirror?.lastBeaconMs ?? this.#quietFromMs)
  }

  /** This replica stepped down: from now on it waits to hear a primary. */
  restart(): void {
    this.#quietFromMs = this.#parts.options.clock.monotonicMs()
  }

  /** The primary's log and this one have nothing in common. */
  historiesDiffer(): void {
    this.#trouble = 'histories-differ'
  }

  /** Resolves when nothing is under way; for a clean end. */
  async idle(): Promise<void> {
    await this.#probing
  }

  /**
   * Decides once and begins what was decided.
   * @param writtenEpoch The last epoch of which this process was primary, or 0.
   */
  act(writtenEpoch: number): void {
    const { options, times, agent, desk, mirror } = this.#parts
    const nowMs = options.clock.monotonicMs()
    // Frozen meanwhile: that it heard nobody says nothing, and a primary that lives is heard within the grace.
    if (nowMs - this.#actedMs > times.graceMs / 2) this.restart()
    this.#actedMs = nowMs
    if (agent.settled && !desk.swapping && agent.base?.primary !== options.self.id) mirror?.unmute()
    if (this.#mayTakeOver) this.#probe()
    this.#carryOut(decideStandby(this.#facts(writtenEpoch)))
  }

  /**
   * Nobody is heard and the ledger would let this replica take over. A ledger that was put back to an older copy says the same: the
   * peer, if it lives, has seen a later version, and must be asked before the grace is over.
   */
  get #mayTakeOver(): boolean {
    const { options, agent, mirror } = this.#parts
    const entry = agent.base
    if (entry === null || mirror === null || mirror.following) return false
    return entry.primary !== options.self.id && entry.inSync.includes(options.self.id)
  }

  #facts(writtenEpoch: number): StandbyFacts {
    const { options, times, agent, desk, disk, notes, handover, mirror } = this.#parts
    const { self, clock, preferred } = options
    const readAtMs = agent.readAtMs
    return {
      self,
      note: notes.note,
      entry: agent.base ?? (agent.health === 'lost' ? agent.found : null),
      entryAgeMs: readAtMs === null ? null : clock.monotonicMs() - readAtMs,
      ledger: agent.health,
      heardVersion: agent.seenVersion,
      swapping: desk.swapping,
      unsettled: !agent.settled,
      quietMs: this.quietMs,
      following: mirror?.following ?? false,
      disk: disk.failure === null ? 'good' : 'failed',
      end: endOf(options.log),
      fenced: handover.standsBack,
      writtenEpoch,
      preferred,
      peerDirectory: this.#peerDirectory,
      trouble: this.#trouble,
      times,
    }
  }

  #carryOut(action: StandbyAction): void {
    const { options, times, agent, desk, disk, mirror, say, stopFor } = this.#parts
    const { self } = options
    switch (action.kind) {
      case 'none':
        say(action.phase)
        return
      case 'read-ledger':
        say(action.phase)
        desk.read(agent.health === 'good' ? times.beaconMs : times.lookMs)
        return
      case 'probe-peer':
        say(action.phase)
        this.#probe()
        return
      case 'create':
        this.#swap('create', null, { epoch: toEpoch(1), primary: self.id, inSync: [self.id], replicas: [self] })
        return
      case 'claim':
        this.#swap('claim', action.from, claimed(action.from, self))
        return
      case 'promote':
        this.#swap('promote', action.from, promoted(action.from, self))
        return
      case 'take-up':
        this.#takeUp(action.entry)
        return
      case 'stop':
        stopFor(action.code, action.phase)
        return
      case 'exit':
        mirror?.leave(true)
        stopFor('DISK_FAILED', action.phase)
        options.onFailure(known(disk.failure, 'the disk failed'))
        return
      default:
        action satisfies never
    }
  }

  /** Rule 6: nothing is acknowledged any more before the swap begins. */
  #swap(change: string, from: LedgerEntry | null, to: Change): void {
    const { agent, desk, mirror, say } = this.#parts
    if (!desk.due) return
    mirror?.mute()
    const phase = `${change}: swapping the ledger to epoch ${to.epoch}`
    say(phase)
    desk.swap(change, phase, () => agent.swap(from, to))
  }

  #probe(): void {
    const { options, notes, poke } = this.#parts
    const { network, clock, shard } = options
    const nowMs = clock.monotonicMs()
    if (network === null || this.#probing !== null || nowMs < this.#nextProbeMs) return
    this.#nextProbeMs = nowMs + REDIAL_MS
    this.#probing = probePeer(network, clock, shard, notes.note.promisedEpoch).then((seen) => {
      this.#probing = null
      if (seen !== null) this.#parts.agent.heardOf(seen.ledgerVersion)
      if (seen !== null) this.#peerDirectory = seen.ledgerVersion === 0 && seen.lastLsn === 0 ? 'new' : 'used'
      poke()
    })
  }
}
