/**
 * What was appended and is not durable yet: batches in order, of which the first may be under way and the last may take more records.
 *
 * Invariants: LSNs are dense and decided here; the chain runs on through all batches; a batch is of one epoch and of one kind, made
 * here or by the primary.
 */
import { assert } from '#lib/errors/assert.ts'
import { type Epoch, type Lsn, toLsn } from '#lib/mail/types.ts'
import { BatchBuilder, type PendingBatch, Slabs } from './batch.ts'
import { LogError } from './errors.ts'
import { asBuffer, type LogIdentity } from './format.ts'
import { APPEND_BYTES_MAX, BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from './limits.ts'
import { proveRecords, RawBatchBuilder } from './raw-batch.ts'
import type { RawBatch } from './replica-log.ts'
import {
  type AppendedRange,
  type LogRecord,
  type NewRecord,
  RECORD_BODY_BYTES_MAX,
  RECORD_META_BYTES_MAX,
} from './types.ts'

export class BatchQueue {
  readonly #slabs = new Slabs()
  readonly #identity: LogIdentity
  readonly #batches: PendingBatch[] = []
  #nextLsn: number
  #chain: Buffer
  #pendingBytes = 0

  constructor(identity: LogIdentity, nextLsn: number, chain: Buffer) {
    this.#identity = identity
    this.#nextLsn = nextLsn
    this.#chain = chain
  }

  get nextLsn(): number {
    return this.#nextLsn
  }

  /** Meta and bodies that wait. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get empty(): boolean {
    return this.#batches.length === 0
  }

  get first(): PendingBatch | undefined {
    return this.#batches[0]
  }

  /** The last record was rotten and is known again: what comes next continues its chain. */
  goOnAfter(chain: Buffer): void {
    this.#chain = chain
  }

  /** The first batch is durable. */
  shift(): void {
    this.#pendingBytes -= this.#batches.shift()?.payloadBytes ?? 0
  }

  /** @param bytes Meta and bodies of the records. */
  add(records: readonly NewRecord[], epoch: Epoch, bytes: number, wallMs: () => number): AppendedRange {
    const first = toLsn(this.#nextLsn)
    const batch = this.#builder(records.length, bytes, epoch, wallMs)
    for (const record of records) batch.add(record)
    this.#chain = batch.chain
    this.#nextLsn = batch.nextLsn
    this.#pendingBytes += bytes
    return { first, last: toLsn(this.#nextLsn - 1) }
  }

  /** @throws {LogError} LOG_BAD_BATCH, and then nothing was taken */
  addRaw(batch: RawBatch): void {
    const { epoch, firstLsn, recordCount, chunks } = batch
    if (firstLsn !== this.#nextLsn) throw bad(firstLsn, `${this.#nextLsn} is next`)
    const [only] = chunks
    const bytes = chunks.length === 1 && only !== undefined ? asBuffer(only) : Buffer.concat(chunks)
    const proved = proveRecords(bytes, this.#identity, { epoch, firstLsn, recordCount, chain: this.#chain })
    if (typeof proved === 'string') throw bad(firstLsn, proved)
    const [first] = proved.headers
    if (first === undefined) throw bad(firstLsn, 'there are none')
    const last = this.#batches.at(-1)
    if (last instanceof RawBatchBuilder && takes(last, epoch, recordCount, bytes.length)) {
      this.#pendingBytes += last.add(bytes, proved)
    } else {
      const added = new RawBatchBuilder(this.#identity, first)
      this.#pendingBytes += added.add(bytes, proved)
      this.#batches.push(added)
    }
    this.#chain = proved.chain
    this.#nextLsn += recordCount
  }

  /** The record as a reader will see it, or null if it does not wait here. */
  read(lsn: Lsn): LogRecord | null {
    for (const batch of this.#batches) {
      const record = batch.read(lsn)
      if (record !== null) return record
    }
    return null
  }

  #builder(recordCount: number, bytes: number, epoch: Epoch, wallMs: () => number): BatchBuilder {
    const last = this.#batches.at(-1)
    if (last instanceof BatchBuilder && takes(last, epoch, recordCount, bytes)) return last
    const start = { epoch, firstLsn: toLsn(this.#nextLsn), wallMs: wallMs(), chain: this.#chain }
    const batch = new BatchBuilder(this.#identity, this.#slabs, start)
    this.#batches.push(batch)
    return batch
  }
}

/** Whether the last batch has room and is not under way. */
function takes(batch: PendingBatch, epoch: Epoch, recordCount: number, bytes: number): boolean {
  return (
    !batch.encoded &&
    batch.epoch === epoch &&
    batch.recordCount + recordCount <= BATCH_RECORDS_MAX &&
    batch.sizeBytes + bytes <= BATCH_BYTES_MAX
  )
}

function bad(firstLsn: Lsn, why: string): LogError {
  return new LogError('LOG_BAD_BATCH', `Cannot take the peer's records from ${firstLsn} on: ${why}`)
}

/** Bytes of metas and bodies, within the bounds of one append. */
export function sizeOf(records: readonly NewRecord[]): number {
  let total = 0
  for (const { meta, body = [] } of records) {
    let bodyBytes = 0
    for (const part of body) bodyBytes += part.byteLength
    assert(meta.byteLength <= RECORD_META_BYTES_MAX, 'meta within limits')
    assert(bodyBytes <= RECORD_BODY_BYTES_MAX, 'body within limits')
    total += meta.byteLength + bodyBytes
  }
  assert(total <= APPEND_BYTES_MAX, 'append within limits')
  return total
}
