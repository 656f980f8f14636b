/**
 * The index in SQLite: write-ahead log, `synchronous=NORMAL` (a crash may take back the last batches, never half of one: they
 * are applied again from the log), no automatic checkpoint (it would stop the event loop; `maintenance.ts`).
 */
import { createHash } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { errorCode } from '#lib/errors/coded-error.ts'
import { type AccountId, type Lsn, type MailboxId, type ModSeq, toLsn, type Uid } from '#lib/mail/types.ts'
import { RecordApplier } from './applier.ts'
import { asArrays, blob, int } from './columns.ts'
import { digestOf } from './digest.ts'
import { IndexError } from './errors.ts'
import type { CommittedRecord, IndexDigest, MailboxRow, RowKey, ShardIndex } from './port.ts'
import { IndexReader } from './reader.ts'
import { INDEX_SCHEMA, INDEX_SCHEMA_VERSION } from './schema.ts'

/** 64 MiB of pages: the upper levels of the trees of a large shard. */
const CACHE_KIB = 64 * 1024

export class SqliteIndex implements ShardIndex {
  readonly #db: DatabaseSync
  readonly #reader: IndexReader
  readonly #applier: RecordApplier
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #sweepFrom: StatementSync
  readonly #sweep: StatementSync
  #appliedLsn: Lsn
  #sweptTo: Uint8Array = new Uint8Array(0)

  /** @param path A file, made if it does not exist, or `:memory:`. @throws {IndexError} INDEX_DAMAGED, INDEX_SCHEMA */
  constructor(path: string) {
    const db = openDatabase(path)
    this.#db = db
    try {
      this.#reader = new IndexReader(db)
      this.#applier = new RecordApplier(db)
      this.#begin = db.prepare('BEGIN IMMEDIATE')
      this.#commit = db.prepare('COMMIT')
      this.#sweepFrom = asArrays(db.prepare('SELECT id, at_ms FROM deliveries WHERE id > ? ORDER BY id LIMIT ?'))
      this.#sweep = db.prepare('DELETE FROM deliveries WHERE id = ?')
      const state = asArrays(db.prepare('SELECT applied_lsn FROM state')).get()
      if (state === undefined) throw new IndexError('INDEX_DAMAGED', `Cannot use ${path}: it has no applied LSN`)
      this.#appliedLsn = toLsn(int(state, 0))
    } catch (cause) {
      db.close()
      throw asIndexError(cause, path)
    }
  }

  get appliedLsn(): Lsn {
    return this.#appliedLsn
  }

  apply(records: readonly CommittedRecord[], upTo: Lsn): Map<MailboxId, MailboxRow> {
    const [first] = records
    if (upTo < this.#appliedLsn || (first !== undefined && first.lsn <= this.#appliedLsn)) {
      throw new IndexError('INDEX_RECORD', `Cannot apply up to LSN ${upTo}: ${this.#appliedLsn} is applied already`)
    }
    return this.#transaction(() => {
      const touched = this.#applier.apply(records, upTo)
      this.#commit.run()
      this.#appliedLsn = upTo
      return touched
    })
  }

  account(id: AccountId) {
    return this.#reader.account(id)
  }

  mailboxes(account: RowKey) {
    return this.#reader.mailboxes(account)
  }

  subscriptions(account: RowKey) {
    return this.#reader.subscriptions(account)
  }

  keywords(mailbox: RowKey) {
    return this.#reader.keywords(mailbox)
  }

  uids(mailbox: RowKey) {
    return this.#reader.uids(mailbox)
  }

  message(mailbox: RowKey, uid: Uid) {
    return this.#reader.message(mailbox, uid)
  }

  expungedMessage(mailbox: RowKey, uid: Uid) {
    return this.#reader.expungedMessage(mailbox, uid)
  }

  messagesBetween(mailbox: RowKey, first: Uid, last: Uid) {
    return this.#reader.messagesBetween(mailbox, first, last)
  }

  messagesChangedSince(mailbox: RowKey, modSeq: ModSeq) {
    return this.#reader.messagesChangedSince(mailbox, modSeq)
  }

  uidsMarkedDeleted(mailbox: RowKey) {
    return this.#reader.uidsMarkedDeleted(mailbox)
  }

  source(mailbox: RowKey, uid: Uid) {
    return this.#reader.source(mailbox, uid)
  }

  delivery(id: Uint8Array) {
    return this.#reader.delivery(id)
  }

  sweepDeliveries(beforeMs: number, rowsMax: number): void {
    const rows = this.#sweepFrom.all(this.#sweptTo, rowsMax)
    const last = rows.at(-1)
    this.#sweptTo = last === undefined ? new Uint8Array(0) : blob(last, 0)
    const old = rows.filter((row) => int(row, 1) < beforeMs)
    if (old.length === 0) return
    this.#transaction(() => {
      for (const row of old) this.#sweep.run(blob(row, 0))
      this.#commit.run()
    })
  }

  digest(deliveriesFromMs: number): IndexDigest {
    return digestOf(this.#db, deliveriesFromMs, () => createHash('sha256'))
  }

  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  close(): void {
    this.#db.close()
  }

  #transaction<T>(work: () => T): T {
    this.#begin.run()
    try {
      return work()
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }
}

function openDatabase(path: string): DatabaseSync {
  let db: DatabaseSync | null = null
  try {
    db = new DatabaseSync(path)
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA busy_timeout = 5000`,
    )
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

/** SQLite's own failures at opening mean that the file is not what it should be; a rebuild does not need it. */
function asIndexError(cause: unknown, path: string): unknown {
  if (errorCode(cause) !== 'ERR_SQLITE_ERROR') return cause
  return new IndexError('INDEX_DAMAGED', `Cannot use ${path}: it is no usable index`, { cause })
}
