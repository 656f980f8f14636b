/**
 * Writes one sealed segment anew without the records that nobody needs (replication design, rule 10). Which those are is the caller's
 * knowledge; here is how a segment loses records and stays one: what is kept keeps header and content, each run of dropped records
 * leaves one header with its first and last LSN and the chain value of the last.
 *
 * Invariants: every kept record was proved before it is written; a run is of one epoch, and the record with which an epoch begins is
 * never dropped, so that the epoch vector stays; the new file is whole and synced before it takes the name; a segment with rot in
 * what must be kept is left alone. Nothing is held back meanwhile: the log goes on writing, readers go on in the old file.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import { syncFile, syncNames } from './durability.ts'
import { encodeEpochs, encodeFooter, encodeOffsets } from './footer.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  decodeRecordHeader,
  decodeSegmentHeader,
  encodeBatchHeader,
  encodeDroppedRun,
  encodeSegmentHeader,
  follows,
  horizonOfRun,
  isDropped,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  RUN_META_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import { BATCH_RECORDS_MAX, COMPACT_PIECE_BYTES } from './limits.ts'
import { wrongContent } from './raw-batch.ts'
import { readTrailer } from './sealed.ts'
import type { Segment } from './segments.ts'

/** Ends in the suffix of files that are being made: a start removes it. */
const COMPACTING_SUFFIX = '.compact.new'
const RUN_BYTES = RECORD_HEADER_BYTES + RUN_META_BYTES

export interface Needs {
  /** Up to where all effects that were looked at reach: what stands in the runs, and what a mirror must hold to go on without a copy. */
  readonly horizon: number
  /** That nobody needs the record any more. */
  readonly mayGo: (lsn: number) => boolean
}

export interface CompactOptions {
  readonly disk: Disk
  readonly identity: LogIdentity
  readonly segment: Segment
  /** By LSN - firstLsn; 0: unknown. */
  readonly offsets: Uint32Array
  readonly commit: number
  readonly needs: Needs
  /** Records with which an epoch of the log begins. */
  readonly begins: ReadonlySet<number>
  /** Awaited after each piece: bandwidth. False: give up. */
  readonly pace: (bytes: number) => Promise<boolean>
}

export type Compacted =
  | {
      readonly kind: 'made'
      /** Where the new file waits for its name. */
      readonly path: string
      readonly segment: Segment
      readonly droppedRecords: number
    }
  /** Why the segment stays as it is. `rotten`: the record that must be repaired first. */
  | { readonly kind: 'rotten'; readonly lsn: number }
  | { readonly kind: 'nothing-to-drop' | 'no-header' | 'given-up' }

/** What a log lends for as long as one of its segments is written anew. */
export interface CompactHost {
  readonly disk: Disk
  readonly directory: string
  readonly identity: LogIdentity
  readonly commit: number
  /** The segment is still one of the log, and the log still writes. */
  readonly stands: () => boolean
  /** Runs while nothing else changes files of sealed segments. */
  readonly withFiles: <T>(work: () => Promise<T>) => Promise<T>
  readonly replace: (made: Segment) => Promise<void>
  /** Rule 15: the log writes nothing more. */
  readonly fail: (error: unknown) => void
}

/** Writes the segment anew and puts it in the place of the old one. @throws what the disk throws; a full disk fails nothing else */
export async function compactInLog(
  host: CompactHost,
  options: Pick<CompactOptions, 'segment' | 'offsets' | 'needs' | 'begins' | 'pace'>,
): Promise<Compacted> {
  const { disk, identity, commit } = host
  const made = await compactSegment({ disk, identity, commit, ...options }).catch((error: unknown) => {
    if (!host.stands()) return { kind: 'given-up' } as const
    if (errorCode(error) !== 'ENOSPC') host.fail(error)
    throw error
  })
  if (made.kind !== 'made') return made
  return host.withFiles(async () => {
    if (!host.stands()) {
      await disk.remove(made.path)
      return { kind: 'given-up' }
    }
    try {
      await disk.rename(made.path, options.segment.path)
      await syncNames(disk, host.directory)
    } catch (error) {
      host.fail(error) // which of the two files has the name is not known
      throw error
    }
    await host.replace(made.segment)
    return made
  })
}

/** @throws what the disk throws; the unfinished file is removed then */
async function compactSegment(options: CompactOptions): Promise<Compacted> {
  const { disk, segment } = options
  const path = segment.path + COMPACTING_SUFFIX
  const source = await disk.open(segment.path)
  try {
    await disk.remove(path)
    const target = await disk.create(path)
    let made = false
    try {
      const result = await new Compaction(options, source, target, path).run()
      made = result.kind === 'made'
      return result
    } finally {
      await target.close()
      if (!made) await disk.remove(path)
    }
  } finally {
    await source.close()
  }
}

/** How many bytes a segment would lose if the records that may go went, by its offsets alone; about, as headers of batches count too. */
export function deadBytes(segment: Segment, offsets: Uint32Array, mayGo: (lsn: number) => boolean): number {
  let bytes = 0
  let end = segment.dataEnd
  for (let i = segment.nextLsn - segment.firstLsn - 1; i >= 0; i--) {
    const at = offsets[i] ?? 0
    if (at === 0 || at === end) continue
    // A run of several has one place for all and nothing to lose; one of a single record has no more than what it would leave again.
    if (offsets[i - 1] !== at && mayGo(segment.firstLsn + i)) bytes += Math.max(0, end - at - RUN_BYTES)
    end = at
  }
  return bytes
}

interface Run {
  first: number
  last: number
  epoch: number
  /** Null: the last header could not be read, so the run cannot end here. */
  chain: Buffer | null
  wallMs: number
  horizon: number
}

class Compaction {
  readonly #options: CompactOptions
  readonly #source: File
  readonly #target: File
  readonly #path: string
  readonly #offsets: Uint32Array
  #at = SEGMENT_HEADER_BYTES
  #batch: { firstLsn: number; nextLsn: number; epoch: number; wallMs: number; bytes: number; chunks: Buffer[] } | null =
    null
  #run: Run | null = null
  #horizon = 0
  #droppedRecords = 0
  #lastChain: Buffer | null = null
  #lastWallMs = 0

  constructor(options: CompactOptions, source: File, target: File, path: string) {
    this.#options = options
    this.#source = source
    this.#target = target
    this.#path = path
    this.#offsets = new Uint32Array(options.segment.nextLsn - options.segment.firstLsn)
  }

  async run(): Promise<Compacted> {
    const { segment, pace } = this.#options
    const verdict = decodeSegmentHeader(asBuffer(await this.#source.read(0, SEGMENT_HEADER_BYTES)))
    if (verdict.kind !== 'valid') return { kind: 'no-header' }
    await this.#target.write(0, [encodeSegmentHeader(verdict.header)])
    this.#lastChain = verdict.header.chain
    for (let lsn = segment.firstLsn; lsn < segment.nextLsn; ) {
      const piece = await this.#readPiece(lsn)
      for (; lsn < piece.next; ) {
        const next = await this.#take(lsn, piece)
        if (next === null) return { kind: 'rotten', lsn }
        lsn = next
      }
      if (!(await pace(piece.bytes.length))) return { kind: 'given-up' }
    }
    if (!(await this.#endRun())) return { kind: 'rotten', lsn: segment.nextLsn - 1 }
    await this.#flush()
    if (this.#droppedRecords === 0) return { kind: 'nothing-to-drop' }
    return this.#finish(verdict.header.epoch)
  }

  /** As many records from `lsn` on as one read takes; where places are unknown a piece is one LSN without bytes. */
  async #readPiece(lsn: number): Promise<{ at: number; bytes: Buffer; next: number }> {
    const { segment, offsets } = this.#options
    const at = offsets[lsn - segment.firstLsn] ?? 0
    if (at === 0) return { at, bytes: Buffer.alloc(0), next: lsn + 1 }
    let end = this.#endOf(lsn)
    let next = lsn + 1
    for (; next < segment.nextLsn; next++) {
      const place = offsets[next - segment.firstLsn] ?? 0
      if (place === 0) break
      const nextEnd = place < end ? end : this.#endOf(next)
      if (nextEnd - at > COMPACT_PIECE_BYTES) break
      end = nextEnd
    }
    return { at, bytes: asBuffer(await this.#source.read(at, end - at)), next }
  }

  #endOf(lsn: number): number {
    const { segment, offsets } = this.#options
    const i = lsn - segment.firstLsn
    const at = offsets[i] ?? 0
    for (let next = i + 1; next < offsets.length; next++) {
      const end = offsets[next] ?? 0
      if (end > at) return end
    }
    return segment.dataEnd
  }

  /** Keeps or drops the record. @returns The LSN after it, or null if it must stay and is rotten */
  async #take(lsn: number, piece: { at: number; bytes: Buffer }): Promise<number | null> {
    const { identity, needs, segment, offsets, begins } = this.#options
    const at = (offsets[lsn - segment.firstLsn] ?? 0) - piece.at
    const header = piece.bytes.length === 0 ? null : decodeRecordHeader(piece.bytes, at, identity)
    if (header === null || header.lsn !== lsn) {
      if (!needs.mayGo(lsn) || begins.has(lsn) || this.#run === null) return null
      this.#drop({ first: lsn, last: lsn, epoch: this.#run.epoch, chain: null, wallMs: this.#run.wallMs, horizon: 0 })
      return lsn + 1
    }
    const { lastLsn: last, epoch, wallMs } = header
    const chain = Buffer.from(header.chain)
    if (isDropped(header)) {
      const horizon = horizonOfRun(piece.bytes, at, header)
      if (!(await this.#continues(epoch))) return null
      this.#drop({ first: lsn, last, epoch, chain, wallMs, horizon })
      return last + 1
    }
    if (needs.mayGo(lsn) && !begins.has(lsn)) {
      if (!(await this.#continues(epoch))) return null
      this.#drop({ first: lsn, last, epoch, chain, wallMs, horizon: needs.horizon })
      this.#droppedRecords++
      return last + 1
    }
    if (!(await this.#endRun())) return null
    // Whole or not at all: what goes may be rotten, what stays must be proved.
    const end = at + RECORD_HEADER_BYTES + header.metaLength + header.bodyLength
    if (end > piece.bytes.length || wrongContent(piece.bytes, at, header) !== null) return null
    if (this.#lastChain !== null && !follows(piece.bytes, at, header, this.#lastChain)) return null
    await this.#keep(header, piece.bytes.subarray(at, end))
    return last + 1
  }

  #drop(run: Run): void {
    const open = this.#run
    if (open === null) {
      this.#run = run
      return
    }
    open.last = run.last
    open.chain = run.chain
    open.wallMs = run.wallMs
    open.horizon = Math.max(open.horizon, run.horizon)
  }

  /** A run is of one epoch. */
  async #continues(epoch: number): Promise<boolean> {
    return this.#run === null || this.#run.epoch === epoch || this.#endRun()
  }

  /** @returns False if the run would end with a record whose chain value is lost */
  async #endRun(): Promise<boolean> {
    const run = this.#run
    if (run === null) return true
    const { first, last, epoch, chain, wallMs, horizon } = run
    if (chain === null) return false
    this.#run = null
    const { identity } = this.#options
    const fields = { first: toLsn(first), last: toLsn(last), epoch: toEpoch(epoch), wallMs, chain, horizon }
    const bytes = encodeDroppedRun(identity, fields)
    this.#horizon = Math.max(this.#horizon, horizon)
    await this.#put({ lsn: first, lastLsn: last, epoch, wallMs }, bytes)
    this.#lastChain = chain
    return true
  }

  async #keep(header: RecordHeader, bytes: Buffer): Promise<void> {
    await this.#put(header, bytes)
    this.#lastChain = Buffer.from(header.chain)
  }

  async #put(record: { lsn: number; lastLsn: number; epoch: number; wallMs: number }, bytes: Buffer): Promise<void> {
    const { lsn, lastLsn, epoch, wallMs } = record
    const open = this.#batch
    const full =
      open !== null && (open.bytes + bytes.length > COMPACT_PIECE_BYTES || open.chunks.length >= BATCH_RECORDS_MAX)
    if (open !== null && (open.epoch !== epoch || full)) await this.#flush()
    this.#batch ??= { firstLsn: lsn, nextLsn: lsn, epoch, wallMs, bytes: 0, chunks: [] }
    const batch = this.#batch
    const at = this.#at + BATCH_HEADER_BYTES + batch.bytes
    this.#offsets.fill(at, lsn - this.#options.segment.firstLsn, lastLsn + 1 - this.#options.segment.firstLsn)
    batch.chunks.push(bytes)
    batch.bytes += bytes.length
    batch.nextLsn = lastLsn + 1
    this.#lastWallMs = wallMs
  }

  async #flush(): Promise<void> {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    const { identity, commit } = this.#options
    const header = encodeBatchHeader(identity, {
      epoch: toEpoch(batch.epoch),
      firstLsn: toLsn(batch.firstLsn),
      recordCount: batch.nextLsn - batch.firstLsn,
      byteCount: batch.bytes,
      syncedUpTo: batch.firstLsn - 1,
      commit,
      wallMs: batch.wallMs,
    })
    await this.#target.write(this.#at, [header, ...batch.chunks])
    this.#at += BATCH_HEADER_BYTES + batch.bytes
  }

  async #finish(headerEpoch: number): Promise<Compacted> {
    const { identity, segment } = this.#options
    const { trailer } = await readTrailer(this.#source, segment.sizeBytes)
    const epochs = segment.epochs.map(({ epoch }) => epoch)
    const footer = encodeFooter(
      identity,
      {
        firstLsn: segment.firstLsn,
        nextLsn: segment.nextLsn,
        dataEnd: this.#at,
        epoch: toEpoch(Math.max(trailer?.epoch ?? 0, headerEpoch, ...epochs)),
        lastWallMs: trailer?.lastWallMs ?? this.#lastWallMs,
        chain: this.#lastChain ?? Buffer.alloc(0),
        horizon: this.#horizon,
      },
      [encodeOffsets(this.#offsets), ...encodeEpochs(segment.epochs)],
    )
    await this.#target.write(this.#at, footer)
    await syncFile(this.#target)
    const sizeBytes = this.#at + footer.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const { path, firstLsn, nextLsn } = segment
    const made: Segment = {
      path,
      firstLsn,
      nextLsn,
      dataEnd: this.#at,
      sizeBytes,
      epochs: segment.epochs,
      horizon: this.#horizon,
      offsets: null,
    }
    return { kind: 'made', path: this.#path, segment: made, droppedRecords: this.#droppedRecords }
  }
}
