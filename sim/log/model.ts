/**
 * What must be true of a log, kept apart from the code under test: which records were appended, which of them were reported
 * durable, and what a reader may therefore see after any crash.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import type { LogRecord, NewRecord } from '#shard/log/types.ts'

interface Expected {
  readonly epoch: number
  readonly type: number
  readonly meta: Uint8Array
  readonly body: Uint8Array
}

export class LogModel {
  /** Records that may stand in the log, by LSN; the latest append of an LSN that was cut before. */
  readonly #expected = new Map<number, Expected>()
  readonly #used = new Set<string>()
  #durable = 0
  /** Durable before the last commit: a later batch header says so, or a restart proved it. */
  #covered = 0

  /** Compaction was told that nobody needs these: each may be gone or there. */
  readonly #superfluous = new Set<number>()

  get durable(): number {
    return this.#durable
  }

  get appendedUpTo(): number {
    return this.#expected.size
  }

  get covered(): number {
    return this.#covered
  }

  appended(first: number, epoch: number, records: readonly NewRecord[]): void {
    records.forEach((record, i) => {
      const lsn = first + i
      check(lsn > this.#durable, `LSN ${lsn} was given out again below the durable ${this.#durable}`)
      const key = `${epoch}/${lsn}`
      check(!this.#used.has(key), `(${epoch}, ${lsn}) means two records`)
      this.#used.add(key)
      const body = Buffer.concat(record.body ?? [])
      this.#expected.set(lsn, { epoch, type: record.type, meta: record.meta, body })
    })
  }

  reportedDurable(lsn: number): void {
    check(lsn > this.#durable, `durable went from ${this.#durable} to ${lsn}`)
    check(this.#expected.has(lsn), `durable LSN ${lsn} was never appended`)
    this.#covered = this.#durable
    this.#durable = lsn
  }

  /** @returns How many records that nobody was told about have survived. */
  reopened(lastLsn: number, damaged: boolean): number {
    const least = damaged ? this.#covered : this.#durable
    check(lastLsn >= least, `the log ends at ${lastLsn}, but ${least} was durable`)
    for (const lsn of [...this.#expected.keys()]) if (lsn > lastLsn) this.#expected.delete(lsn)
    check(this.#expected.size === lastLsn, `the log ends at ${lastLsn}, but ${this.#expected.size} were appended`)
    const survived = Math.max(0, lastLsn - this.#durable)
    this.#durable = lastLsn
    this.#covered = lastLsn
    return survived
  }

  superfluous(lsn: number): void {
    this.#superfluous.add(lsn)
  }

  mayBeGone(lsn: number): boolean {
    return this.#superfluous.has(lsn)
  }

  gone(first: number, last: number): void {
    for (let lsn = first; lsn <= last; lsn++) check(this.mayBeGone(lsn), `record ${lsn} was dropped and is needed`)
  }

  seen(record: LogRecord): void {
    const expected = this.#expected.get(record.lsn)
    check(expected !== undefined, `record ${record.lsn} was never appended`)
    check(record.epoch === expected.epoch, `record ${record.lsn} has epoch ${record.epoch}, not ${expected.epoch}`)
    check(record.type === expected.type, `record ${record.lsn} has type ${record.type}, not ${expected.type}`)
    check(Buffer.compare(record.meta, expected.meta) === 0, `record ${record.lsn} has another meta`)
    check(Buffer.compare(record.body, expected.body) === 0, `record ${record.lsn} has another body`)
  }
}

function check(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionFailure(`Log: ${claim}`)
}
