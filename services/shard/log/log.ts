/**
 * The log of one shard on one disk: append, group commit, reading. The only place where mail bytes are written.
 *
 * Invariants: an LSN never means two records; `append` decides LSNs synchronously; at most one write is under way, and the
 * next one begins only after its sync resolved, so that all damage a crash can do lies behind the last `syncedUpTo`; nothing
 * is reported durable before its sync; after the first disk error nothing more is written (replication design, rule 15), but a write for
 * which there is no space waits for some (rule 16).
 * Read next: `batch.ts` (what is written), `recovery.ts` (what opening does), docs/internals/log.md (every byte).
 */
import { assert } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, type ShardName, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'
import { ActiveSegment } from './active-segment.ts'
import { adoptRuns } from './adopt-run.ts'
import { BatchBuilder, type PendingBatch } from './batch.ts'
import { type Compacted, type CompactOptions, compactInLog, type Needs } from './compact.ts'
import { adoptTag, cutSegments } from './cut.ts'
import { writeDurably } from './durability.ts'
import { type EpochStart, exactStart } from './epochs.ts'
import { LogError } from './errors.ts'
import {
  asBuffer,
  CHAIN_START,
  chainOfRecord,
  encodeBatchHeader,
  type LogIdentity,
  type RecordHeader,
} from './format.ts'
import { Gathering } from './gather.ts'
import { IDLE_HEADER_AFTER_MS, PENDING_BYTES_MAX, SEGMENT_BYTES_DEFAULT } from './limits.ts'
import { LogListeners, tell, Waiters } from './log-listeners.ts'
import type { CommitSample, LogOptions } from './log-options.ts'
import { BatchQueue, sizeOf } from './queue.ts'
import { SegmentReader } from './reader.ts'
import { type Recovered, type RecoveryReport, recoverLog } from './recovery.ts'
import { type PeerRecord, repairRecords } from './repair.ts'
import type { CutTail, RawBatch, ReplicaLog } from './replica-log.ts'
import { rewriteSegment } from './segment-rewrite.ts'
import type { Segment } from './segments.ts'
import { SpaceWait } from './space-wait.ts'
import { joinRanges, type LsnRange, withoutRange } from './tail.ts'
import type { AppendedRange, EncodedBatch, LogRecord, NewRecord, ScanOptions } from './types.ts'

export type { CommitSample, LogOptions } from './log-options.ts'

export class Log implements ReplicaLog {
  readonly recovery: RecoveryReport
  /** Rule 16. `close` ends it. */
  readonly space: SpaceWait
  readonly #disk: Disk
  readonly #directory: string
  readonly #shard: ShardName
  readonly #clock: Clock
  readonly #gathering: Gathering | null
  readonly #random: Random
  readonly #segmentBytes: number
  readonly #listeners = new LogListeners()
  readonly #drained = new Waiters()
  #identity: LogIdentity
  #sealed: Segment[]
  #reader: SegmentReader
  #queue: BatchQueue
  #active: ActiveSegment
  #commit: number
  #epoch: Epoch
  /** Of the last header on the disk, and of what is written between two batches: one ahead of records to come would bar them after a crash. */
  #written: Epoch
  #durable: number
  /** The highest LSN that a batch header on disk calls synced. */
  #covered: number
  #rotten: LsnRange[]
  /** Begins of epochs that rot had hidden and a repair showed. */
  readonly #shown = new Map<Epoch, EpochStart>()
  #endInDoubt: boolean
  #endProved = false
  #rescue: (lsn: Lsn) => Promise<boolean> = async () => false
  #failure: Error | null = null
  #closed = false
  #cancelIdle: (() => void) | null = null
  #working: Promise<void> | null = null
  #files: Promise<unknown> = Promise.resolve()

  /**
   * Opens the log of a replica: proves and rewrites the tail, cuts what is torn, then takes appends.
   * @throws {LogError} LOG_FOREIGN, LOG_FORMAT_NEWER, LOG_UNREADABLE, LOG_EPOCH_BACKWARDS
   */
  static async open(options: LogOptions): Promise<Log> {
    const { disk, directory, shard, random, epoch = null, knownUpTo = 0 } = options
    const nowMs = options.clock.nowMs()
    return new Log(options, await recoverLog({ disk, directory, shard, random, nowMs, epoch, knownUpTo }))
  }

  private constructor(options: LogOptions, recovered: Awaited<ReturnType<typeof recoverLog>>) {
    this.recovery = recovered.report
    this.space = new SpaceWait(options.clock, options.onSpace)
    this.#disk = options.disk
    this.#directory = options.directory
    this.#shard = options.shard
    this.#clock = options.clock
    this.#gathering = options.gather ? new Gathering(options.clock) : null
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT
    this.#random = options.random
    this.#commit = recovered.commit
    this.#identity = recovered.identity
    this.#sealed = recovered.sealed
    this.#active = new ActiveSegment(recovered.active)
    this.#epoch = recovered.epoch
    this.#written = recovered.epoch
    this.#queue = new BatchQueue(recovered.identity, recovered.nextLsn, recovered.chain)
    this.#durable = recovered.nextLsn - 1
    this.#covered = this.#durable
    this.#rotten = [...recovered.report.rotten]
    this.#endInDoubt = recovered.endInDoubt
    this.#reader = this.#newReader()
  }

  get tag(): Uint8Array {
    return this.#identity.tag
  }

  get commit(): Lsn {
    return toLsn(this.#commit)
  }

  get horizon(): Lsn {
    return toLsn(this.#sealed.reduce((highest, { horizon }) => Math.max(highest, horizon), this.#active.horizon))
  }

  get lastLsn(): Lsn {
    return toLsn(this.#queue.nextLsn - 1)
  }

  get durableLsn(): Lsn {
    return toLsn(this.#durable)
  }

  get epoch(): Epoch {
    return this.#epoch
  }

  /** Bytes that wait for the disk; what admission control looks at before `append` refuses. */
  get pendingBytes(): number {
    return this.#queue.pendingBytes
  }

  onRotten(rescue: (lsn: Lsn) => Promise<boolean>): void {
    this.#rescue = rescue
  }

  get full(): boolean {
    return this.space.full
  }

  get endInDoubt(): boolean {
    return this.#endInDoubt
  }

  get endProved(): boolean {
    return this.#endProved
  }

  trustEnd(): void {
    this.#endProved = true
    this.#endInDoubt = false
  }

  /** Damaged records found so far, at opening and while reading. */
  get rotten(): readonly LsnRange[] {
    return this.#rotten
  }

  /** The epoch vector: where each epoch begins, with the chain value there (rule 9). */
  epochs(): EpochStart[] {
    const all = [...this.#sealed.flatMap((segment) => segment.epochs), ...this.#active.epochs]
    return all
      .filter((start, i) => start.epoch > (all[i - 1]?.epoch ?? 0))
      .map((start) => this.#shown.get(start.epoch) ?? start)
  }

  /** From the next append on records carry `epoch`. @throws {LogError} LOG_EPOCH_BACKWARDS */
  setEpoch(epoch: Epoch): void {
    if (epoch < this.#epoch) {
      throw new LogError('LOG_EPOCH_BACKWARDS', `Cannot go back from epoch ${this.#epoch} to ${epoch}`)
    }
    this.#epoch = epoch
  }

  /**
   * @throws {LogError} LOG_STOPPED after a disk error or close; LOG_BUSY if too many bytes wait for the disk.
   */
  append(records: readonly NewRecord[]): AppendedRange {
    this.#refuseStopped()
    assert(records.length > 0, 'an append has records')
    const bytes = sizeOf(records)
    if (this.#queue.pendingBytes + bytes > PENDING_BYTES_MAX) {
      throw new LogError('LOG_BUSY', `Cannot append to the log of ${this.#shard}: ${this.pendingBytes} bytes wait`)
    }
    const range = this.#queue.add(records, this.#epoch, bytes, () => this.#clock.nowMs())
    this.#gathering?.appended()
    this.#work()
    return range
  }

  appendRaw(batch: RawBatch): void {
    this.#refuseStopped()
    if (batch.epoch < this.#epoch) {
      throw new LogError('LOG_BAD_BATCH', `Cannot take records of epoch ${batch.epoch}: this log is in ${this.#epoch}`)
    }
    this.#queue.addRaw(batch)
    this.#epoch = batch.epoch
    this.#work()
  }

  noteCommit(commit: Lsn): void {
    this.#commit = Math.max(this.#commit, Math.min(commit, this.#queue.nextLsn - 1))
    if (this.#commit >= this.#durable) this.#gathering?.committed()
  }

  drained(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return this.#queue.empty ? Promise.resolve() : this.#drained.wait()
  }

  async chainAt(lsn: Lsn): Promise<Uint8Array | null> {
    if (lsn === 0) return CHAIN_START
    try {
      return await this.#reader.chainAt(lsn)
    } catch (error) {
      if (errorCode(error) === 'LOG_ROTTEN_RECORD') return null
      throw error
    }
  }

  async readRaw(from: Lsn, bytesMax: number): Promise<RawBatch> {
    return this.#reader.readRaw(from, this.#durable, bytesMax)
  }

  async readRawRecord(lsn: Lsn): Promise<Uint8Array> {
    return this.#reader.readRawRecord(lsn)
  }

  repair(records: readonly PeerRecord[]): Promise<void> {
    return this.#withFiles(() => this.#repair(records))
  }

  async #repair(records: readonly PeerRecord[]): Promise<void> {
    this.#refuseStopped()
    const [first] = records
    const last = records.at(-1)
    if (first === undefined || last === undefined) return
    const [identity, reader, segments] = [this.#identity, this.#reader, [...this.#sealed, this.#active]]
    const runs = await adoptRuns({ identity, reader, segments, records, chainAt: (lsn) => this.chainAt(lsn) })
    const homeless = runs ?? (await repairRecords(reader, identity, records))
    if (homeless.length > 0) await this.#layAnew(homeless)
    if (last.lsn === this.#queue.nextLsn - 1) this.#queue.goOnAfter(Buffer.from(chainOfRecord(asBuffer(last.bytes), 0)))
    this.#rotten = withoutRange(this.#rotten, { first: first.lsn, last: last.lsn })
    for (const start of this.epochs()) {
      if (start.chain !== null) continue
      const exact = await exactStart(start, (lsn) => this.#reader.readHeader(lsn))
      if (exact !== null) this.#shown.set(start.epoch, exact)
    }
  }

  async cutAbove(lsn: Lsn): Promise<CutTail | null> {
    const epoch = toEpoch(this.epochs().findLast((start) => start.firstLsn <= lsn)?.epoch ?? 0)
    // Also where no record is above: headers of an epoch in which nothing was written must not stand before records of a lower one.
    if (lsn >= this.#queue.nextLsn - 1 && epoch === this.#epoch) return null
    return this.#withFiles(() => this.#cutAbove(lsn, epoch))
  }

  #cutAbove(lsn: Lsn, epoch: Epoch): Promise<CutTail | null> {
    return this.#alone(async () => {
      const active = { path: this.#active.path, firstLsn: this.#active.firstLsn, dataEnd: this.#active.dataEnd }
      const [disk, directory, shard, identity] = [this.#disk, this.#directory, this.#shard, this.#identity]
      const nowMs = this.#clock.nowMs()
      const segments = [...this.#sealed, active]
      await this.#reader.close()
      const cut = await cutSegments({ disk, directory, shard, identity, segments, lsn, epoch, nowMs })
      await this.#recover(epoch, lsn)
      assert(this.#durable <= lsn, 'nothing is left above the cut')
      return cut
    })
  }

  async adopt(tag: Uint8Array): Promise<void> {
    if (this.#queue.nextLsn > 1) throw new LogError('LOG_FOREIGN', 'Cannot take another tag: the log is not empty')
    const anew = async () => {
      await this.#reader.close()
      await adoptTag(this.#disk, this.#directory, this.#shard, tag, this.#clock.nowMs())
      await this.#recover(toEpoch(0), 0)
    }
    await this.#withFiles(() => this.#alone(anew))
  }

  onDurable(listener: (durable: Lsn) => void): void {
    this.#listeners.durable.push(listener)
  }

  onBatch(listener: (batch: EncodedBatch) => void): void {
    this.#listeners.batch.push(listener)
  }

  onFailure(listener: (error: Error) => void): void {
    this.#listeners.failure.push(listener)
  }

  onCommit(listener: (sample: CommitSample) => void): void {
    this.#listeners.commit.push(listener)
  }

  async read(lsn: Lsn): Promise<LogRecord> {
    return this.#readPending(lsn) ?? this.#rescued(lsn, () => this.#reader.read(lsn))
  }

  async readBody(lsn: Lsn, offset: number, length: number): Promise<Uint8Array> {
    const pending = this.#readPending(lsn)
    if (pending !== null) return pending.body.subarray(offset, offset + length)
    return this.#rescued(lsn, () => this.#reader.readBody(lsn, offset, length))
  }

  /** Header of a durable record with its original hash and chain value: what replicas compare (rules 3 and 9). */
  readHeader(lsn: Lsn): Promise<RecordHeader> {
    return this.#reader.readHeader(lsn)
  }

  async scan(
    from: Lsn,
    to: Lsn,
    options: ScanOptions,
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<void> {
    await this.#reader.scan(from, Math.min(to, this.#durable), options, visit)
  }

  sizeBytes(): number {
    return this.#sealed.reduce((sum, segment) => sum + segment.sizeBytes, this.#active.dataEnd)
  }

  /** Writes and syncs what was appended, marks it covered, and closes the files. Disk errors go to `onFailure`. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.space.end()
    this.#cancelIdle?.()
    while (this.#working !== null) await this.#working
    if (this.#failure === null) await this.#coverTail().catch((error: unknown) => this.#fail(error))
    await this.#reader.close()
  }

  /** Sealed segments in order. */
  get sealed(): readonly Segment[] {
    return this.#sealed
  }

  /** Wall time of a durable record, or of the end of its dropped run. @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD */
  wallMsAt(lsn: Lsn): Promise<number> {
    return this.#reader.wallMsAt(lsn)
  }

  /** Where the records of a sealed segment lie, by LSN - firstLsn; of dropped ones where their run lies. */
  async offsetsOf(segment: Segment): Promise<Uint32Array> {
    const { offsets, count } = await this.#reader.place(toLsn(segment.firstLsn))
    return offsets.subarray(0, count)
  }

  /**
   * Writes a sealed segment anew without what is not needed; appends and reads go on meanwhile. The caller proves that all of the
   * segment, and all effects that `needs` rests on, lie at or below the horizon of rule 10.
   * @throws what the disk throws: a full disk fails nothing but this call
   */
  async compact(segment: Segment, needs: Needs, pace: CompactOptions['pace']): Promise<Compacted> {
    this.#refuseStopped()
    const host = {
      disk: this.#disk,
      directory: this.#directory,
      identity: this.#identity,
      commit: this.#commit,
      stands: () => this.#sealed.includes(segment) && this.#failure === null && !this.#closed,
      withFiles: this.#withFiles.bind(this),
      replace: async (made: Segment) => {
        this.#sealed[this.#sealed.indexOf(segment)] = made
        await this.#reader.replaced(made)
      },
      fail: (error: unknown) => this.#fail(error),
    }
    const begins = new Set<number>(this.epochs().flatMap(({ firstLsn, latestLsn }) => [firstLsn, latestLsn]))
    const result = await compactInLog(host, { segment, offsets: await this.offsetsOf(segment), needs, begins, pace })
    if (result.kind === 'rotten' && host.stands()) this.#noteRot(toLsn(result.lsn))
    if (result.kind === 'made') {
      this.#rotten = withoutRange(this.#rotten, { first: segment.firstLsn, last: segment.nextLsn - 1 })
    }
    return result
  }

  /** One after another: what changes files other than the end of the log. */
  #withFiles<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#files.then(work)
    this.#files = done.catch(() => {}) // whoever asked hears of it
    return done
  }

  /** Runs `work` while nothing is written. A failure of it is one of the log: files may be half changed. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseStopped()
    this.#cancelIdle?.()
    this.#cancelIdle = null
    while (this.#working !== null) await this.#working
    this.#refuseStopped()
    assert(this.#queue.empty, 'the log is drained')
    const done = work()
    const failed = (error: unknown) => this.#fail(error)
    this.#working = done.then(() => {}, failed)
    try {
      return await done
    } finally {
      this.#working = null
      if (this.#failure === null && !this.#queue.empty) this.#work()
    }
  }

  /** Records that have no place where they were: their segments are laid anew. Readers go on with the old files as long as they need them. */
  async #layAnew(records: readonly PeerRecord[]): Promise<void> {
    await this.#alone(async () => {
      const reader = this.#reader
      const before = this.#rotten
      for (const segment of [...this.#sealed, this.#active]) {
        const within = records.filter(({ lsn }) => lsn >= segment.firstLsn && lsn < segment.nextLsn)
        const [first] = within
        if (first === undefined) continue
        const { offsets } = await reader.place(first.lsn)
        const { path, firstLsn, nextLsn, dataEnd } = segment
        const rewritten = await rewriteSegment({
          disk: this.#disk,
          directory: this.#directory,
          shard: this.#shard,
          identity: this.#identity,
          segment: { path, firstLsn, nextLsn, dataEnd, offsets },
          sealed: segment !== this.#active,
          chainBefore: firstLsn === 1 ? CHAIN_START : await this.chainAt(toLsn(firstLsn - 1)),
          records: within,
          epoch: this.#written,
          commit: this.#commit,
          nowMs: this.#clock.nowMs(),
        })
        if (!rewritten) throw new LogError('LOG_BAD_BATCH', `Cannot lay ${path} anew: nothing tells what it follows`)
      }
      await this.#recover(this.#written, this.#durable, this.#queue)
      this.#rotten = joinRanges([...this.#rotten, ...before])
      await reader.close()
    })
  }

  /** Takes up the log anew as it lies on the disk. @param queue What waits to be written, if the end of the log stays where it is. */
  async #recover(epoch: Epoch, knownUpTo: number, queue: BatchQueue | null = null): Promise<void> {
    const [disk, directory, shard, random] = [this.#disk, this.#directory, this.#shard, this.#random]
    const nowMs = this.#clock.nowMs()
    const recovered: Recovered = await recoverLog({ disk, directory, shard, random, nowMs, epoch, knownUpTo })
    this.#identity = recovered.identity
    this.#sealed = recovered.sealed
    this.#active = new ActiveSegment(recovered.active)
    this.#epoch = queue === null ? recovered.epoch : toEpoch(Math.max(this.#epoch, recovered.epoch))
    this.#written = recovered.epoch
    assert(queue === null || recovered.nextLsn - 1 === this.#durable, 'the log ends where it ended')
    this.#queue = queue ?? new BatchQueue(recovered.identity, recovered.nextLsn, recovered.chain)
    this.#durable = recovered.nextLsn - 1
    this.#covered = this.#durable
    this.#commit = queue === null ? Math.min(this.#commit, this.#durable) : this.#commit
    this.#shown.clear()
    this.#rotten = [...recovered.report.rotten]
    this.#reader = this.#newReader()
  }

  #newReader(): SegmentReader {
    return new SegmentReader(this.#disk, this.#identity, this.#sealed, this.#active, (lsn) => this.#noteRot(lsn))
  }

  #refuseStopped(): void {
    if (this.#failure === null && !this.#closed) return
    throw new LogError('LOG_STOPPED', `Cannot write to the log of ${this.#shard}: it has stopped`, {
      cause: this.#failure ?? undefined,
    })
  }

  async #rescued<T>(lsn: Lsn, read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (errorCode(error) !== 'LOG_ROTTEN_RECORD' || !(await this.#rescue(lsn))) throw error
      return read()
    }
  }

  #readPending(lsn: Lsn): LogRecord | null {
    return lsn > this.#durable && lsn < this.#queue.nextLsn ? this.#queue.read(lsn) : null
  }

  /** Starts the writer unless it runs. It begins in a microtask: what is appended in the same turn goes into one batch. */
  #work(): void {
    if (this.#working !== null) return
    this.#cancelIdle?.()
    this.#cancelIdle = null
    this.#working = Promise.resolve()
      .then(() => this.#drain())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#working = null
        if (this.#failure !== null) return
        if (!this.#queue.empty) this.#work()
        else if (!this.#closed) this.#cancelIdle = this.#clock.after(IDLE_HEADER_AFTER_MS, () => this.#coverWhenIdle())
      })
  }

  async #drain(): Promise<void> {
    for (let batch = this.#queue.first; batch !== undefined; batch = this.#queue.first) {
      if (batch instanceof BatchBuilder) await this.#gathering?.enough()
      if (this.#active.dataEnd + batch.sizeBytes > this.#segmentBytes && !this.#active.empty) await this.#roll()
      await this.#write(batch)
    }
  }

  async #write(batch: PendingBatch): Promise<void> {
    const encoded = batch.encode(this.#durable, this.#commit)
    this.#gathering?.begun()
    if (batch instanceof BatchBuilder) tell(this.#listeners.batch, encoded)
    const at = this.#active.dataEnd
    const startMs = this.#clock.monotonicMs()
    await this.space.run(() => writeDurably(this.#active.file, at, encoded.chunks))
    const durableMs = this.#clock.monotonicMs() - startMs
    this.#written = batch.epoch
    this.#active.take(batch)
    this.#covered = this.#durable
    this.#durable = batch.nextLsn - 1
    this.#queue.shift()
    this.#gathering?.durable()
    tell(this.#listeners.durable, toLsn(this.#durable))
    if (this.#queue.empty) this.#drained.wake(null)
    const sample = { records: batch.recordCount, bytes: batch.sizeBytes, durableMs }
    tell(this.#listeners.commit, sample)
  }

  async #roll(): Promise<void> {
    const { sealed, next } = await this.#active.seal(this.#disk, {
      directory: this.#directory,
      shard: this.#shard,
      identity: this.#identity,
      epoch: this.#written,
      wallMs: this.#clock.nowMs(),
      commit: this.#commit,
      space: this.space,
    })
    this.#sealed.push(sealed)
    this.#active = next
    this.#covered = this.#durable
    await this.#reader.activate(next)
  }

  #coverWhenIdle(): void {
    this.#cancelIdle = null
    if (this.#working !== null || this.#failure !== null || this.#closed) return
    if (this.#covered === this.#durable) return
    this.#working = this.#coverTail()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#working = null
        if (this.#failure === null && !this.#queue.empty) this.#work()
      })
  }

  /** Rule 14: an empty batch header says that the last batch is durable. */
  async #coverTail(): Promise<void> {
    if (this.#covered === this.#durable) return
    const header = encodeBatchHeader(this.#identity, {
      epoch: this.#written,
      firstLsn: toLsn(this.#durable + 1),
      recordCount: 0,
      byteCount: 0,
      syncedUpTo: this.#durable,
      commit: this.#commit,
      wallMs: this.#clock.nowMs(),
    })
    await this.space.run(() => writeDurably(this.#active.file, this.#active.dataEnd, [header]))
    this.#active.dataEnd += header.byteLength
    this.#covered = this.#durable
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return
    this.#failure = error instanceof Error ? error : new Error(String(error))
    this.#drained.wake(this.#failure)
    tell(this.#listeners.failure, this.#failure)
  }

  #noteRot(lsn: Lsn): void {
    this.#rotten = joinRanges([...this.#rotten, { first: lsn, last: lsn }])
  }
}
