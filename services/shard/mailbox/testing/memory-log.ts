/**
 * A log in memory for tests and measurements: the contract of `../../log/types.ts` with a sync that is either automatic (after
 * the current turn) or said by the test, and with crashes.
 */
import { known } from '#lib/errors/assert.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { AppendedRange, EncodedBatch, LogRecord, NewRecord, ShardLog } from '../../log/types.ts'

const EMPTY = new Uint8Array(0)

export class MemoryLog implements ShardLog {
  /** It is never compacted. */
  readonly horizon = toLsn(0)
  readonly #records: LogRecord[]
  readonly #syncs: 'automatic' | 'by-hand'
  readonly #onDurable: ((durable: Lsn) => void)[] = []
  readonly #onFailure: ((error: Error) => void)[] = []
  readonly #epoch: Epoch
  #durable: number
  #syncing = false
  #stopped: Error | null = null
  /** Refuses appends as a log whose disk is behind. */
  busy = false

  constructor(syncs: 'automatic' | 'by-hand' = 'automatic', records: readonly LogRecord[] = []) {
    this.#syncs = syncs
    this.#records = [...records]
    this.#durable = records.length
    this.#epoch = toEpoch(1)
  }

  get lastLsn(): Lsn {
    return toLsn(this.#records.length)
  }

  get durableLsn(): Lsn {
    return toLsn(this.#durable)
  }

  append(records: readonly NewRecord[]): AppendedRange {
    if (this.#stopped !== null) throw this.#stopped
    if (this.busy) throw new CodedError('LOG_BUSY', 'Cannot append: too much waits')
    const first = toLsn(this.#records.length + 1)
    for (const { type, meta, body } of records) {
      this.#records.push({
        lsn: toLsn(this.#records.length + 1),
        epoch: this.#epoch,
        type,
        wallMs: 0,
        meta,
        body: body === undefined ? EMPTY : body.length === 1 ? known(body[0], 'one piece') : Buffer.concat(body),
      })
    }
    if (this.#syncs === 'automatic' && !this.#syncing) {
      this.#syncing = true
      setImmediate(() => {
        this.#syncing = false
        this.sync()
      })
    }
    return { first, last: this.lastLsn }
  }

  /** Makes everything up to `upTo` durable and tells the listeners. */
  sync(upTo: number = this.#records.length): void {
    if (this.#stopped !== null || upTo <= this.#durable) return
    this.#durable = Math.min(upTo, this.#records.length)
    for (const listener of this.#onDurable) listener(this.durableLsn)
  }

  /** The disk breaks: nothing more is written. */
  fail(): void {
    this.#stopped = new CodedError('LOG_STOPPED', 'Cannot append: the disk failed')
    for (const listener of this.#onFailure) listener(this.#stopped)
  }

  /** What a new process finds after a crash: all that was durable and `tail` records more. */
  afterCrash(tail = 0, syncs: 'automatic' | 'by-hand' = this.#syncs): MemoryLog {
    this.#stopped = new CodedError('LOG_STOPPED', 'Cannot append: the process is dead')
    return new MemoryLog(syncs, this.#records.slice(0, this.#durable + tail))
  }

  onDurable(listener: (durable: Lsn) => void): void {
    this.#onDurable.push(listener)
  }

  onBatch(_listener: (batch: EncodedBatch) => void): void {}

  onFailure(listener: (error: Error) => void): void {
    this.#onFailure.push(listener)
  }

  async read(lsn: Lsn): Promise<LogRecord> {
    const record = this.#records[lsn - 1]
    if (record === undefined) throw new CodedError('LOG_NO_SUCH_RECORD', `Cannot read LSN ${lsn}`)
    return record
  }

  async readBody(lsn: Lsn, offset: number, length: number): Promise<Uint8Array> {
    return (await this.read(lsn)).body.subarray(offset, offset + length)
  }

  async scan(
    from: Lsn,
    to: Lsn,
    options: { bodies: boolean },
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<void> {
    for (let lsn = Math.max(1, from); lsn <= Math.min(to, this.#durable); lsn++) {
      const record = known(this.#records[lsn - 1], 'dense LSNs')
      await visit(options.bodies ? record : { ...record, body: EMPTY })
    }
  }

  sizeBytes(): number {
    return this.#records.reduce((sum, record) => sum + record.meta.byteLength + record.body.byteLength, 0)
  }

  async close(): Promise<void> {}
}
