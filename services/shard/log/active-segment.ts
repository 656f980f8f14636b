/**
 * The segment that is being written: its file, where its records lie, and how it is sealed.
 *
 * Invariants: offsets are those of durable records; a segment that has a successor was sealed and synced before the successor
 * got its name.
 */
import type { Epoch, Lsn, ShardName } from '#lib/mail/types.ts'
import { toLsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import type { PendingBatch } from './batch.ts'
import { syncFile } from './durability.ts'
import type { EpochStart } from './epochs.ts'
import { encodeEpochs, encodeFooter, encodeOffsets } from './footer.ts'
import { encodeBatchHeader, type LogIdentity, SEGMENT_HEADER_BYTES } from './format.ts'
import type { Readable } from './reader.ts'
import { createSegment, type Segment, segmentPath } from './segments.ts'
import type { SpaceWait } from './space-wait.ts'

const OFFSETS_CAPACITY = 4096

export interface SealContext {
  readonly directory: string
  readonly shard: ShardName
  readonly identity: LogIdentity
  readonly epoch: Epoch
  readonly wallMs: number
  readonly commit: number
  readonly space: SpaceWait
}

export class ActiveSegment implements Readable {
  readonly file: File
  readonly path: string
  readonly firstLsn: number
  readonly epochs: EpochStart[]
  /** Position behind the last durable batch: where the next one goes. */
  dataEnd: number
  #offsets: Uint32Array
  #count: number
  #chain: Buffer
  #horizon: number

  constructor(start: {
    file: File
    path: string
    firstLsn: number
    offsets: Uint32Array
    sizeBytes: number
    epochs: readonly EpochStart[]
    chain: Buffer
    horizon: number
  }) {
    this.file = start.file
    this.path = start.path
    this.firstLsn = start.firstLsn
    this.epochs = [...start.epochs]
    this.dataEnd = start.sizeBytes
    this.#count = start.offsets.length
    this.#offsets = new Uint32Array(Math.max(OFFSETS_CAPACITY, this.#count * 2))
    this.#offsets.set(start.offsets)
    this.#chain = start.chain
    this.#horizon = start.horizon
  }

  get nextLsn(): number {
    return this.firstLsn + this.#count
  }

  get offsets(): Uint32Array {
    return this.#offsets
  }

  /** The highest of any dropped run in it; 0 if it has none. */
  get horizon(): number {
    return this.#horizon
  }

  get empty(): boolean {
    return this.#count === 0
  }

  /** The batch lies durable at `dataEnd`. */
  take(batch: PendingBatch): void {
    const needed = this.#count + batch.recordCount
    if (needed > this.#offsets.length) {
      const grown = new Uint32Array(Math.max(needed, this.#offsets.length * 2))
      grown.set(this.#offsets)
      this.#offsets = grown
    }
    for (let i = 0; i < batch.recordCount; i++) this.#offsets[this.#count + i] = this.dataEnd + batch.offsetOf(i)
    if (batch.epoch > (this.epochs.at(-1)?.epoch ?? 0)) {
      const { epoch, firstLsn, firstChain } = batch
      this.epochs.push({ epoch, firstLsn, latestLsn: firstLsn, chain: Buffer.from(firstChain) })
    }
    this.#count = needed
    this.dataEnd += batch.sizeBytes
    this.#chain = Buffer.from(batch.chain)
    this.#horizon = Math.max(this.#horizon, batch.horizon)
  }

  /** Writes the footer, then begins the next segment. */
  async seal(disk: Disk, context: SealContext): Promise<{ sealed: Segment; next: ActiveSegment }> {
    const { identity, epoch, wallMs } = context
    const offsets = this.#offsets.slice(0, this.#count)
    const footer = encodeFooter(
      identity,
      {
        firstLsn: this.firstLsn,
        nextLsn: this.nextLsn,
        dataEnd: this.dataEnd,
        epoch,
        lastWallMs: wallMs,
        chain: this.#chain,
        horizon: this.#horizon,
      },
      [encodeOffsets(offsets), ...encodeEpochs(this.epochs)],
    )
    await context.space.run(() => this.file.write(this.dataEnd, footer))
    await syncFile(this.file)
    const sealed: Segment = {
      path: this.path,
      firstLsn: this.firstLsn,
      nextLsn: this.nextLsn,
      dataEnd: this.dataEnd,
      sizeBytes: this.dataEnd + footer.reduce((sum, chunk) => sum + chunk.byteLength, 0),
      epochs: this.epochs,
      horizon: this.#horizon,
      offsets: null,
    }
    // Each try begins a new file: one whose sync failed is not used.
    const next = await context.space.run(() => this.#successor(disk, context, toLsn(this.nextLsn)))
    return { sealed, next }
  }

  async #successor(disk: Disk, context: SealContext, firstLsn: Lsn): Promise<ActiveSegment> {
    const { directory, identity, shard, epoch, wallMs, commit } = context
    const opening = encodeBatchHeader(identity, {
      epoch,
      firstLsn,
      recordCount: 0,
      byteCount: 0,
      syncedUpTo: firstLsn - 1,
      commit,
      wallMs,
    })
    const header = { tag: identity.tag, firstLsn, createdMs: wallMs, chain: this.#chain, epoch, shard }
    return new ActiveSegment({
      file: await createSegment(disk, directory, header, [opening]),
      path: segmentPath(directory, firstLsn),
      firstLsn,
      offsets: new Uint32Array(0),
      sizeBytes: SEGMENT_HEADER_BYTES + opening.byteLength,
      epochs: [],
      chain: this.#chain,
      horizon: 0,
    })
  }
}
