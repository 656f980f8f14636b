/**
 * One open database with everything prepared on it. Opening costs more than many batches of a small index (the schema is read, some
 * fifty statements are parsed), so whoever needs one empty index in memory after another (the simulator) keeps the
 * connection and empties it.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { errorCode } from '#lib/errors/coded-error.ts'
import { RecordApplier } from './applier.ts'
import { asArrays } from './columns.ts'
import { Digester } from './digest.ts'
import { IndexError } from './errors.ts'
import { IndexReader } from './reader.ts'
import { FORGOTTEN, INDEX_SCHEMA, INDEX_SCHEMA_VERSION, INDEX_TABLES } from './schema.ts'

/** 64 MiB of pages: the upper levels of the trees of a large shard. */
const CACHE_KIB = 64 * 1024
/** While all rows of a large shard are made, with nobody served yet. */
const CACHE_WHILE_BUILDING_KIB = 256 * 1024

/** `building`: no journal on disk and no sync. A crash leaves rubbish, so such a file gets its name only when it is whole and synced. */
export type IndexMode = 'serving' | 'building'

export class IndexConnection {
  readonly db: DatabaseSync
  readonly path: string
  readonly reader: IndexReader
  readonly applier: RecordApplier
  readonly begin: StatementSync
  readonly commit: StatementSync
  readonly sweepFrom: StatementSync
  readonly sweep: StatementSync
  readonly forgetHeader: StatementSync
  readonly forgetExpunged: StatementSync
  readonly sweepQueueFrom: StatementSync
  readonly sweepQueue: StatementSync
  #digester: Digester | null = null

  readonly mode: IndexMode

  /** @param path A file, made if it does not exist, or `:memory:`. @throws {IndexError} INDEX_DAMAGED, INDEX_SCHEMA */
  constructor(path: string, mode: IndexMode = 'serving') {
    const db = openDatabase(path, mode)
    this.mode = mode
    this.db = db
    this.path = path
    try {
      this.reader = new IndexReader(db)
      this.applier = new RecordApplier(db)
      this.begin = db.prepare('BEGIN IMMEDIATE')
      this.commit = db.prepare('COMMIT')
      this.sweepFrom = asArrays(db.prepare('SELECT id, at_ms FROM deliveries WHERE id > ? ORDER BY id LIMIT ?'))
      this.sweep = db.prepare('DELETE FROM deliveries WHERE id = ?')
      const named = 'mailbox = (SELECT key FROM mailboxes WHERE id = ?) AND uid = ?'
      this.forgetHeader = db.prepare(
        `DELETE FROM header_blocks WHERE key = (SELECT header FROM expunged WHERE ${named})`,
      )
      this.forgetExpunged = db.prepare(`UPDATE expunged SET ${forgotten()} WHERE ${named}`)
      this.sweepQueueFrom = asArrays(
        db.prepare('SELECT entry FROM queue WHERE done_ms > 0 AND done_ms < ? ORDER BY done_ms LIMIT ?'),
      )
      this.sweepQueue = db.prepare('DELETE FROM queue WHERE entry = ?')
    } catch (cause) {
      db.close()
      throw asIndexError(cause, path)
    }
  }

  /** Prepared when it is first asked for: a server never does. */
  get digester(): Digester {
    this.#digester ??= new Digester(this.db)
    return this.#digester
  }

  /** Takes all rows away: what is left means the same as a database that was just made. */
  empty(): void {
    if (this.db.isTransaction) this.db.exec('ROLLBACK')
    const deletes = INDEX_TABLES.map((table) => `DELETE FROM ${table}`).join('; ')
    this.db.exec(`BEGIN; ${deletes}; INSERT INTO state VALUES (1, 0); COMMIT`)
  }

  close(): void {
    this.db.close()
  }
}

/** What a row of `expunged` is without what was forgotten. */
function forgotten(): string {
  return Object.entries(FORGOTTEN)
    .map(([column, value]) => `${column} = ${value}`)
    .join(', ')
}

function pragmas(mode: IndexMode): string {
  return mode === 'serving'
    ? `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA busy_timeout = 5000`
    : `PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -${CACHE_WHILE_BUILDING_KIB}`
}

function openDatabase(path: string, mode: IndexMode): DatabaseSync {
  let db: DatabaseSync | null = null
  try {
    db = new DatabaseSync(path)
    db.exec(pragmas(mode))
    const version = db.prepare('PRAGMA user_version').get()?.['user_version']
    if (version === 0) db.exec(`BEGIN; ${INDEX_SCHEMA}; COMMIT`)
    else if (version !== INDEX_SCHEMA_VERSION) {
      throw new IndexError(
        'INDEX_SCHEMA',
        `Cannot use ${path}: schema ${version}, this binary has ${INDEX_SCHEMA_VERSION}`,
      )
    }
    return db
  } catch (cause) {
    db?.close()
    throw asIndexError(cause, path)
  }
}

/** SQLITE_FULL, and what the write-ahead log and its shared memory meet on a full disk: SQLITE_IOERR_WRITE, _SHMOPEN, _SHMSIZE, _SHMMAP. */
const NO_SPACE: ReadonlySet<number> = new Set([13, 778, 4618, 4874, 5386])

/** Whether SQLite failed for want of space on the disk. */
export function foundNoSpace(cause: unknown): boolean {
  return cause instanceof Error && 'errcode' in cause && NO_SPACE.has(Number(cause.errcode))
}

/** SQLite's own failures at opening mean that the file is not what it should be; a rebuild does not need it. */
export function asIndexError(cause: unknown, path: string): unknown {
  if (errorCode(cause) !== 'ERR_SQLITE_ERROR') return cause
  if (foundNoSpace(cause)) {
    return new IndexError('INDEX_NO_SPACE', `Cannot open ${path}: make space on its disk`, { cause })
  }
  return new IndexError('INDEX_DAMAGED', `Cannot use ${path}: it is no usable index`, { cause })
}
