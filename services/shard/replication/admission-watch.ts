/** Gathers what `../roles/admission.ts` decides on: since when there is one copy, since when commit cannot go on, what is free. */
import type { LedgerAgent } from '../ledger/agent.ts'
import { type AdmissionFacts, DURABILITY_DEFAULT } from '../roles/admission.ts'
import type { RoleTimes } from '../roles/times.ts'
import type { DiskWatch } from './disk-watch.ts'
import type { ReplicaMachineOptions } from './machine-types.ts'
import type { PrimarySide } from './primary-side.ts'
import { Since } from './since.ts'

export interface AdmissionWatchOptions {
  readonly machine: Pick<ReplicaMachineOptions, 'clock' | 'network' | 'durability' | 'space'>
  readonly times: RoleTimes
  readonly agent: LedgerAgent
  readonly disk: DiskWatch
}

export class AdmissionWatch {
  readonly #options: AdmissionWatchOptions
  readonly #degraded = new Since()
  readonly #stalled = new Since()

  constructor(options: AdmissionWatchOptions) {
    this.#options = options
  }

  /** To be called whenever something may have changed. */
  watch(primary: PrimarySide | null): void {
    const { machine, times, agent } = this.#options
    const nowMs = machine.clock.monotonicMs()
    const one = primary !== null && agent.mayHold.some((entry) => entry.inSync.length < 2)
    this.#degraded.set(one, nowMs)
    const stalled =
      primary !== null && primary.silentMs > times.removeMs && agent.mayHold.some((entry) => entry.inSync.length > 1)
    this.#stalled.set(stalled, nowMs)
  }

  facts(role: AdmissionFacts['role'], draining: boolean, peerFreeBytes: number | null): AdmissionFacts {
    const { machine, agent, disk } = this.#options
    const { clock, network, durability, space } = machine
    const nowMs = clock.monotonicMs()
    const { freeBytes, totalBytes } = space()
    const free = Math.min(freeBytes, peerFreeBytes ?? freeBytes)
    return {
      role,
      draining,
      disk: disk.state,
      copies: Math.min(...agent.mayHold.map((entry) => entry.inSync.length), 2),
      degradedMs: this.#degraded.forMs(nowMs),
      stalledMs: this.#stalled.forMs(nowMs) ?? 0,
      freeShare: totalBytes > 0 ? free / totalBytes : null,
      policy: durability ?? DURABILITY_DEFAULT,
      solo: network === null,
    }
  }
}
