/**
 * Reads durable records out of segment files: offset tables and open files of sealed segments come on demand and leave when
 * they are too many; the segment being written lends its own.
 *
 * Invariant: no byte is handed out whose checksum was not proved since it was read from the disk.
 */
import { crc32c } from '#lib/bytes/crc32c.ts'
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import { droppedRecord, LogError } from './errors.ts'
import { decodeOffsets, SectionType } from './footer.ts'
import {
  asBuffer,
  decodeRecordHeader,
  follows,
  isDropped,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import {
  KEPT_BODIES_BYTES_MAX,
  OFFSET_TABLE_BYTES_MAX,
  OPEN_SEGMENTS_MAX,
  SCAN_READ_BYTES,
  SKIP_BODY_FROM_BYTES,
} from './limits.ts'
import type { RawBatch } from './replica-log.ts'
import { readSection, readTrailer } from './sealed.ts'
import { walkSegment } from './segment-walk.ts'
import type { Segment } from './segments.ts'
import type { LogRecord, ScanOptions } from './types.ts'

/** A segment ready to be read. */
export interface Readable {
  readonly file: File
  readonly firstLsn: number
  /** LSN after the last that may be read. */
  readonly nextLsn: number
  readonly offsets: Uint32Array
  /** Where the bytes of the last record end at the latest. */
  readonly dataEnd: number
}

/** A file is closed when it left the set and its last user is done. */
interface Held {
  readonly segment: Readable
  users: number
  evicted: boolean
}

/** What a repair needs of the segment of a record. */
export interface RecordPlace {
  readonly file: File
  /** Of the segment's records; 0: unknown. */
  readonly offsets: Uint32Array
  readonly index: number
  readonly count: number
  readonly dataEnd: number
}

export class SegmentReader {
  readonly #disk: Disk
  readonly #identity: LogIdentity
  readonly #sealed: readonly Segment[]
  /** In order of use, the longest unused first. */
  readonly #open = new Map<number, Held>()
  readonly #opening = new Map<number, Promise<Held>>()
  /** Bodies of which a part was read, until the rest was: who goes through a large letter in pieces has it read and proved once. */
  readonly #bodies = new WeightedLru<Lsn, Buffer>(KEPT_BODIES_BYTES_MAX)
  readonly #onRot: (lsn: Lsn, what: string) => void
  #active: Held
  #tableBytes = 0

  /**
   * @param sealed In order; the log appends to this array when it seals a segment.
   * @param active The segment being written; the log changes it as records become durable.
   */
  constructor(
    disk: Disk,
    identity: LogIdentity,
    sealed: readonly Segment[],
    active: Readable,
    onRot: (lsn: Lsn, what: string) => void,
  ) {
    this.#disk = disk
    this.#identity = identity
    this.#sealed = sealed
    this.#active = { segment: active, users: 0, evicted: false }
    this.#onRot = onRot
  }

  /** `segment` is written from now on; the one before was sealed, its open file belongs to the reader. */
  async activate(segment: Readable): Promise<void> {
    this.#open.set(this.#active.segment.firstLsn, this.#active)
    this.#tableBytes += this.#active.segment.offsets.byteLength
    this.#active = { segment, users: 0, evicted: false }
    await this.#evict()
  }

  /** `segment` has taken the place of the one with the same first LSN: what still reads that one goes on in the old file. */
  async replaced(segment: Segment): Promise<void> {
    const held = this.#open.get(segment.firstLsn)
    if (held === undefined) return
    this.#open.delete(segment.firstLsn)
    this.#tableBytes -= held.segment.offsets.byteLength
    held.evicted = true
    if (held.users === 0) await held.segment.file.close()
  }

  /** @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD, LOG_DROPPED_RECORD */
  async read(lsn: Lsn): Promise<LogRecord> {
    const { bytes, header } = await this.#use(lsn, (segment) => this.#readWhole(segment, lsn))
    return recordOf(bytes, 0, header, true)
  }

  /**
   * The header alone: what two replicas compare.
   * @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD, LOG_DROPPED_RECORD
   */
  async readHeader(lsn: Lsn): Promise<RecordHeader> {
    const header = await this.#header(lsn)
    if (isDropped(header)) throw droppedRecord(lsn)
    return header
  }

  /** Wall time at which a record, or the last of the dropped run that it was in, was made. @throws {LogError} as `chainAt` */
  async wallMsAt(lsn: Lsn): Promise<number> {
    return (await this.#header(lsn)).wallMs
  }

  /** Null: inside of a dropped run. @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD */
  async chainAt(lsn: Lsn): Promise<Buffer | null> {
    const { chain, lastLsn } = await this.#header(lsn)
    return lastLsn === lsn ? chain : null
  }

  /** @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD, LOG_DROPPED_RECORD */
  async readBody(lsn: Lsn, offset: number, length: number): Promise<Uint8Array> {
    const body = this.#bodies.take(lsn) ?? (await this.#use(lsn, (segment) => this.#readWholeBody(segment, lsn)))
    if (offset + length < body.length) this.#bodies.set(lsn, body, body.length)
    return body.subarray(offset, offset + length)
  }

  /**
   * Records from `lsn` to at most `last` as they stand on disk, without batch headers, all of one epoch and one segment. Dropped runs
   * go whole. @throws {LogError} LOG_DROPPED_RECORD if `lsn` lies inside of one
   */
  readRaw(lsn: Lsn, last: number, bytesMax: number): Promise<RawBatch> {
    return this.#use(lsn, async (segment) => {
      const to = Math.min(last, segment.nextLsn - 1)
      const { bytes, next } = await this.#readPiece(segment, lsn, to, bytesMax)
      const start = this.#extentOf(segment, lsn).at
      const chunks: Buffer[] = []
      let epoch: Epoch | null = null
      let byteCount = 0
      let recordCount = 0
      for (let i: number = lsn; i < next; ) {
        const at = this.#extentOf(segment, i).at - start
        const header = this.#prove(bytes, at, i, true)
        if (header.lsn < lsn || header.lastLsn > last) throw droppedRecord(i)
        epoch ??= header.epoch
        if (header.epoch !== epoch) break
        const end = at + RECORD_HEADER_BYTES + header.metaLength + header.bodyLength
        appendView(chunks, bytes.subarray(at, end))
        byteCount += end - at
        recordCount += header.lastLsn - header.lsn + 1
        i = header.lastLsn + 1
      }
      return { epoch: epoch ?? toEpoch(0), firstLsn: lsn, recordCount, byteCount, chunks }
    })
  }

  /** One record as it stands on disk, or the dropped run that it was part of. @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD */
  readRawRecord(lsn: Lsn): Promise<Buffer> {
    return this.#use(lsn, async (segment) => {
      const { at, end } = this.#extentOf(segment, lsn)
      const bytes = asBuffer(await segment.file.read(at, end - at))
      const { metaLength, bodyLength } = this.#prove(bytes, 0, lsn, true)
      return bytes.subarray(0, RECORD_HEADER_BYTES + metaLength + bodyLength)
    })
  }

  /** Whether a whole header stands there and follows that chain value; null: there is none. */
  async followsChain(lsn: Lsn, chain: Buffer): Promise<boolean | null> {
    try {
      return await this.#use(lsn, async (segment) => {
        const bytes = asBuffer(await segment.file.read(this.#extentOf(segment, lsn).at, RECORD_HEADER_BYTES))
        const header = decodeRecordHeader(bytes, 0, this.#identity)
        if (header?.lsn !== lsn || isDropped(header)) return null
        return follows(bytes, 0, header, chain)
      })
    } catch (error) {
      if (error instanceof LogError) return null
      throw error
    }
  }

  /** Where a record lies, or must lie; 0 if that is unknown. */
  place(lsn: Lsn): Promise<RecordPlace> {
    return this.#use(lsn, async ({ file, offsets, firstLsn, nextLsn, dataEnd }) => ({
      file,
      offsets,
      index: lsn - firstLsn,
      count: nextLsn - firstLsn,
      dataEnd,
    }))
  }

  /** Visits `from` to `to` in order; both must be in the log. */
  async scan(
    from: number,
    to: number,
    options: ScanOptions,
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<void> {
    let lsn = from
    while (lsn <= to) {
      await this.#use(toLsn(lsn), async (segment) => {
        const last = Math.min(to, segment.nextLsn - 1)
        while (lsn <= last) lsn = await this.#scanPiece(segment, lsn, last, options, visit)
      })
    }
  }

  /** Closes all files, that of the active segment too. */
  async close(): Promise<void> {
    const held = [...this.#open.values(), this.#active]
    this.#open.clear()
    for (const one of held) {
      one.evicted = true
      if (one.users === 0) await one.segment.file.close()
    }
  }

  #header(lsn: Lsn): Promise<RecordHeader> {
    return this.#use(lsn, async (segment) => {
      const { at } = this.#extentOf(segment, lsn)
      const bytes = asBuffer(await segment.file.read(at, RECORD_HEADER_BYTES))
      const header = decodeRecordHeader(bytes, 0, this.#identity)
      if (header === null || !holds(header, lsn)) throw this.#rotten(lsn, 'header')
      return header
    })
  }

  async #readWhole(segment: Readable, lsn: Lsn): Promise<{ bytes: Buffer; header: RecordHeader; at: number }> {
    const { at, end } = this.#extentOf(segment, lsn)
    const bytes = asBuffer(await segment.file.read(at, end - at))
    const header = this.#prove(bytes, 0, lsn, true)
    if (isDropped(header)) throw droppedRecord(lsn)
    return { bytes, header, at }
  }

  async #readWholeBody(segment: Readable, lsn: Lsn): Promise<Buffer> {
    const { bytes, header } = await this.#readWhole(segment, lsn)
    const bodyAt = RECORD_HEADER_BYTES + header.metaLength
    return bytes.subarray(bodyAt, bodyAt + header.bodyLength)
  }

  /** Reads as many records as fit into one read, at least one, and returns the next LSN. */
  async #scanPiece(
    segment: Readable,
    lsn: number,
    last: number,
    { bodies, dropped }: ScanOptions,
    visit: (record: LogRecord) => void | Promise<void>,
  ): Promise<number> {
    const first = this.#extentOf(segment, lsn)
    if (!bodies && first.end - first.at > SKIP_BODY_FROM_BYTES) {
      await visit(await this.#readWithoutBody(segment, lsn, first))
      return lsn + 1
    }
    const { bytes, next } = await this.#readPiece(segment, lsn, last, SCAN_READ_BYTES)
    for (let i = lsn; i < next; ) {
      const at = this.#extentOf(segment, i).at - first.at
      const header = this.#prove(bytes, at, i, bodies)
      if (isDropped(header)) {
        const run = { first: toLsn(Math.max(i, header.lsn)), last: toLsn(Math.min(last, header.lastLsn)) }
        dropped?.(run)
        i = run.last + 1
        continue
      }
      const done = visit(recordOf(bytes, at, header, bodies))
      if (done !== undefined) await done
      i++
    }
    return next
  }

  /** The bytes of `lsn` and of as many records behind it, up to `last`, as fit into `bytesMax`. `next`: the LSN after them. */
  async #readPiece(
    segment: Readable,
    lsn: number,
    last: number,
    bytesMax: number,
  ): Promise<{ bytes: Buffer; next: number }> {
    const first = this.#extentOf(segment, lsn)
    let { at, end } = first
    let next = lsn + 1
    // A record without a known place ends the piece: what comes before it is used before it is told.
    for (; next <= last; next++) {
      const place = segment.offsets[next - segment.firstLsn] ?? 0
      if (place === at) continue // of the same dropped run
      if (place === 0) break
      const extent = this.#extentOf(segment, next)
      if (extent.end - first.at > bytesMax) break
      at = extent.at
      end = extent.end
    }
    return { bytes: asBuffer(await segment.file.read(first.at, end - first.at)), next }
  }

  async #readWithoutBody(segment: Readable, lsn: number, extent: { at: number; end: number }): Promise<LogRecord> {
    const length = Math.min(SKIP_BODY_FROM_BYTES, extent.end - extent.at)
    let bytes = asBuffer(await segment.file.read(extent.at, length))
    const header = decodeRecordHeader(bytes, 0, this.#identity)
    if (header !== null && RECORD_HEADER_BYTES + header.metaLength > length) {
      bytes = asBuffer(await segment.file.read(extent.at, RECORD_HEADER_BYTES + header.metaLength))
    }
    return recordOf(bytes, 0, this.#prove(bytes, 0, lsn, false), false)
  }

  /** The header of record `lsn` at `at` in `bytes`, after its checksums were proved. */
  #prove(bytes: Buffer, at: number, lsn: number, body: boolean): RecordHeader {
    const header = decodeRecordHeader(bytes, at, this.#identity)
    if (header === null || !holds(header, lsn)) throw this.#rotten(lsn, 'header')
    const metaAt = at + RECORD_HEADER_BYTES
    const bodyAt = metaAt + header.metaLength
    const end = body ? bodyAt + header.bodyLength : bodyAt
    if (end > bytes.length) throw this.#rotten(lsn, 'length')
    if (crc32c(bytes.subarray(metaAt, bodyAt)) !== header.metaCrc) throw this.#rotten(lsn, 'meta')
    if (body && crc32c(bytes.subarray(bodyAt, end)) !== header.bodyCrc) throw this.#rotten(lsn, 'body')
    return header
  }

  #rotten(lsn: number, what: string): LogError {
    this.#onRot(toLsn(lsn), what)
    return new LogError('LOG_ROTTEN_RECORD', `Cannot read record ${lsn}: its ${what} is damaged on this disk`, {
      details: { lsn, what },
    })
  }

  /** Where a record may lie: up to the next record whose place is known, batch headers in between included. */
  #extentOf(segment: Readable, lsn: number): { at: number; end: number } {
    const i = lsn - segment.firstLsn
    const at = segment.offsets[i] ?? 0
    if (at === 0) throw this.#rotten(lsn, 'place')
    const count = segment.nextLsn - segment.firstLsn
    for (let next = i + 1; next < count; next++) {
      const end = segment.offsets[next] ?? 0
      if (end > at) return { at, end }
    }
    return { at, end: segment.dataEnd }
  }

  /** Runs `work` on the segment that holds `lsn`, whose file stays open for so long. */
  async #use<T>(lsn: Lsn, work: (segment: Readable) => Promise<T>): Promise<T> {
    const held = await this.#hold(lsn)
    held.users++
    try {
      return await work(held.segment)
    } finally {
      held.users--
      if (held.evicted && held.users === 0) await held.segment.file.close()
    }
  }

  #hold(lsn: Lsn): Held | Promise<Held> {
    const { segment: active } = this.#active
    if (lsn >= active.firstLsn) {
      if (lsn < active.nextLsn) return this.#active
    } else {
      const segment = this.#sealedOf(lsn)
      if (segment !== null) return this.#opened(segment)
      // Between two segments one is missing; before the first one nothing was ever promised.
      if (lsn >= (this.#sealed[0]?.firstLsn ?? active.firstLsn)) throw this.#rotten(lsn, 'segment')
    }
    throw new LogError('LOG_NO_SUCH_RECORD', `Cannot read record ${lsn}: the log does not hold it`)
  }

  #sealedOf(lsn: number): Segment | null {
    let low = 0
    let high = this.#sealed.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const segment = this.#sealed[middle]
      if (segment === undefined) break
      if (lsn < segment.firstLsn) high = middle - 1
      else if (lsn >= segment.nextLsn) low = middle + 1
      else return segment
    }
    return null
  }

  #opened(segment: Segment): Held | Promise<Held> {
    const known = this.#open.get(segment.firstLsn)
    if (known !== undefined) {
      this.#open.delete(segment.firstLsn)
      this.#open.set(segment.firstLsn, known)
      return known
    }
    let opening = this.#opening.get(segment.firstLsn)
    if (opening === undefined) {
      opening = this.#openSealed(segment).finally(() => this.#opening.delete(segment.firstLsn))
      this.#opening.set(segment.firstLsn, opening)
    }
    return opening
  }

  async #openSealed(segment: Segment): Promise<Held> {
    const file = await this.#disk.open(segment.path)
    try {
      const offsets = segment.offsets ?? (await this.#loadOffsets(file, segment))
      const { firstLsn, nextLsn, dataEnd } = segment
      const held = { segment: { file, firstLsn, nextLsn, offsets, dataEnd }, users: 0, evicted: false }
      this.#tableBytes += offsets.byteLength
      await this.#evict()
      this.#open.set(firstLsn, held)
      return held
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #loadOffsets(file: File, segment: Segment): Promise<Uint32Array> {
    const { sections } = await readTrailer(file, segment.sizeBytes)
    const section = await readSection(file, sections, SectionType.offsets)
    const count = segment.nextLsn - segment.firstLsn
    if (section !== null && section.length === count * 4) return decodeOffsets(section)
    // The table is lost: the records themselves tell where they are.
    const bytes = asBuffer(await file.read(0, segment.dataEnd))
    const walk = walkSegment(bytes, {
      identity: this.#identity,
      firstLsn: segment.firstLsn,
      chain: null,
      from: SEGMENT_HEADER_BYTES,
      to: segment.dataEnd,
    })
    return Uint32Array.from({ length: count }, (_, i) => walk.offsets[i] ?? 0)
  }

  /** Lets go of the longest unused tables and files, before one more comes in. */
  async #evict(): Promise<void> {
    while (this.#open.size >= OPEN_SEGMENTS_MAX || this.#tableBytes > OFFSET_TABLE_BYTES_MAX) {
      const [firstLsn, held] = this.#open.entries().next().value ?? []
      if (firstLsn === undefined || held === undefined) return
      this.#open.delete(firstLsn)
      this.#tableBytes -= held.segment.offsets.byteLength
      held.evicted = true
      if (held.users === 0) await held.segment.file.close()
    }
  }
}

/** Neighbours in one buffer become one view. */
function appendView(chunks: Buffer[], view: Buffer): void {
  const last = chunks.at(-1)
  if (last !== undefined && last.buffer === view.buffer && last.byteOffset + last.length === view.byteOffset) {
    chunks[chunks.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + view.length)
  } else chunks.push(view)
}

function recordOf(bytes: Buffer, at: number, header: RecordHeader, body: boolean): LogRecord {
  const metaAt = at + RECORD_HEADER_BYTES
  const bodyAt = metaAt + header.metaLength
  return {
    lsn: header.lsn,
    epoch: header.epoch,
    type: header.type,
    wallMs: header.wallMs,
    meta: bytes.subarray(metaAt, bodyAt),
    body: body ? bytes.subarray(bodyAt, bodyAt + header.bodyLength) : new Uint8Array(0),
  }
}

/** Whether it is the header of that record, or of the dropped run that it was part of. */
function holds({ lsn: first, lastLsn }: RecordHeader, lsn: number): boolean {
  return first <= lsn && lsn <= lastLsn
}
