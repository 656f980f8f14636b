/**
 * Walks the bytes of one segment and tells what is there and what is damaged; pure, and the one place where checksums of
 * a whole segment are proved (recovery, fsck, and segments whose footer is lost).
 *
 * Invariants: never throws on any bytes; a damaged piece hides nothing behind it: the walk goes on at the next header that
 * this log wrote; damages come in order of their place, and cover each missing or damaged LSN exactly once.
 */
import { crc32c } from '#lib/bytes/crc32c.ts'
import type { EpochRun } from './epochs.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  type BatchHeader,
  decodeBatchHeader,
  decodeRecordHeader,
  follows,
  horizonOfRun,
  isDropped,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  type RecordHeader,
} from './format.ts'

export type Damage = {
  /** Byte position in the segment. */
  readonly at: number
  /** LSNs without good bytes; `last < first` if no record is hit (bytes between records, a batch header alone). */
  readonly first: number
  readonly last: number
  /**
   * `lost`: no whole record was found where one must be. `meta`, `body`: a checksum of the content does not match.
   * `chain`: the record is whole but does not follow from the one before.
   */
  readonly kind: 'lost' | 'meta' | 'body' | 'chain'
  /** Whether a whole batch begins behind it. */
  readonly beforeBatch: boolean
}

export interface WalkedBatch {
  readonly at: number
  readonly header: BatchHeader
}

export interface Walk {
  /** Position of each record's header by LSN - firstLsn; 0 where it is unknown; of dropped records that of their run. */
  readonly offsets: number[]
  readonly batches: readonly WalkedBatch[]
  readonly damages: readonly Damage[]
  /** Of which epochs the records are, as far as anything tells; for `epochStarts`. */
  readonly runs: readonly EpochRun[]
  /** The highest `syncedUpTo` and `commit` of any valid batch header. */
  readonly syncedUpTo: number
  readonly commit: number
  /** Chain value after the last readable record. */
  readonly chain: Buffer
  /** The LSN that the next record would have. */
  readonly nextLsn: number
  /** Highest epoch in any header, empty batches included; 0 if there is none. */
  readonly epoch: number
  /** The highest that any dropped run tells; 0 if there is none. */
  readonly horizon: number
  /** By the last batch header: a former recovery left the end in doubt. */
  readonly endInDoubt: boolean
  /** Where the walk ended: everything before belongs to a batch or to a damage. */
  readonly end: number
}

export interface WalkStart {
  readonly identity: LogIdentity
  readonly firstLsn: number
  /** Chain value before `firstLsn`; null if unknown: then the first record is believed. */
  readonly chain: Buffer | null
  /** Where the first batch begins, and where batches end. */
  readonly from: number
  readonly to: number
}

/** @param bytes The whole segment. Its views are kept by the result (`chain`). */
export function walkSegment(bytes: Buffer, start: WalkStart): Walk {
  return new Walker(bytes, start).walk()
}

type Found = { batch: BatchHeader; record: null } | { batch: null; record: RecordHeader }

class Walker {
  readonly #bytes: Buffer
  readonly #start: WalkStart
  readonly #offsets: number[] = []
  readonly #batches: WalkedBatch[] = []
  readonly #damages: Damage[] = []
  readonly #runs: EpochRun[] = []
  #chain: Buffer | null
  #nextLsn: number
  #syncedUpTo = 0
  #commit = 0
  #epoch = 0
  #horizon = 0
  /** The run of the record that was taken last. */
  #open: { epoch: number; first: number; last: number; chain: Buffer | null } | null = null
  /** Made at the first hole. */
  #headers: { at: number; found: Found }[] | null = null

  constructor(bytes: Buffer, start: WalkStart) {
    this.#bytes = start.to < bytes.length ? bytes.subarray(0, start.to) : bytes
    this.#start = start
    this.#chain = start.chain
    this.#nextLsn = start.firstLsn
  }

  walk(): Walk {
    let at = this.#start.from
    while (at < this.#bytes.length) {
      const found = this.#headerAt(at, this.#nextLsn)
      if (found === null || lsnOf(found) > this.#nextLsn) {
        const next = this.#findHeader(found === null ? at + 1 : at)
        if (next === null) break
        if (next.at === at) {
          this.#lose(at, lsnOf(next.found), next.found.batch !== null)
          continue
        }
        // Which LSNs were in the hole is known from the header behind it.
        this.#lose(at, lsnOf(next.found), next.found.batch !== null)
        at = next.at
        continue
      }
      if (found.batch !== null) {
        this.#takeBatch(at, found.batch)
        at += BATCH_HEADER_BYTES
        continue
      }
      const end = at + RECORD_HEADER_BYTES + found.record.metaLength + found.record.bodyLength
      if (end > this.#bytes.length) break
      this.#takeRecord(at, found.record)
      at = end
    }
    const end = this.#endOfData(at)
    // A witness of what was synced may stand where the walk did not come.
    if (this.#damages.length > 0) this.#headers ??= this.#allHeaders()
    return {
      offsets: this.#offsets,
      batches: this.#batches,
      damages: this.#damages,
      runs: this.#runs,
      syncedUpTo: this.#syncedUpTo,
      commit: this.#commit,
      chain: this.#chain ?? Buffer.alloc(0),
      nextLsn: this.#nextLsn,
      epoch: this.#epoch,
      horizon: this.#horizon,
      endInDoubt: this.#batches.at(-1)?.header.endInDoubt === true,
      end,
    }
  }

  /** The header at `at` if this log wrote it and it is not of records before `leastLsn`. */
  #headerAt(at: number, leastLsn: number): Found | null {
    const batch = decodeBatchHeader(this.#bytes, at, this.#start.identity)
    if (batch !== null) return batch.firstLsn >= leastLsn ? { batch, record: null } : null
    const record = decodeRecordHeader(this.#bytes, at, this.#start.identity)
    if (record !== null && record.lsn >= leastLsn) return { batch: null, record }
    return null
  }

  /**
   * Where to go on after a hole: at the header with the lowest LSN that is still to come. A write that went astray stands among
   * older records with a higher one, and must not hide those behind it.
   */
  #findHeader(from: number): { at: number; found: Found } | null {
    this.#headers ??= this.#allHeaders()
    let best: { at: number; found: Found } | null = null
    let bestLsn = Number.POSITIVE_INFINITY
    for (const { at, found } of this.#headers) {
      const lsn = lsnOf(found)
      if (at < from || lsn < this.#nextLsn || lsn >= bestLsn) continue
      best = { at, found }
      bestLsn = lsn
    }
    return best
  }

  /** Every valid header, in place or not. Each batch header is a witness of what was synced before it. */
  #allHeaders(): { at: number; found: Found }[] {
    const headers: { at: number; found: Found }[] = []
    let batchAt = this.#find(BATCH_MAGIC, this.#start.from)
    let recordAt = this.#find(RECORD_MAGIC, this.#start.from)
    while (batchAt !== -1 || recordAt !== -1) {
      const at = recordAt === -1 || (batchAt !== -1 && batchAt < recordAt) ? batchAt : recordAt
      const found = this.#headerAt(at, 0)
      if (found !== null) headers.push({ at, found })
      if (found?.batch) this.#syncedUpTo = Math.max(this.#syncedUpTo, found.batch.syncedUpTo)
      if (at === batchAt) batchAt = this.#find(BATCH_MAGIC, at + 1)
      else recordAt = this.#find(RECORD_MAGIC, at + 1)
    }
    const valid = withoutSuperseded(headers)
    for (const { found } of valid) {
      if (found.batch === null || found.batch.recordCount === 0) continue
      const { epoch, firstLsn: first, recordCount } = found.batch
      this.#runs.push({ epoch, first, last: first + recordCount - 1, chain: null })
    }
    return valid
  }

  #find(magic: number, from: number): number {
    const pattern = Buffer.allocUnsafe(4)
    pattern.writeUInt32BE(magic)
    return this.#bytes.indexOf(pattern, from)
  }

  /** Nothing whole follows `at`: the open batch tells which records were to come; zeros alone are space set aside. */
  #endOfData(at: number): number {
    const open = this.#batches.at(-1)
    const afterBatch = open === undefined ? 0 : open.header.firstLsn + open.header.recordCount
    if (this.#nextLsn < afterBatch) this.#lose(at, afterBatch, false)
    else if (isZero(this.#bytes, at)) return at
    else this.#lose(at, this.#nextLsn, false)
    return this.#bytes.length
  }

  /** The LSNs from the next one to before `found` have no bytes. */
  #lose(at: number, found: number, beforeBatch: boolean): void {
    this.#damages.push({ at, first: this.#nextLsn, last: found - 1, kind: 'lost', beforeBatch })
    if (found > this.#nextLsn) this.#chain = null
    while (this.#nextLsn < found) {
      this.#offsets.push(0)
      this.#nextLsn++
    }
  }

  #takeBatch(at: number, header: BatchHeader): void {
    this.#batches.push({ at, header })
    this.#syncedUpTo = Math.max(this.#syncedUpTo, header.syncedUpTo)
    this.#commit = Math.max(this.#commit, header.commit)
    this.#epoch = Math.max(this.#epoch, header.epoch)
  }

  #takeRecord(at: number, header: RecordHeader): void {
    const metaAt = at + RECORD_HEADER_BYTES
    const bodyAt = metaAt + header.metaLength
    let kind: Damage['kind'] | null = null
    if (crc32c(this.#bytes.subarray(metaAt, bodyAt)) !== header.metaCrc) kind = 'meta'
    else if (crc32c(this.#bytes.subarray(bodyAt, bodyAt + header.bodyLength)) !== header.bodyCrc) kind = 'body'
    else if (this.#chain !== null && !follows(this.#bytes, at, header, this.#chain)) kind = 'chain'
    if (kind !== null) this.#damages.push({ at, first: header.lsn, last: header.lastLsn, kind, beforeBatch: false })
    this.#noteEpoch(header)
    this.#epoch = Math.max(this.#epoch, header.epoch)
    if (isDropped(header)) this.#horizon = Math.max(this.#horizon, horizonOfRun(this.#bytes, at, header))
    for (let lsn: number = header.lsn; lsn <= header.lastLsn; lsn++) this.#offsets.push(at)
    this.#chain = header.chain
    this.#nextLsn = header.lastLsn + 1
  }

  #noteEpoch(header: RecordHeader): void {
    const { epoch, lsn: first, lastLsn: last } = header
    const open = this.#open
    if (open?.epoch === epoch && open.last === first - 1) open.last = last
    else {
      this.#open = { epoch, first, last, chain: isDropped(header) ? null : Buffer.from(header.chain) }
      this.#runs.push(this.#open)
    }
  }
}

function lsnOf(found: Found): number {
  return found.batch === null ? found.record.lsn : found.batch.firstLsn
}

/**
 * Leaves out headers at or behind whose LSN a later epoch began: they are what is left of a write that was cut, and other
 * records have their numbers.
 */
function withoutSuperseded(headers: readonly { at: number; found: Found }[]): { at: number; found: Found }[] {
  const begins = new Map<number, number>()
  for (const { found } of headers) {
    const epoch = epochOf(found)
    begins.set(epoch, Math.min(lsnOf(found), begins.get(epoch) ?? Number.POSITIVE_INFINITY))
  }
  return headers.filter(({ found }) => {
    for (const [epoch, firstLsn] of begins) if (epoch > epochOf(found) && firstLsn <= lsnOf(found)) return false
    return true
  })
}

function epochOf(found: Found): number {
  return found.batch === null ? found.record.epoch : found.batch.epoch
}

const ZEROS = Buffer.alloc(64 * 1024)

/** Whether everything from `at` on is zero; true at the end. */
export function isZero(bytes: Buffer, at: number): boolean {
  for (let from = at; from < bytes.length; from += ZEROS.length) {
    const piece = bytes.subarray(from, from + ZEROS.length)
    if (!piece.equals(piece.length === ZEROS.length ? ZEROS : ZEROS.subarray(0, piece.length))) return false
  }
  return true
}
