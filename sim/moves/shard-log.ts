/**
 * The log of one shard as its members agree on it: what was synced is there whoever is primary next, what was not may be. The log's own
 * promises have worlds of their own (`../log`, `../pair`).
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { AppendedRange, LogRecord, NewRecord, ScanOptions, ShardLog } from '#shard/log/types.ts'
import type { SimRandom } from '../random.ts'

const SYNC_MS_MAX = 8
const EMPTY = new Uint8Array(0)

export class SimShardLog implements ShardLog {
  readonly horizon = toLsn(0)
  readonly #clock: Clock
  readonly #random: SimRandom
  readonly #records: LogRecord[]
  readonly #epoch: Epoch
  readonly #onDurable: ((durable: Lsn) => void)[] = []
  #durable: number
  #syncing = false
  #over = false

  constructor(clock: Clock, random: SimRandom, records: readonly LogRecord[] = [], epoch = 1) {
    this.#clock = clock
    this.#random = random
    this.#records = [...records]
    this.#durable = records.length
    this.#epoch = toEpoch(epoch)
  }

  get lastLsn(): Lsn {
    return toLsn(this.#records.length)
  }

  get durableLsn(): Lsn {
    return toLsn(this.#durable)
  }

  append(records: readonly NewRecord[]): AppendedRange {
    if (this.#over) throw new CodedError('LOG_STOPPED', 'Cannot append: another member is primary')
    const first = toLsn(this.#records.length + 1)
    for (const { type, meta, body = [] } of records) {
      const lsn = toLsn(this.#records.length + 1)
      const bytes = body.length === 0 ? EMPTY : Buffer.concat(body)
      this.#records.push({ lsn, epoch: this.#epoch, type, wallMs: 0, meta: Buffer.from(meta), body: bytes })
    }
    this.#sync()
    return { first, last: this.lastLsn }
  }

  /** What the next primary finds: all that is durable, and a part of the rest. Nothing is appended here any more. */
  handOver(clock: Clock): SimShardLog {
    this.#over = true
    const survivors = this.#random.int(this.#durable, this.#records.length)
    return new SimShardLog(clock, this.#random, this.#records.slice(0, survivors), this.#epoch + 1)
  }

  onDurable(listener: (durable: Lsn) => void): void {
    this.#onDurable.push(listener)
  }

  onBatch(): void {}

  onFailure(): void {}

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
    { bodies }: ScanOptions,
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<void> {
    for (const record of this.#records.slice(Math.max(0, from - 1), Math.min(to, this.#durable))) {
      await visit(bodies ? record : { ...record, body: EMPTY })
    }
  }

  sizeBytes(): number {
    return this.#records.reduce((sum, { meta, body }) => sum + meta.byteLength + body.byteLength, 0)
  }

  async close(): Promise<void> {}

  /** One sync at a time; what comes meanwhile goes into the next. */
  #sync(): void {
    if (this.#syncing) return
    this.#syncing = true
    const upTo = this.#records.length
    this.#clock.after(1 + this.#random.int(0, SYNC_MS_MAX), () => {
      this.#syncing = false
      if (this.#over) return
      this.#durable = upTo
      for (const listener of this.#onDurable) listener(this.durableLsn)
      if (this.#records.length > upTo) this.#sync()
    })
  }
}
