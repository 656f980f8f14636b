/**
 * The contract of `../ports.ts` in memory, for tests: real records with real checksums and chain, a sync that takes
 * `syncMs` of the given clock, and faults to be set. `disk` outlives the log: `reopen` finds what was durable, and of the rest
 * as much as the test says.
 */
import { known } from '#lib/errors/assert.ts'
import type { Epoch, Lsn } from '#lib/mail/types.ts'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { BatchBuilder, Slabs } from '../../log/batch.ts'
import { LogError } from '../../log/errors.ts'
import {
  BATCH_HEADER_BYTES,
  CHAIN_START,
  type LogIdentity,
  logIdentity,
  RECORD_HEADER_BYTES,
} from '../../log/format.ts'
import { proveRecords } from '../../log/raw-batch.ts'
import type { AppendedRange, EncodedBatch, LogRecord, NewRecord } from '../../log/types.ts'
import type { CutTail, EpochStart, LsnRange, PeerRecord, RawBatch, ReplicaLog } from '../ports.ts'

interface Stored {
  readonly bytes: Buffer
  readonly record: LogRecord
  readonly chain: Buffer
}

/** What survives the process. */
export interface MemoryDisk {
  tag: Buffer
  records: Stored[]
  commit: number
  endInDoubt: boolean
  /** Records at the end that are gone; that there were so many is known from the index, not of which epochs they were. */
  forgotten: number
  readonly cut: CutTail[]
}

function lastEpoch({ records, forgotten }: MemoryDisk): Epoch {
  return records.at(-1 - forgotten)?.record.epoch ?? toEpoch(0)
}

export function memoryDisk(tag: string): MemoryDisk {
  return {
    tag: Buffer.from(tag.padEnd(8, '.'), 'latin1'),
    records: [],
    commit: 0,
    endInDoubt: false,
    forgotten: 0,
    cut: [],
  }
}

export class MemoryReplicaLog implements ReplicaLog {
  horizon: Lsn = toLsn(0)
  /** Writes wait for space until it is set back. */
  full = false
  readonly #clock: Clock
  readonly #disk: MemoryDisk
  readonly #slabs = new Slabs()
  readonly #onDurable: ((durable: Lsn) => void)[] = []
  readonly #onBatch: ((batch: EncodedBatch) => void)[] = []
  readonly #onFailure: ((error: Error) => void)[] = []
  readonly #waiting: { last: number; resolve: () => void; reject: (error: Error) => void }[] = []
  readonly #rotten = new Set<number>()
  #identity: LogIdentity
  #pending: Stored[] = []
  #syncing = false
  #epoch: Epoch
  #commit: number
  #failure: Error | null = null
  #rescue: (lsn: Lsn) => Promise<boolean> = async () => false
  #dead = false
  #endProved = false
  #syncMs = 1

  constructor(clock: Clock, disk: MemoryDisk) {
    this.#clock = clock
    this.#disk = disk
    this.#identity = logIdentity(disk.tag)
    this.#epoch = lastEpoch(disk)
    this.#commit = disk.commit
    for (let lsn = disk.records.length - disk.forgotten + 1; lsn <= disk.records.length; lsn++) this.#rotten.add(lsn)
  }

  /** How long a sync takes. Infinity: it hangs until the next change. */
  get syncMs(): number {
    return this.#syncMs
  }

  set syncMs(ms: number) {
    this.#syncMs = ms
    this.#sync()
  }

  get tag(): Uint8Array {
    return this.#identity.tag
  }

  get epoch(): Epoch {
    return this.#epoch
  }

  get commit(): Lsn {
    return toLsn(this.#commit)
  }

  get rotten(): readonly LsnRange[] {
    return [...this.#rotten].sort((a, b) => a - b).map((lsn) => ({ first: lsn, last: lsn }))
  }

  onRotten(rescue: (lsn: Lsn) => Promise<boolean>): void {
    this.#rescue = rescue
  }

  get endInDoubt(): boolean {
    return this.#disk.endInDoubt
  }

  get endProved(): boolean {
    return this.#endProved
  }

  trustEnd(): void {
    this.#endProved = true
    this.#disk.endInDoubt = false
  }

  get lastLsn(): Lsn {
    return toLsn(this.#disk.records.length + this.#pending.length)
  }

  get durableLsn(): Lsn {
    return toLsn(this.#disk.records.length)
  }

  epochs(): EpochStart[] {
    const starts: EpochStart[] = []
    const { records, forgotten } = this.#disk
    for (const { record, chain } of records.slice(0, records.length - forgotten)) {
      if (record.epoch <= (starts.at(-1)?.epoch ?? 0)) continue
      const { epoch, lsn } = record
      starts.push({ epoch, firstLsn: lsn, latestLsn: lsn, chain: this.#rotten.has(lsn) ? null : chain })
    }
    return starts
  }

  setEpoch(epoch: Epoch): void {
    if (epoch < this.#epoch) throw new LogError('LOG_EPOCH_BACKWARDS', `Cannot go back to epoch ${epoch}`)
    this.#epoch = epoch
  }

  noteCommit(commit: Lsn): void {
    this.#commit = Math.max(this.#commit, Math.min(commit, this.lastLsn))
  }

  append(records: readonly NewRecord[]): AppendedRange {
    this.#refuseStopped()
    const first = toLsn(this.lastLsn + 1)
    const builder = new BatchBuilder(this.#identity, this.#slabs, {
      epoch: this.#epoch,
      firstLsn: first,
      wallMs: this.#clock.nowMs(),
      chain: this.#chain(),
    })
    for (const record of records) {
      const before = builder.sizeBytes
      builder.add(record)
      const lsn = toLsn(builder.nextLsn - 1)
      this.#pending.push({
        bytes: Buffer.alloc(builder.sizeBytes - before),
        record: known(builder.read(lsn), 'just added'),
        chain: Buffer.from(builder.chain),
      })
    }
    const encoded = builder.encode(this.durableLsn, this.#commit)
    const raw = Buffer.concat(encoded.chunks).subarray(BATCH_HEADER_BYTES)
    let at = 0
    for (const stored of this.#pending.slice(-records.length))
      at += raw.copy(stored.bytes, 0, at, at + stored.bytes.length)
    for (const listener of this.#onBatch) listener(encoded)
    this.#sync()
    return { first, last: this.lastLsn }
  }

  appendRaw(batch: RawBatch): void {
    this.#refuseStopped()
    const bytes = Buffer.concat(batch.chunks)
    if (batch.firstLsn !== this.lastLsn + 1) {
      throw new LogError('LOG_BAD_BATCH', `Cannot append ${batch.firstLsn} after ${this.lastLsn}`)
    }
    if (batch.epoch < this.#epoch) {
      throw new LogError('LOG_BAD_BATCH', `Cannot append epoch ${batch.epoch} in ${this.#epoch}`)
    }
    const proved = proveRecords(bytes, this.#identity, { ...batch, chain: this.#chain() })
    if (typeof proved === 'string') throw new LogError('LOG_BAD_BATCH', `Cannot append the peer's records: ${proved}`)
    this.#epoch = batch.epoch
    proved.headers.forEach((header, i) => {
      const at = proved.offsets[i] ?? 0
      const metaAt = at + RECORD_HEADER_BYTES
      const bodyAt = metaAt + header.metaLength
      const end = bodyAt + header.bodyLength
      const { lsn, epoch, type, wallMs } = header
      const meta = bytes.subarray(metaAt, bodyAt)
      const record = { lsn, epoch, type, wallMs, meta, body: bytes.subarray(bodyAt, end) }
      this.#pending.push({ bytes: bytes.subarray(at, end), record, chain: Buffer.from(header.chain) })
    })
    this.#sync()
  }

  onDurable(listener: (durable: Lsn) => void): void {
    this.#onDurable.push(listener)
  }

  onBatch(listener: (batch: EncodedBatch) => void): void {
    this.#onBatch.push(listener)
  }

  onFailure(listener: (error: Error) => void): void {
    this.#onFailure.push(listener)
  }

  /** The next and all later writes fail. */
  fail(): void {
    if (this.#failure !== null) return
    this.#failure = new LogError('LOG_STOPPED', 'The disk failed')
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
    for (const listener of this.#onFailure) listener(this.#failure)
  }

  /** Somebody made space: what waited is written. */
  makeSpace(): void {
    this.full = false
    this.#sync()
  }

  /** The process dies: nothing of this object happens any more. What was durable stays, and `tail` records more. */
  crash(tail = 0): void {
    this.#dead = true
    this.#disk.records.push(...this.#pending.slice(0, tail))
    this.#disk.commit = Math.min(this.#commit, this.#disk.records.length)
    this.#pending = []
  }

  /** The process dies, and the last `count` records rot before a header calls them synced: the next start takes them for a torn tail. */
  crashAndRot(count: number): void {
    this.crash()
    this.#disk.records.splice(-count)
    this.#disk.commit = Math.min(this.#disk.commit, this.#disk.records.length)
    this.#disk.endInDoubt = true
  }

  /** The process dies, and the device loses the last `count` records without a trace; what was applied of them is known all the same. */
  crashAndForget(count: number): void {
    this.crash()
    this.#disk.forgotten = count
    this.#disk.commit = Math.min(this.#disk.commit, this.#disk.records.length - count)
    this.#disk.endInDoubt = true
  }

  rot(lsn: number): void {
    this.#rotten.add(lsn)
  }

  async chainAt(lsn: Lsn): Promise<Uint8Array | null> {
    if (lsn === 0) return CHAIN_START
    return this.#rotten.has(lsn) ? null : this.#stored(lsn).chain
  }

  async readRaw(from: Lsn, bytesMax: number): Promise<RawBatch> {
    const first = this.#stored(from)
    const chunks = [first.bytes]
    let byteCount = first.bytes.length
    for (let lsn = from + 1; lsn <= this.durableLsn; lsn++) {
      const next = known(this.#disk.records[lsn - 1], 'dense')
      if (next.record.epoch !== first.record.epoch || byteCount + next.bytes.length > bytesMax) break
      if (this.#rotten.has(lsn)) break
      chunks.push(next.bytes)
      byteCount += next.bytes.length
    }
    return { epoch: first.record.epoch, firstLsn: from, recordCount: chunks.length, byteCount, chunks }
  }

  async drained(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#pending.length === 0) return
    await new Promise<void>((resolve, reject) => this.#waiting.push({ last: this.lastLsn, resolve, reject }))
  }

  async cutAbove(lsn: Lsn): Promise<CutTail | null> {
    const gone = this.#disk.records.splice(lsn)
    this.#disk.forgotten = Math.max(0, this.#disk.forgotten - gone.length)
    for (const rotten of this.#rotten) if (rotten > lsn) this.#rotten.delete(rotten)
    this.#epoch = lastEpoch(this.#disk)
    if (gone.length === 0) return null
    const bytes = gone.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const cut = { fromLsn: toLsn(lsn + 1), bytes, path: `cut/${lsn + 1}` }
    this.#disk.cut.push(cut)
    return cut
  }

  async adopt(tag: Uint8Array): Promise<void> {
    if (this.lastLsn > 0) throw new LogError('LOG_FOREIGN', 'Cannot adopt another tag: the log is not empty')
    this.#disk.tag = Buffer.from(tag)
    this.#identity = logIdentity(tag)
  }

  async readRawRecord(lsn: Lsn): Promise<Uint8Array> {
    return this.#stored(lsn).bytes
  }

  async repair(records: readonly PeerRecord[]): Promise<void> {
    for (const { lsn, bytes } of records) {
      const stored = known(this.#disk.records[lsn - 1], 'in the log')
      if (!stored.bytes.equals(bytes)) throw new LogError('LOG_BAD_BATCH', `Cannot repair ${lsn}: other bytes`)
      this.#rotten.delete(lsn)
      this.#disk.forgotten = Math.min(this.#disk.forgotten, this.#disk.records.length - lsn)
    }
  }

  async read(lsn: Lsn): Promise<LogRecord> {
    if (this.#rotten.has(lsn)) await this.#rescue(lsn)
    return (this.#pending[lsn - this.durableLsn - 1] ?? this.#stored(lsn)).record
  }

  async readBody(lsn: Lsn, offset: number, length: number): Promise<Uint8Array> {
    return (await this.read(lsn)).body.subarray(offset, offset + length)
  }

  async scan(
    from: Lsn,
    to: Lsn,
    _options: { bodies: boolean },
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<void> {
    for (let lsn = from; lsn <= Math.min(to, this.durableLsn); lsn = toLsn(lsn + 1))
      await visit(this.#stored(lsn).record)
  }

  sizeBytes(): number {
    return this.#disk.records.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  async close(): Promise<void> {}

  #stored(lsn: number): Stored {
    const stored = this.#disk.records[lsn - 1]
    if (stored === undefined) throw new LogError('LOG_NO_SUCH_RECORD', `Cannot read record ${lsn}`)
    if (this.#rotten.has(lsn))
      throw new LogError('LOG_ROTTEN_RECORD', `Cannot read record ${lsn}`, { details: { lsn } })
    return stored
  }

  #chain(): Buffer {
    return (this.#pending.at(-1) ?? this.#disk.records.at(-1))?.chain ?? CHAIN_START
  }

  #refuseStopped(): void {
    if (this.#failure !== null) throw this.#failure
  }

  #sync(): void {
    if (
      this.#syncing ||
      this.full ||
      this.#failure !== null ||
      this.#pending.length === 0 ||
      this.#syncMs === Number.POSITIVE_INFINITY
    )
      return
    this.#syncing = true
    const count = this.#pending.length
    this.#clock.after(this.#syncMs, () => {
      this.#syncing = false
      if (this.#dead || this.#failure !== null) return
      this.#disk.records.push(...this.#pending.splice(0, count))
      this.#disk.commit = Math.min(this.#commit, this.#disk.records.length)
      for (const listener of this.#onDurable) listener(this.durableLsn)
      while (this.#waiting[0] !== undefined && this.#waiting[0].last <= this.durableLsn)
        this.#waiting.shift()?.resolve()
      this.#sync()
    })
  }
}
