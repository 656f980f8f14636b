/**
 * Builds one batch: headers and small pieces are written into shared slabs, larger ones are taken as they are, so that a
 * body is never copied. Hashes are computed when a record is added, which is while the batch before it is being synced.
 *
 * Invariants: LSNs are dense; the chain of a batch follows the batch before it; slabs are never used again, because mirror
 * and readers may still hold views of them.
 */
import { createHash, hash } from 'node:crypto'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { type Epoch, type Lsn, toLsn } from '#lib/mail/types.ts'
import {
  BATCH_HEADER_BYTES,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  writeBatchHeader,
  writeRecordHeader,
} from './format.ts'
import type { EncodedBatch, LogRecord, NewRecord } from './types.ts'

const SLAB_BYTES = 64 * 1024
/** Up to here copying a piece is cheaper than one more entry in the vector of the write. */
const COPY_UP_TO_BYTES = 512
const EMPTY = Buffer.alloc(0)

/** Hands out pieces of large buffers, each piece once. */
export class Slabs {
  #slab: Buffer = EMPTY
  #used = 0

  /** A fresh piece; pieces taken one after another are neighbours unless a new slab was begun. */
  take(bytes: number): Buffer {
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
      this.#used = 0
    }
    const piece = this.#slab.subarray(this.#used, this.#used + bytes)
    this.#used += bytes
    return piece
  }
}

/** A batch in the queue of the log, made here or by the primary (`raw-batch.ts`). */
export interface PendingBatch {
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  readonly recordCount: number
  /** Of the whole batch with its header. */
  readonly sizeBytes: number
  /** Meta and bodies alone. */
  readonly payloadBytes: number
  readonly nextLsn: number
  /** Chain value after the last record, and of the first record. */
  readonly chain: Buffer
  readonly firstChain: Buffer
  /** Whether it is on its way to the disk and takes no more records. */
  readonly encoded: boolean
  /** The highest that any dropped run among the records tells; 0 if there is none. */
  readonly horizon: number
  encode(syncedUpTo: number, commit: number): EncodedBatch
  /** Position of the i-th record's header from the beginning of the batch. */
  offsetOf(i: number): number
  /** The record as a reader will see it, or null if it is not in this batch. */
  read(lsn: number): LogRecord | null
}

interface PendingRecord {
  readonly record: NewRecord
  /** From the beginning of the batch. */
  readonly at: number
}

export class BatchBuilder implements PendingBatch {
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  readonly wallMs: number
  /** Nothing is dropped where it is made. */
  readonly horizon = 0
  readonly #identity: LogIdentity
  readonly #slabs: Slabs
  readonly #records: PendingRecord[] = []
  readonly #chunks: Uint8Array[] = []
  readonly #header: Buffer
  #byteCount = 0
  #payloadBytes = 0
  #encoded = false
  #chain: Buffer
  #firstChain: Buffer

  constructor(
    identity: LogIdentity,
    slabs: Slabs,
    start: { epoch: Epoch; firstLsn: Lsn; wallMs: number; chain: Buffer },
  ) {
    this.#identity = identity
    this.#slabs = slabs
    this.epoch = start.epoch
    this.firstLsn = start.firstLsn
    this.wallMs = start.wallMs
    this.#chain = start.chain
    this.#firstChain = start.chain
    this.#header = slabs.take(BATCH_HEADER_BYTES)
    this.#chunks.push(this.#header)
  }

  get recordCount(): number {
    return this.#records.length
  }

  /** Of the whole batch with its header. */
  get sizeBytes(): number {
    return BATCH_HEADER_BYTES + this.#byteCount
  }

  /** Chain value after the last record. */
  get chain(): Buffer {
    return this.#chain
  }

  /** Chain value of the first record. */
  get firstChain(): Buffer {
    return this.#firstChain
  }

  /** Meta and bodies alone. */
  get payloadBytes(): number {
    return this.#payloadBytes
  }

  /** Whether it is on its way to the disk and takes no more records. */
  get encoded(): boolean {
    return this.#encoded
  }

  get nextLsn(): number {
    return this.firstLsn + this.#records.length
  }

  /** Adds a record under the next LSN. `meta` and `body` are kept, not copied, until the batch is durable. */
  add(record: NewRecord): void {
    const { meta, body = [] } = record
    const copied = meta.byteLength <= COPY_UP_TO_BYTES ? meta.byteLength : 0
    const piece = this.#slabs.take(RECORD_HEADER_BYTES + copied)
    let bodyCrc = 0
    let bodyLength = 0
    for (const part of body) {
      bodyCrc = crc32c(part, bodyCrc)
      bodyLength += part.byteLength
    }
    const header = {
      type: record.type,
      lsn: toLsn(this.nextLsn),
      epoch: this.epoch,
      wallMs: this.wallMs,
      metaLength: meta.byteLength,
      bodyLength,
      hash: hashOf(meta, body),
      metaCrc: crc32c(meta),
      bodyCrc,
    }
    this.#chain = writeRecordHeader(piece, 0, this.#identity, header, this.#chain)
    if (this.#records.length === 0) this.#firstChain = this.#chain
    this.#records.push({ record, at: this.sizeBytes })
    this.#payloadBytes += meta.byteLength + bodyLength
    this.#byteCount += RECORD_HEADER_BYTES + meta.byteLength + bodyLength
    if (copied > 0) piece.set(meta, RECORD_HEADER_BYTES)
    this.#append(piece)
    if (copied < meta.byteLength) this.#append(meta)
    for (const part of body) {
      if (part.byteLength > COPY_UP_TO_BYTES) this.#append(part)
      else if (part.byteLength > 0) {
        const copy = this.#slabs.take(part.byteLength)
        copy.set(part)
        this.#append(copy)
      }
    }
  }

  /** Completes the header. Nothing may be added afterwards. */
  encode(syncedUpTo: number, commit: number): EncodedBatch {
    this.#encoded = true
    writeBatchHeader(this.#header, 0, this.#identity, {
      epoch: this.epoch,
      firstLsn: this.firstLsn,
      recordCount: this.#records.length,
      byteCount: this.#byteCount,
      syncedUpTo,
      commit,
      wallMs: this.wallMs,
    })
    return {
      epoch: this.epoch,
      firstLsn: this.firstLsn,
      recordCount: this.#records.length,
      chunks: this.#chunks,
    }
  }

  /** Position of the i-th record's header from the beginning of the batch. */
  offsetOf(i: number): number {
    return this.#records[i]?.at ?? 0
  }

  /** The record as a reader will see it, or null if it is not in this batch. */
  read(lsn: number): LogRecord | null {
    const pending = this.#records[lsn - this.firstLsn]
    if (pending === undefined) return null
    const { type, meta, body = [] } = pending.record
    const [only = EMPTY] = body
    return {
      lsn: toLsn(lsn),
      epoch: this.epoch,
      type,
      wallMs: this.wallMs,
      meta,
      body: body.length <= 1 ? only : Buffer.concat(body),
    }
  }

  /** Neighbours in one slab become one chunk. */
  #append(chunk: Uint8Array): void {
    const last = this.#chunks.at(-1)
    if (
      last !== undefined &&
      last.buffer === chunk.buffer &&
      last.byteOffset + last.byteLength === chunk.byteOffset &&
      last.buffer.byteLength >= SLAB_BYTES
    ) {
      this.#chunks[this.#chunks.length - 1] = Buffer.from(
        last.buffer,
        last.byteOffset,
        last.byteLength + chunk.byteLength,
      )
    } else this.#chunks.push(chunk)
  }
}

function hashOf(meta: Uint8Array, body: readonly Uint8Array[]): Buffer {
  const [only] = body
  if (only === undefined) return hash('sha256', meta, 'buffer')
  if (meta.byteLength === 0 && body.length === 1) return hash('sha256', only, 'buffer')
  const digest = createHash('sha256').update(meta)
  for (const part of body) digest.update(part)
  return digest.digest()
}
