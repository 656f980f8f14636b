/**
 * Opening the index at start: take the file if it is sound and not ahead of the log, apply what the log has more, else put it
 * aside and build a new one from LSN 1. Nothing in it is worth repairing: the log has everything.
 */
import type { Lsn } from '#lib/mail/types.ts'
import { toLsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { LogRecord, ShardLog } from '../log/types.ts'
import { decodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import { IndexConnection } from './connection.ts'
import { IndexError } from './errors.ts'
import type { CommittedRecord, ShardIndex } from './port.ts'
import { SqliteIndex } from './sqlite-index.ts'

export const INDEX_FILE = 'index.db'
const ASIDE = '.aside'
/** A file that is being built; whatever carries this name at start is rubbish. */
const BUILDING = '.building'
/** Records per transaction while catching up. */
const CATCH_UP_BATCH = 2_000

/** Where the index lives: a folder of the shard's disk, whose root SQLite must know as a path. */
export interface IndexFolder {
  readonly disk: Disk
  /** Below the disk's root. */
  readonly folder: string
  /** Absolute path of the disk's root. */
  readonly rootPath: string
}

export type IndexPlace = IndexFolder | ':memory:'

export interface OpenIndexOptions {
  readonly log: ShardLog
  readonly place: IndexPlace
  /** Apply up to here; default: all that is durable in the log. Never beyond commit. */
  readonly upTo?: Lsn
  /** Where an index is built: deliveries before are left out. Default: none is. */
  readonly deliveriesFromMs?: number
}

export interface OpenedIndex {
  readonly index: ShardIndex
  /** `rebuilt` has the reason why the file that was there is put aside. */
  readonly how: { readonly kind: 'opened' | 'created' } | { readonly kind: 'rebuilt'; readonly reason: string }
  /** Records that were applied from the log. */
  readonly appliedCount: number
}

/** @throws {IndexError} INDEX_RECORD if the log contradicts itself; LogError if it cannot be read */
export async function openIndex(options: OpenIndexOptions): Promise<OpenedIndex> {
  const { log, place } = options
  const upTo = options.upTo ?? log.durableLsn
  if (place === ':memory:') {
    const index = new SqliteIndex(place)
    return { index, how: { kind: 'created' }, appliedCount: await catchUp(log, index, upTo) }
  }
  await place.disk.makeDirectory(place.folder)
  if (!(await place.disk.list(place.folder)).includes(INDEX_FILE)) {
    return { ...(await buildIndex(log, place, upTo, options.deliveriesFromMs)), how: { kind: 'created' } }
  }
  try {
    const index = new SqliteIndex(indexPath(place))
    if (index.appliedLsn <= upTo) {
      return { index, how: { kind: 'opened' }, appliedCount: await catchUp(log, index, upTo) }
    }
    index.close()
    throw new IndexError(
      'INDEX_AHEAD',
      `Cannot use the index: it holds LSN ${index.appliedLsn}, the log ends at ${upTo}`,
    )
  } catch (error) {
    if (!isIndexUnusable(error)) throw error
    await putIndexAside(place)
    const built = await buildIndex(log, place, upTo, options.deliveriesFromMs)
    return { ...built, how: { kind: 'rebuilt', reason: error.message } }
  }
}

/** All of the log into a new file, without journal and syncs: it is synced as a whole before it gets its name. */
async function buildIndex(
  log: ShardLog,
  place: IndexFolder,
  upTo: Lsn,
  deliveriesFromMs = Number.NEGATIVE_INFINITY,
): Promise<Pick<OpenedIndex, 'index' | 'appliedCount'>> {
  const { disk, folder } = place
  const unfinished = `${folder}/${INDEX_FILE}${BUILDING}`
  await disk.remove(unfinished)
  const building = new SqliteIndex(new IndexConnection(indexPath(place) + BUILDING, 'building'))
  building.leaveOutDeliveriesBefore(deliveriesFromMs)
  let appliedCount: number
  try {
    appliedCount = await catchUp(log, building, upTo)
    building.flush()
  } finally {
    building.close()
  }
  const file = await disk.open(unfinished)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(unfinished, `${folder}/${INDEX_FILE}`)
  await disk.syncDirectory(folder)
  return { index: new SqliteIndex(indexPath(place)), appliedCount }
}

/**
 * The applied LSN of the file at `place`, 0 if there is none that can be used. What it names was committed: a log that opens
 * must not cut there (rule 14 of the replication design, `knownUpTo` of the log).
 */
export async function indexAppliedLsn(place: IndexFolder): Promise<Lsn> {
  if (!(await place.disk.list(place.folder)).includes(INDEX_FILE)) return toLsn(0)
  try {
    const index = new SqliteIndex(indexPath(place))
    const { appliedLsn } = index
    index.close()
    return appliedLsn
  } catch (error) {
    if (isIndexUnusable(error)) return toLsn(0)
    throw error
  }
}

/** What is wrong then is not the file. */
const SOUND_ALL_THE_SAME: ReadonlySet<string> = new Set(['INDEX_RECORD', 'INDEX_TAKEN_BACK', 'INDEX_NO_SPACE'])

/** Whether `error` says that the index file should be put aside and rebuilt from the log. */
export function isIndexUnusable(error: unknown): error is Error {
  if (error instanceof IndexError) return !SOUND_ALL_THE_SAME.has(error.code)
  // SQLITE_CORRUPT (11), SQLITE_NOTADB (26): found only when the pages were read.
  return error instanceof Error && 'errcode' in error && (error.errcode === 11 || error.errcode === 26)
}

/** Renames the index file, so that the next `openIndex` builds a new one. Only the last one put aside is kept. */
export async function putIndexAside(place: IndexFolder): Promise<void> {
  const { disk, folder } = place
  await disk.remove(`${folder}/${INDEX_FILE}${ASIDE}`)
  if ((await disk.list(folder)).includes(INDEX_FILE)) {
    await disk.rename(`${folder}/${INDEX_FILE}`, `${folder}/${INDEX_FILE}${ASIDE}`)
  }
  // A write-ahead log that stayed would be applied to the new file.
  await disk.remove(`${folder}/${INDEX_FILE}-wal`)
  await disk.remove(`${folder}/${INDEX_FILE}-shm`)
  await disk.syncDirectory(folder)
}

/** A new index in memory with everything the log holds up to `upTo`. */
export async function rebuildIndex(log: ShardLog, upTo: Lsn = log.durableLsn): Promise<ShardIndex> {
  const index = new SqliteIndex(':memory:')
  await catchUp(log, index, upTo)
  return index
}

/** Applies what the log has beyond the index. @returns How many records */
export async function catchUp(log: ShardLog, index: ShardIndex, upTo: Lsn): Promise<number> {
  const batch = new CatchUpBatch(index, log.horizon)
  if (index.appliedLsn < upTo) {
    await log.scan(toLsn(index.appliedLsn + 1), upTo, { bodies: false }, (record) => batch.add(record))
    batch.flush(upTo)
  }
  return batch.count
}

/** Gathers records of a scan and applies them in large transactions. */
export class CatchUpBatch {
  readonly #index: ShardIndex
  readonly #horizon: Lsn
  #records: CommittedRecord[] = []
  count = 0

  /** @param horizon Of the log. */
  constructor(index: ShardIndex, horizon: Lsn) {
    this.#index = index
    this.#horizon = horizon
  }

  add({ lsn, type, meta }: LogRecord): void {
    const record = decodeRecord(type, meta)
    this.count++
    switch (record.type) {
      case RecordType.body:
      case RecordType.bodyChunk:
      case RecordType.bodyEnd:
        return
      default:
        this.#records.push(lsn <= this.#horizon ? { lsn, record, compacted: true } : { lsn, record })
        if (this.#records.length >= CATCH_UP_BATCH) this.flush(lsn)
    }
  }

  flush(upTo: Lsn): void {
    if (upTo > this.#index.appliedLsn) this.#index.apply(this.#records, upTo)
    this.#records = []
  }
}

export function indexPath(place: IndexPlace): string {
  return place === ':memory:' ? place : `${place.rootPath}/${place.folder}/${INDEX_FILE}`
}
