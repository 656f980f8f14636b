/**
 * Folds the facts of moves into the tables. What is copied is state: an older one than what is known changes nothing, so a copy
 * that comes twice, or late, does no harm. As everywhere in the index: only copies what was decided.
 */
import type { DatabaseSync } from 'node:sqlite'
import { unreachable } from '#lib/errors/assert.ts'
import { type AccountId, type Lsn, type MailboxId, type ModSeq, toAccountId, type Uid } from '#lib/mail/types.ts'
import type {
  AccountMoved,
  CopiedMailbox,
  CopyAccount,
  CopyMessages,
  MoveBegin,
  MoveRecord,
} from '../records/move-records.ts'
import { type MessagesFlags, type NewMessage, RecordType } from '../records/types.ts'
import { asArrays, int, text } from './columns.ts'
import { MOVE_PHASES_IN, MOVE_PHASES_OUT } from './move-reader.ts'
import type { AccountStatus, RowKey } from './port.ts'
import { ACCOUNT_STATUSES } from './reader.ts'

/** How messages get into mailboxes and out of them, with all counters. */
export interface MailboxWrites {
  account(id: AccountId): RowKey
  insert(lsn: Lsn, mailbox: MailboxId, message: NewMessage): void
  flags(mailbox: MailboxId, change: Pick<MessagesFlags, 'account' | 'modSeq' | 'changes'>): void
  expunge(lsn: Lsn, mailbox: MailboxId, uid: Uid, modSeq: ModSeq): void
  /** Writes the counters that were gathered. */
  flush(): void
}

/** The rows of an account's mailboxes in a table. */
const ofAccount = (table: string) =>
  `DELETE FROM ${table} WHERE mailbox IN (SELECT key FROM mailboxes WHERE account = ?)`

function prepareWrites(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    begin: prepare(
      'INSERT OR REPLACE INTO moves (account, direction, peer, generation, move, at_ms, status_before, home_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    phase: prepare('UPDATE moves SET phase = ? WHERE account = ?'),
    readyUpTo: prepare('UPDATE moves SET phase = ?, up_to = max(up_to, ?) WHERE account = ?'),
    cancel: prepare('UPDATE moves SET phase = ?, reason = ? WHERE account = ?'),
    move: prepare('SELECT direction, status_before, home_before, suspended, up_to, phase FROM moves WHERE account = ?'),
    arriving: prepare('SELECT account, phase FROM moves WHERE direction = 1'),
    over: prepare('DELETE FROM moves WHERE account = ?'),
    accountBefore: prepare('SELECT status, home FROM accounts WHERE id = ?'),
    arrive: prepare(
      'INSERT INTO accounts (id, generation, quota, status, mod_seq, uid_validity_max, home) VALUES (?1, 0, NULL, ?2, 0, 0, ?3) ' +
        'ON CONFLICT (id) DO UPDATE SET status = ?2, home = ?3',
    ),
    place: prepare('UPDATE accounts SET status = ?, home = ? WHERE id = ?'),
    moved: prepare('UPDATE accounts SET status = ?, home = ?, generation = ? WHERE key = ?'),
    account: prepare(
      'UPDATE accounts SET quota = ?, mod_seq = max(mod_seq, ?), uid_validity_max = max(uid_validity_max, ?) WHERE key = ?',
    ),
    copied: prepare('UPDATE moves SET up_to = ?, suspended = ? WHERE account = ?'),
    mailboxes: prepare('SELECT id, key FROM mailboxes WHERE account = ? AND gone = 0'),
    makeMailbox: prepare(
      'INSERT INTO mailboxes (id, account, name, uid_validity, special_use, highest_mod_seq) VALUES (?, ?, ?, ?, ?, ?) RETURNING key',
    ),
    mailbox: prepare(
      'UPDATE mailboxes SET name = ?, special_use = ?, uid_next = max(uid_next, ?), highest_mod_seq = max(highest_mod_seq, ?) WHERE key = ?',
    ),
    recent: prepare(
      'UPDATE mailboxes SET recent_up_to = ?1, recent = (SELECT count(*) FROM messages WHERE mailbox = ?2 AND uid > ?1) ' +
        'WHERE key = ?2 AND recent_up_to < ?1',
    ),
    keyword: prepare('INSERT OR IGNORE INTO keywords VALUES (?, ?)'),
    gap: prepare('INSERT OR REPLACE INTO uid_gaps VALUES (?, ?, ?, ?)'),
    mailboxGone: prepare('UPDATE mailboxes SET gone = ? WHERE key = ?'),
    allGone: prepare('UPDATE mailboxes SET gone = ? WHERE account = ? AND gone = 0'),
    notArriving: prepare('DELETE FROM arrivals WHERE mailbox = ?'),
    noneArriving: prepare(ofAccount('arrivals')),
    unsubscribeAll: prepare('DELETE FROM subscriptions WHERE account = ?'),
    subscribe: prepare('INSERT OR IGNORE INTO subscriptions VALUES (?, ?)'),
    noMetadata: prepare('DELETE FROM metadata WHERE account = ?'),
    metadata: prepare('INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)'),
    mailboxKey: prepare('SELECT key FROM mailboxes WHERE id = ? AND account = ? AND gone = 0'),
    messageModSeq: prepare('SELECT mod_seq FROM messages WHERE mailbox = ? AND uid = ?'),
    expunged: prepare('SELECT 1 FROM expunged WHERE mailbox = ? AND uid = ?'),
    delivery: prepare('INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)'),
    cursor: prepare(
      'INSERT INTO arrivals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (mailbox) DO UPDATE SET mod_seq = excluded.mod_seq, uid = excluded.uid, ' +
        'gone_mod_seq = excluded.gone_mod_seq, gone_uid = excluded.gone_uid, delivery_uid = excluded.delivery_uid ' +
        'WHERE (excluded.mod_seq, excluded.uid, excluded.gone_mod_seq, excluded.gone_uid, excluded.delivery_uid) >= (mod_seq, uid, gone_mod_seq, gone_uid, delivery_uid)',
    ),
    copiedLsn: prepare('UPDATE mailboxes SET copied_lsn = ? WHERE key = ?'),
    // What is left of an earlier time of the account here, in this order.
    purge: [
      prepare(
        'DELETE FROM header_blocks WHERE key IN (SELECT header FROM messages WHERE mailbox IN (SELECT key FROM mailboxes WHERE account = ?1) ' +
          'UNION ALL SELECT header FROM expunged WHERE mailbox IN (SELECT key FROM mailboxes WHERE account = ?1))',
      ),
      ...['messages', 'expunged', 'keywords', 'uid_gaps', 'deliveries', 'arrivals'].map((table) =>
        prepare(ofAccount(table)),
      ),
      prepare('DELETE FROM metadata WHERE account = ?'),
      prepare('DELETE FROM subscriptions WHERE account = ?'),
      prepare('DELETE FROM mailboxes WHERE account = ?'),
    ],
  }
}

export class MoveApplier {
  readonly #writes: ReturnType<typeof prepareWrites>
  readonly #mailboxes: MailboxWrites

  constructor(db: DatabaseSync, mailboxes: MailboxWrites) {
    this.#writes = prepareWrites(db)
    this.#mailboxes = mailboxes
  }

  /** The caller has written all counters that it gathered. */
  apply(lsn: Lsn, record: MoveRecord): void {
    switch (record.type) {
      case RecordType.moveBegin:
        this.#begin(record)
        return
      case RecordType.moveReady:
        this.#writes.readyUpTo.run(MOVE_PHASES_IN.indexOf('ready'), record.upTo, record.account)
        return
      case RecordType.moveCancel:
        this.#writes.cancel.run(MOVE_PHASES_OUT.indexOf('cancelling'), record.reason, record.account)
        return
      case RecordType.moveEnd:
        this.#end(lsn, record.account)
        return
      case RecordType.accountMoved:
        this.#moved(lsn, record)
        return
      case RecordType.copyAccount:
        this.#copyAccount(lsn, record)
        return
      case RecordType.copyMessages:
        this.#copyMessages(lsn, record)
        return
      default:
        unreachable(record)
    }
  }

  /** The account is owned here: what arrived becomes it. */
  owned(account: AccountId): void {
    const { move, place, noneArriving, over } = this.#writes
    const row = move.get(account)
    const arrived = row !== undefined && int(row, 0) === 1
    const suspended = arrived && int(row, 3) === 1
    place.run(statusNumber(suspended ? 'suspended' : 'active'), null, account)
    if (!arrived) return
    noneArriving.run(this.#mailboxes.account(account))
    over.run(account)
  }

  /**
   * A recovery jump gives all messages other MODSEQs, with which no copy can go on: what is half copied is given up, what is
   * whole stays as it is, and takes part in the jump.
   */
  jumped(lsn: Lsn): void {
    const { arriving, phase } = this.#writes
    for (const row of arriving.all()) {
      if (MOVE_PHASES_IN[int(row, 1)] === 'copying') this.#end(lsn, toAccountId(text(row, 0)))
      else phase.run(MOVE_PHASES_IN.indexOf('sealed'), text(row, 0))
    }
  }

  #begin({ account, direction, peer, generation, move, atMs }: MoveBegin): void {
    const writes = this.#writes
    const before = writes.accountBefore.get(account)
    const statusBefore = before === undefined ? statusNumber('deleted') : int(before, 0)
    const homeBefore = before?.[1] ?? null
    writes.begin.run(account, direction === 'out' ? 0 : 1, peer, generation, move, atMs, statusBefore, homeBefore)
    if (direction === 'out') return
    writes.arrive.run(account, statusNumber('arriving'), peer)
    const key = this.#mailboxes.account(account)
    for (const statement of writes.purge) statement.run(key)
  }

  #end(lsn: Lsn, account: AccountId): void {
    const writes = this.#writes
    const row = writes.move.get(account)
    if (row === undefined) return
    if (int(row, 0) === 1) {
      const key = this.#mailboxes.account(account)
      writes.allGone.run(lsn, key)
      writes.unsubscribeAll.run(key)
      writes.noMetadata.run(key)
      writes.noneArriving.run(key)
      writes.place.run(int(row, 1), row[2] ?? null, account)
    }
    writes.over.run(account)
  }

  #moved(lsn: Lsn, { account, target, generation, upTo }: AccountMoved): void {
    const writes = this.#writes
    const key = this.#mailboxes.account(account)
    writes.moved.run(statusNumber('moved'), target, generation, key)
    writes.allGone.run(lsn, key)
    writes.unsubscribeAll.run(key)
    writes.noMetadata.run(key)
    writes.readyUpTo.run(MOVE_PHASES_OUT.indexOf('decided'), upTo, account)
  }

  #copyAccount(lsn: Lsn, record: CopyAccount): void {
    const writes = this.#writes
    const { account, upTo, quotaBytes, suspended, modSeq, uidValidityMax } = record
    const move = writes.move.get(account)
    if (move === undefined || int(move, 4) > upTo) return
    const key = this.#mailboxes.account(account)
    writes.copied.run(upTo, Number(suspended), account)
    writes.account.run(quotaBytes, modSeq, uidValidityMax, key)
    const left = new Map(writes.mailboxes.all(key).map((row) => [text(row, 0), int(row, 1)]))
    for (const mailbox of record.mailboxes) {
      this.#copyMailbox(key, mailbox, left.get(mailbox.id))
      left.delete(mailbox.id)
    }
    for (const gone of left.values()) {
      writes.mailboxGone.run(lsn, gone)
      writes.notArriving.run(gone)
    }
    writes.unsubscribeAll.run(key)
    for (const name of record.subscriptions) writes.subscribe.run(key, name)
    if (record.metadata === null) return
    writes.noMetadata.run(key)
    for (const { mailbox, entries } of record.metadata) {
      const place = mailbox === null ? 0 : writes.mailboxKey.get(mailbox, key)
      if (place === undefined) continue
      const row = place === 0 ? 0 : int(place, 0)
      for (const { name, value } of entries) writes.metadata.run(key, row, name, value)
    }
  }

  #copyMailbox(account: RowKey, mailbox: CopiedMailbox, known: RowKey | undefined): void {
    const writes = this.#writes
    const { id, name, uidValidity, specialUse, uidNext, highestModSeq, recentUpTo } = mailbox
    const made = known === undefined ? writes.makeMailbox.get(id, account, name, uidValidity, specialUse, 0) : undefined
    const key = known ?? (made === undefined ? 0 : int(made, 0))
    writes.mailbox.run(name, specialUse, uidNext, highestModSeq, key)
    writes.recent.run(recentUpTo, key)
    for (const keyword of mailbox.keywords) writes.keyword.run(key, keyword)
    for (const { first, last, modSeq } of mailbox.gaps) writes.gap.run(key, first, last, modSeq)
  }

  #copyMessages(lsn: Lsn, record: CopyMessages): void {
    const writes = this.#writes
    const { account, mailbox } = record
    const row = writes.mailboxKey.get(mailbox, this.#mailboxes.account(account))
    if (row === undefined) return // gone meanwhile
    const key = int(row, 0)
    const known = (uid: Uid) => writes.messageModSeq.get(key, uid)
    for (const message of record.messages) {
      const isNew = known(message.uid) === undefined && writes.expunged.get(key, message.uid) === undefined
      if (isNew) this.#mailboxes.insert(lsn, mailbox, message)
      else this.#copyFlags(account, mailbox, key, message)
    }
    for (const change of record.flags) this.#copyFlags(account, mailbox, key, change)
    for (const { uid, modSeq } of record.gone) this.#mailboxes.expunge(lsn, mailbox, uid, modSeq)
    for (const { id, uid, atMs } of record.deliveries) writes.delivery.run(id, key, uid, atMs)
    const { modSeq, uid, goneModSeq, goneUid, deliveryUid } = record.cursor
    writes.cursor.run(key, modSeq, uid, goneModSeq, goneUid, deliveryUid)
    writes.copiedLsn.run(lsn, key)
    this.#mailboxes.flush()
  }

  #copyFlags(
    account: AccountId,
    mailbox: MailboxId,
    key: RowKey,
    { uid, modSeq, flags }: Pick<NewMessage, 'uid' | 'modSeq' | 'flags'>,
  ): void {
    const row = this.#writes.messageModSeq.get(key, uid)
    if (row === undefined || int(row, 0) >= modSeq) return
    this.#mailboxes.flags(mailbox, { account, modSeq, changes: [{ uids: [uid], flags }] })
  }
}

function statusNumber(status: AccountStatus): number {
  return ACCOUNT_STATUSES.indexOf(status)
}
