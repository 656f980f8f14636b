/**
 * Rule 14: what rotted here is fetched from the peer and put back, as long as the log names any: neighbours together, because the chain proves
 * them together and a segment that has to be laid anew is laid once. A reader that waits for a record is served first.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { REPAIR_BYTES_MAX, REPAIR_EVERY_MS, REPAIR_RECORDS_MAX } from './limits.ts'
import type { LsnRange, PeerRecord, ReplicaLog } from './ports.ts'

export interface RepairNotice {
  readonly kind: 'repaired' | 'not-repaired'
  readonly lsn: Lsn
  readonly why: string
}

/** Null: there is no peer to ask, or it cannot read the record either. */
export type Fetch = (lsn: Lsn) => Promise<Uint8Array | null>

export interface RepairerOptions {
  readonly log: ReplicaLog
  readonly clock: Clock
  readonly fetch: Fetch
  readonly onNotice: (notice: RepairNotice) => void
}

export class Repairer {
  readonly #options: RepairerOptions
  #working: Promise<boolean> | null = null
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
    this.#begin(toLsn(range.first))
  }

  /** Somebody waits for that record. @returns Whether it is worth reading it again. */
  async rescue(lsn: Lsn): Promise<boolean> {
    while (this.#working !== null) await this.#working
    if (!names(this.#options.log, lsn)) return true
    return this.#begin(lsn)
  }

  async idle(): Promise<void> {
    await this.#working
  }

  #begin(lsn: Lsn): Promise<boolean> {
    const working = this.#repair(lsn).finally(() => {
      this.#working = null
    })
    this.#working = working
    return working
  }

  async #repair(lsn: Lsn): Promise<boolean> {
    const { log, fetch, onNotice } = this.#options
    try {
      const records = await fetchRange(fetch, await rottenAround(log, lsn))
      if (records.length === 0) {
        this.#turn++
        return false
      }
      await log.repair(records)
      for (const one of records) onNotice({ kind: 'repaired', lsn: one.lsn, why: 'fetched from the peer' })
      this.#nextMs = Number.NEGATIVE_INFINITY
      return true
    } catch (error) {
      this.#turn++
      onNotice({ kind: 'not-repaired', lsn, why: errorMessage(error) })
      return false
    }
  }
}

/** All records around `lsn` whose headers cannot be read: the chain proves them only from a header that can to the next that can. */
export async function rottenAround(log: ReplicaLog, lsn: Lsn): Promise<LsnRange> {
  let [first, last] = [lsn, lsn]
  // Asking for the chain value finds what is rotten and was not known; dropped records have none either.
  const rotten = async (one: Lsn) =>
    one >= 1 && one <= log.durableLsn && (await log.chainAt(one)) === null && names(log, one)
  while (await rotten(toLsn(first - 1))) first = toLsn(first - 1)
  while (last - first < REPAIR_RECORDS_MAX && (await rotten(toLsn(last + 1)))) last = toLsn(last + 1)
  return { first, last }
}

function names({ rotten }: ReplicaLog, lsn: Lsn): boolean {
  return rotten.some(({ first, last }) => first <= lsn && lsn <= last)
}

/** From the first on, as many as the peer has and one repair takes. */
export async function fetchRange(fetch: Fetch, { first, last }: LsnRange): Promise<PeerRecord[]> {
  const records: PeerRecord[] = []
  let byteCount = 0
  for (let lsn = toLsn(first); lsn <= last && records.length < REPAIR_RECORDS_MAX; lsn = toLsn(lsn + 1)) {
    const bytes = await fetch(lsn)
    if (bytes === null) break
    records.push({ lsn, bytes })
    byteCount += bytes.byteLength
    if (byteCount > REPAIR_BYTES_MAX) break
  }
  return records
}
