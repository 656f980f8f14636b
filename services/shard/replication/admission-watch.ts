/** Gathers what `../roles/admission.ts` decides on: since when there is one copy, since when commit cannot go on, what is free. */
import type { LedgerAgent } from '../ledger/agent.ts'
import { type AdmissionFacts, DURABILITY_DEFAULT } from '../roles/admission.ts'
import type { RoleTimes } from '../roles/times.ts'
import type { DiskWatch } from './disk-watch.ts'
import type { ReplicaMachineOptions } from './machine-types.ts'
import type { PeerSpace } from './messages.ts'
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

  /** @param peer What the other member said of its volume; null: it was not heard. */
  facts(role: AdmissionFacts['role'], draining: boolean, peer: PeerSpace | null): AdmissionFacts {
    const { machine, agent, disk } = this.#options
    const { clock, network, durability, space } = machine
    const nowMs = clock.monotonicMs()
    const own = space()
    const copies = Math.min(...agent.mayHold.map((entry) => entry.inSync.length), 2)
    return {
      role,
      draining,
      disk: disk.state,
      copies,
      degradedMs: this.#degraded.forMs(nowMs),
      stalledMs: this.#stalled.forMs(nowMs) ?? 0,
      freeShare: leastShare(own, peer),
      mirrorWaitsForSpace: copies > 1 && (peer?.full ?? false),
      policy: durability ?? DURABILITY_DEFAULT,
      solo: network === null,
    }
  }
}

/** Of the two volumes, each against its own size. One that does not tell its size is taken to be as large as the own. */
export function leastShare(
  own: { readonly freeBytes: number; readonly totalBytes: number },
  peer: Pick<PeerSpace, 'freeBytes' | 'totalBytes'> | null,
): number | null {
  const shares = [share(own.freeBytes, own.totalBytes)]
  if (peer !== null) shares.push(share(peer.freeBytes, peer.totalBytes ?? own.totalBytes))
  const known = shares.filter((one) => one !== null)
  return known.length === 0 ? null : Math.min(...known)
}

function share(freeBytes: number, totalBytes: number): number | null {
  return totalBytes > 0 ? freeBytes / totalBytes : null
}
