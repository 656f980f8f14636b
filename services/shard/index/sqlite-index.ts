/**
 * The index in SQLite: write-ahead log, `synchronous=NORMAL` (a crash may take back the last batches, never half of one: they
 * are applied again from the log), no automatic checkpoint (it would stop the event loop; `maintenance.ts`).
 *
 * A transaction stays open over many batches: readers share its connection and see what is in it, and what a batch costs is
 * mostly its end (five pages written, eight locks). `flush` ends it; until then the file is a little behind, never wrong.
 *
 * A full disk ends no server (replication.md rule 16): a transaction that SQLite took back because its end found no space is done
 * again from memory, with the same row keys, before anybody can look; it waits for space like what is in the log.
 */
import { type AccountId, type Lsn, type MailboxId, type ModSeq, toLsn, type Uid } from '#lib/mail/types.ts'
import type { RecordApplier } from './applier.ts'
import { asArrays, blob, int } from './columns.ts'
import { asIndexError, foundNoSpace, IndexConnection } from './connection.ts'
import { IndexError } from './errors.ts'
import type {
  BodyCursor,
  BodyHolder,
  CommittedRecord,
  IndexDigest,
  MailboxRow,
  MessageName,
  RowKey,
  ShardIndex,
} from './port.ts'
import type { IndexReader } from './reader.ts'

/** Records in one transaction: some ms to end, and some MiB of pages. */
const RECORDS_PER_TRANSACTION_MAX = 2_000
/** While it is built nobody waits. */
const RECORDS_PER_TRANSACTION_WHILE_BUILDING = 50_000

export class SqliteIndex implements ShardIndex {
  readonly #connection: IndexConnection
  readonly #reader: IndexReader
  readonly #applier: RecordApplier
  #appliedLsn: Lsn
  /** Records in the open transaction; 0: none is open. */
  #unwritten = 0
  /** What was done in the open transaction, in its order. */
  #work: (() => unknown)[] = []
  readonly #building: boolean
  #flushFrom: number
  readonly #recordsPerTransaction: number
  #sweptTo: Uint8Array = new Uint8Array(0)

  /**
   * @param at A file, made if it does not exist, or `:memory:`; or a connection that nobody else uses, closed with the index.
   * @throws {IndexError} INDEX_DAMAGED, INDEX_SCHEMA
   */
  constructor(at: string | IndexConnection) {
    const connection = typeof at === 'string' ? new IndexConnection(at) : at
    this.#connection = connection
    this.#building = connection.mode === 'building'
    this.#recordsPerTransaction = this.#building ? RECORDS_PER_TRANSACTION_WHILE_BUILDING : RECORDS_PER_TRANSACTION_MAX
    this.#flushFrom = this.#recordsPerTransaction
    this.#reader = connection.reader
    this.#applier = connection.applier
    try {
      this.#appliedLsn = this.#readAppliedLsn()
    } catch (cause) {
      connection.close()
      throw asIndexError(cause, connection.path)
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
    const touched = this.#write(() => this.#applier.apply(records, upTo))
    this.#appliedLsn = upTo
    this.#unwritten += 1 + records.length
    if (this.#unwritten >= this.#flushFrom) this.#flushEarly()
    return touched
  }

  /** While it is built: deliveries before are not taken in, as `sweepDeliveries` would only take them out again. */
  leaveOutDeliveriesBefore(ms: number): void {
    this.#applier.deliveriesFromMs = ms
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

  metadata(account: RowKey, mailbox: RowKey | null) {
    return this.#reader.metadata(account, mailbox)
  }

  granted(names: readonly string[]) {
    return this.#reader.granted(names)
  }

  isKnownAs(name: string) {
    return this.#reader.isKnownAs(name)
  }

  metadataCount(account: RowKey) {
    return this.#reader.metadataCount(account)
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

  uidsChangedSince(mailbox: RowKey, modSeq: ModSeq) {
    return this.#reader.uidsChangedSince(mailbox, modSeq)
  }

  uidsExpungedSince(mailbox: RowKey, modSeq: ModSeq) {
    return this.#reader.uidsExpungedSince(mailbox, modSeq)
  }

  lastUidUpTo(mailbox: RowKey, lsn: Lsn) {
    return this.#reader.lastUidUpTo(mailbox, lsn)
  }

  uidsWithEmailIds(mailbox: RowKey, emailIds: readonly string[], first: number, last: number) {
    return this.#reader.uidsWithEmailIds(mailbox, emailIds, first, last)
  }

  uidsMarkedDeleted(mailbox: RowKey) {
    return this.#reader.uidsMarkedDeleted(mailbox)
  }

  sizeMarkedDeleted(mailbox: RowKey) {
    return this.#reader.sizeMarkedDeleted(mailbox)
  }

  source(mailbox: RowKey, uid: Uid) {
    return this.#reader.source(mailbox, uid)
  }

  bodyHolders(after: BodyCursor | null, rowsMax: number, visit: (holder: BodyHolder) => void) {
    return this.#reader.bodyHolders(after, rowsMax, visit)
  }

  expungedLsn(message: MessageName) {
    return this.#reader.expungedLsn(message)
  }

  forgetExpunged(messages: readonly MessageName[]): void {
    if (messages.length === 0) return
    const { forgetHeader, forgetExpunged } = this.#connection
    this.#write(() => {
      for (const { mailbox, uid } of messages) {
        forgetHeader.run(mailbox, uid)
        forgetExpunged.run(mailbox, uid)
      }
    })
    this.#unwritten += messages.length
  }

  delivery(id: Uint8Array) {
    return this.#reader.delivery(id)
  }

  get queue() {
    return this.#reader.queue
  }

  get moves() {
    return this.#reader.moves
  }

  sweepQueue(beforeMs: number, rowsMax: number): void {
    const { sweepQueueFrom, sweepQueue } = this.#connection
    const rows = sweepQueueFrom.all(beforeMs, rowsMax)
    if (rows.length === 0) return
    this.#write(() => {
      for (const row of rows) sweepQueue.run(int(row, 0))
    })
    this.#unwritten += rows.length
  }

  sweepDeliveries(beforeMs: number, rowsMax: number): void {
    const rows = this.#connection.sweepFrom.all(this.#sweptTo, rowsMax)
    const last = rows.at(-1)
    this.#sweptTo = last === undefined ? new Uint8Array(0) : blob(last, 0)
    const old = rows.filter((row) => int(row, 1) < beforeMs)
    if (old.length === 0) return
    this.#write(() => {
      for (const row of old) this.#connection.sweep.run(blob(row, 0))
    })
    this.#unwritten += old.length
  }

  digest(deliveriesFromMs: number): IndexDigest {
    return this.#connection.digester.of(deliveriesFromMs)
  }

  flush(): void {
    if (this.#unwritten === 0) return
    const { commit, db } = this.#connection
    try {
      commit.run()
    } catch (cause) {
      // A full disk may leave it open: everything can still be read, and the end is tried again.
      if (db.isTransaction) throw cause
      if (foundNoSpace(cause) && this.#doAgain()) throw cause
      this.#forgetWork()
      this.#appliedLsn = this.#readAppliedLsn()
      throw new IndexError('INDEX_TAKEN_BACK', 'Cannot go on with the index: SQLite took back what was applied', {
        cause,
      })
    }
    this.#forgetWork()
    this.#flushFrom = this.#recordsPerTransaction
  }

  checkpoint(): void {
    this.flush()
    this.#connection.db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  close(): void {
    try {
      this.flush()
    } catch {
      // The next start applies it again from the log.
    }
    this.#connection.close()
  }

  /** A transaction that cannot be ended now grows by as much again before it is tried from here; `maintenance.ts` says why. */
  #flushEarly(): void {
    try {
      this.flush()
    } catch (error) {
      if (this.#unwritten === 0) throw error
      this.#flushFrom = this.#unwritten + this.#recordsPerTransaction
    }
  }

  /** Does `work` in the open transaction, or begins one. */
  #write<T>(work: () => T): T {
    const { db, begin } = this.#connection
    if (this.#unwritten === 0) begin.run()
    try {
      const result = work()
      // While it is built nobody reads it, and it is begun anew after any error.
      if (!this.#building) this.#work.push(work)
      return result
    } catch (error) {
      this.#forgetWork()
      if (db.isTransaction) db.exec('ROLLBACK')
      this.#appliedLsn = this.#readAppliedLsn()
      throw error
    }
  }

  /** After a transaction was taken back: the same once more, in a new one. False: there is no space for that either. */
  #doAgain(): boolean {
    const { begin, db } = this.#connection
    if (this.#building) return false
    try {
      begin.run()
      for (const work of this.#work) work()
      return true
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      if (foundNoSpace(error)) return false
      throw error
    }
  }

  #forgetWork(): void {
    this.#unwritten = 0
    this.#work = []
  }

  #readAppliedLsn(): Lsn {
    const { db, path } = this.#connection
    const state = asArrays(db.prepare('SELECT applied_lsn FROM state')).get()
    if (state === undefined) throw new IndexError('INDEX_DAMAGED', `Cannot use ${path}: it has no applied LSN`)
    return toLsn(int(state, 0))
  }
}
