/** Rule 14: what rotted here is fetched from the peer and put back, one record at a time, as long as the log names any. */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { REPAIR_EVERY_MS } from './limits.ts'
import type { ReplicaLog } from './ports.ts'

export interface RepairNotice {
  readonly kind: 'repaired' | 'not-repaired'
  readonly lsn: Lsn
  readonly why: string
}

export interface RepairerOptions {
  readonly log: ReplicaLog
  readonly clock: Clock
  /** Null: there is no peer to ask, or it cannot read the record either. */
  readonly fetch: (lsn: Lsn) => Promise<Uint8Array | null>
  readonly onNotice: (notice: RepairNotice) => void
}

export class Repairer {
  readonly #options: RepairerOptions
  #working: Promise<void> | null = null
  #nextMs = Number.NEGATIVE_INFINITY
  /** Ranges of which one record could not be repaired give way to the others. */
  #turn = 0

  constructor(options: RepairerOptions) {
    this.#options = options
  }

  /** Begins with the next rotten record, if there is one and it is time. */
  look(): void {
    const { log, clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#working !== null || nowMs < this.#nextMs) return
    const { rotten } = log
    const range = rotten[this.#turn % Math.max(1, rotten.length)]
    if (range === undefined) return
    this.#nextMs = nowMs + REPAIR_EVERY_MS
    this.#working = this.#repair(toLsn(range.first)).finally(() => {
      this.#working = null
    })
  }

  async idle(): Promise<void> {
    await this.#working
  }

  async #repair(lsn: Lsn): Promise<void> {
    const { log, fetch, onNotice } = this.#options
    try {
      const bytes = await fetch(lsn)
      if (bytes === null) {
        this.#turn++
        return
      }
      await log.repair(lsn, bytes)
      onNotice({ kind: 'repaired', lsn, why: 'fetched from the peer' })
      this.#nextMs = Number.NEGATIVE_INFINITY
    } catch (error) {
      this.#turn++
      onNotice({ kind: 'not-repaired', lsn, why: errorMessage(error) })
    }
  }
}
