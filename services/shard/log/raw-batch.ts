/**
 * Records that came from the peer: proves them before they are taken, by the same checks as for records read from the own disk and
 * that they continue the own log, and builds this disk's batch around them.
 */
import { hash } from 'node:crypto'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { type Epoch, type Lsn, toLsn } from '#lib/mail/types.ts'
import type { PendingBatch } from './batch.ts'
import { droppedRecord } from './errors.ts'
import {
  BATCH_HEADER_BYTES,
  decodeRecordHeader,
  encodeBatchHeader,
  follows,
  horizonOfRun,
  isDropped,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from './format.ts'
import type { EncodedBatch, LogRecord } from './types.ts'

export interface ProvedRecords {
  readonly headers: readonly RecordHeader[]
  /** Position of each record in the bytes. */
  readonly offsets: readonly number[]
  /** Chain value after the last. */
  readonly chain: Buffer
  /** Wall time of the first. */
  readonly wallMs: number
  /** The highest that any dropped run among them tells; 0 if there is none. */
  readonly horizon: number
}

/**
 * @param chain Chain value of the record before `firstLsn`.
 * @returns What is there, or in words what is wrong.
 */
export function proveRecords(
  bytes: Buffer,
  identity: LogIdentity,
  expected: { epoch: Epoch; firstLsn: number; recordCount: number; chain: Buffer },
): ProvedRecords | string {
  const headers: RecordHeader[] = []
  const offsets: number[] = []
  let chain = expected.chain
  let at = 0
  let horizon = 0
  let lsn = expected.firstLsn
  const endLsn = lsn + expected.recordCount
  while (lsn < endLsn) {
    const header = decodeRecordHeader(bytes, at, identity)
    if (header === null) return `record ${lsn} has no header of this log`
    if (header.lsn !== lsn) return `record ${header.lsn} stands where ${lsn} must be`
    if (header.epoch !== expected.epoch) return `record ${lsn} is of epoch ${header.epoch}, not ${expected.epoch}`
    const end = at + RECORD_HEADER_BYTES + header.metaLength + header.bodyLength
    if (end > bytes.length) return `record ${lsn} is cut short`
    const wrong = wrongContent(bytes, at, header)
    if (wrong !== null) return wrong
    if (!follows(bytes, at, header, chain)) return `record ${lsn} does not follow from the one before`
    if (isDropped(header)) horizon = Math.max(horizon, horizonOfRun(bytes, at, header))
    headers.push(header)
    offsets.push(at)
    chain = Buffer.from(header.chain)
    at = end
    lsn = header.lastLsn + 1
  }
  if (lsn !== endLsn) return `a run of dropped records goes on to ${lsn - 1}, beyond the batch`
  if (at !== bytes.length) return `${bytes.length - at} bytes follow the last record`
  return { headers, offsets, chain, wallMs: headers[0]?.wallMs ?? 0, horizon }
}

/** Whether meta and body at `at` are what the header says: both checksums and the hash. In words what is wrong, or null. */
export function wrongContent(bytes: Buffer, at: number, header: RecordHeader): string | null {
  const metaAt = at + RECORD_HEADER_BYTES
  const bodyAt = metaAt + header.metaLength
  const end = bodyAt + header.bodyLength
  if (crc32c(bytes.subarray(metaAt, bodyAt)) !== header.metaCrc) return `record ${header.lsn} has a damaged meta`
  if (crc32c(bytes.subarray(bodyAt, end)) !== header.bodyCrc) return `record ${header.lsn} has a damaged body`
  const digest = hash('sha256', bytes.subarray(metaAt, end), 'buffer')
  return digest.equals(header.hash) ? null : `record ${header.lsn} does not have its hash`
}

/** One batch on a mirror's disk: what several of the primary's brought, as long as they are of one epoch and nothing is written yet. */
export class RawBatchBuilder implements PendingBatch {
  readonly epoch: Epoch
  readonly firstLsn: Lsn
  readonly firstChain: Buffer
  readonly #identity: LogIdentity
  /** By LSN; all of a dropped run are its one header. */
  readonly #records: { readonly header: RecordHeader; readonly bytes: Buffer; readonly at: number }[] = []
  readonly #chunks: Buffer[] = []
  readonly #wallMs: number
  #byteCount = 0
  #payloadBytes = 0
  #encoded = false
  #chain: Buffer
  #horizon = 0

  /** @param first Of the first record that will be added, at once. */
  constructor(identity: LogIdentity, first: RecordHeader) {
    this.#identity = identity
    this.epoch = first.epoch
    this.firstLsn = first.lsn
    this.firstChain = Buffer.from(first.chain)
    this.#wallMs = first.wallMs
    this.#chain = this.firstChain
  }

  get recordCount(): number {
    return this.#records.length
  }

  get sizeBytes(): number {
    return BATCH_HEADER_BYTES + this.#byteCount
  }

  get payloadBytes(): number {
    return this.#payloadBytes
  }

  get nextLsn(): number {
    return this.firstLsn + this.#records.length
  }

  get chain(): Buffer {
    return this.#chain
  }

  get encoded(): boolean {
    return this.#encoded
  }

  get horizon(): number {
    return this.#horizon
  }

  /** Adds what was proved to follow. The bytes are kept, not copied. @returns Bytes of meta and bodies among them. */
  add(bytes: Buffer, proved: ProvedRecords): number {
    const before = this.#payloadBytes
    for (const [i, header] of proved.headers.entries()) {
      const offset = proved.offsets[i] ?? 0
      const record = { header, bytes: bytes.subarray(offset), at: this.sizeBytes + offset }
      for (let lsn: number = header.lsn; lsn <= header.lastLsn; lsn++) this.#records.push(record)
      this.#payloadBytes += header.metaLength + header.bodyLength
    }
    this.#chunks.push(bytes)
    this.#byteCount += bytes.length
    this.#chain = proved.chain
    this.#horizon = Math.max(this.#horizon, proved.horizon)
    return this.#payloadBytes - before
  }

  encode(syncedUpTo: number, commit: number): EncodedBatch {
    this.#encoded = true
    const { epoch, firstLsn, recordCount } = this
    const header = encodeBatchHeader(this.#identity, {
      epoch,
      firstLsn,
      recordCount,
      byteCount: this.#byteCount,
      syncedUpTo,
      commit,
      wallMs: this.#wallMs,
    })
    return { epoch, firstLsn, recordCount, chunks: [header, ...this.#chunks] }
  }

  offsetOf(i: number): number {
    return this.#records[i]?.at ?? 0
  }

  read(lsn: number): LogRecord | null {
    const found = this.#records[lsn - this.firstLsn]
    if (found === undefined) return null
    const { header, bytes } = found
    if (isDropped(header)) throw droppedRecord(lsn)
    const { epoch, type, wallMs } = header
    const bodyAt = RECORD_HEADER_BYTES + header.metaLength
    return {
      lsn: toLsn(lsn),
      epoch,
      type,
      wallMs,
      meta: bytes.subarray(RECORD_HEADER_BYTES, bodyAt),
      body: bytes.subarray(bodyAt, bodyAt + header.bodyLength),
    }
  }
}
