/**
 * Folds committed records into the tables. Everything was decided by the primary and stands in the record: applying only
 * copies and counts. Counters of a mailbox are gathered over a batch and written once, at its end or before a record that
 * looks at them.
 */
import type { DatabaseSync } from 'node:sqlite'
import { unreachable } from '#lib/errors/assert.ts'
import { Flag, type Flags } from '#lib/mail/flags.ts'
import type { AccountId, Lsn, MailboxId, ModSeq, Uid } from '#lib/mail/types.ts'
import {
  type MessagesAdd,
  type MessagesFlags,
  type NewMailbox,
  type NewMessage,
  RecordType,
  type RecoveryJump,
} from '../records/types.ts'
import { asArrays, bodyColumn, int, keywordsColumn } from './columns.ts'
import { IndexError } from './errors.ts'
import { MoveApplier } from './move-applier.ts'
import type { AccountStatus, CommittedRecord, MailboxRow, RowKey } from './port.ts'
import { QueueApplier } from './queue-applier.ts'
import { ACCOUNT_STATUSES, MAILBOX_COLUMNS, mailboxRow } from './reader.ts'
import { FORGOTTEN } from './schema.ts'

/** What a batch does to one mailbox, not yet written. */
interface MailboxChanges {
  readonly key: RowKey
  recentUpTo: number
  uidNext: number
  modSeq: number
  messages: number
  unseen: number
  deleted: number
  recent: number
  sizeBytes: number
}

/** A mailbox with this UIDNEXT has used all UIDs. */
const UID_END = 0x1_0000_0000

const MOVED =
  'mailbox, uid, mod_seq, flags, keywords, internal_ms, save_ms, size, email_id, header, body, body_size, fact_lsn'

function prepareWrites(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    applied: prepare('UPDATE state SET applied_lsn = ?'),
    own: prepare(
      'INSERT INTO accounts (id, generation, quota, status, mod_seq, uid_validity_max) VALUES (?, ?, ?, 0, ?, 0) ' +
        'ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, quota = excluded.quota, status = 0, ' +
        'mod_seq = max(mod_seq, excluded.mod_seq)',
    ),
    accountKey: prepare('SELECT key FROM accounts WHERE id = ?'),
    accountUpdate: prepare('UPDATE accounts SET quota = ?, status = ? WHERE key = ?'),
    accountStatus: prepare('UPDATE accounts SET status = ? WHERE key = ?'),
    accountModSeq: prepare('UPDATE accounts SET mod_seq = max(mod_seq, ?) WHERE key = ?'),
    accountUidValidity: prepare('UPDATE accounts SET uid_validity_max = max(uid_validity_max, ?) WHERE key = ?'),
    allMailboxesGone: prepare('UPDATE mailboxes SET gone = ? WHERE account = ? AND gone = 0'),
    unsubscribeAll: prepare('DELETE FROM subscriptions WHERE account = ?'),
    createMailbox: prepare(
      'INSERT INTO mailboxes (id, account, name, uid_validity, special_use, highest_mod_seq) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    renameMailbox: prepare('UPDATE mailboxes SET name = ? WHERE id = ? AND account = ?'),
    mailboxGone: prepare('UPDATE mailboxes SET gone = ? WHERE id = ? AND account = ? AND gone = 0'),
    subscribe: prepare('INSERT OR IGNORE INTO subscriptions VALUES (?, ?)'),
    unsubscribe: prepare('DELETE FROM subscriptions WHERE account = ? AND name = ?'),
    metadata: prepare('INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)'),
    metadataGone: prepare('DELETE FROM metadata WHERE account = ? AND mailbox = ? AND name = ?'),
    metadataOfMailbox: prepare(
      'DELETE FROM metadata WHERE account = ? AND mailbox = (SELECT key FROM mailboxes WHERE id = ?)',
    ),
    allMetadata: prepare('DELETE FROM metadata WHERE account = ?'),
    mailbox: prepare('SELECT key, recent_up_to FROM mailboxes WHERE id = ?'),
    claimRecent: prepare(
      'UPDATE mailboxes SET recent_up_to = max(recent_up_to, ?1), ' +
        'recent = (SELECT count(*) FROM messages WHERE mailbox = ?2 AND uid > max(recent_up_to, ?1)) WHERE key = ?2',
    ),
    changeMailbox: prepare(
      'UPDATE mailboxes SET uid_next = max(uid_next, ?), highest_mod_seq = max(highest_mod_seq, ?), messages = messages + ?, ' +
        `unseen = unseen + ?, deleted = deleted + ?, recent = recent + ?, size = size + ? WHERE key = ? RETURNING ${MAILBOX_COLUMNS}`,
    ),
    header: prepare('INSERT INTO header_blocks (block) VALUES (?)'),
    message: prepare(`INSERT INTO messages (${MOVED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    keyword: prepare('INSERT OR IGNORE INTO keywords VALUES (?, ?)'),
    delivery: prepare('INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)'),
    flagsAndSize: prepare('SELECT flags, size FROM messages WHERE mailbox = ? AND uid = ?'),
    setFlags: prepare('UPDATE messages SET flags = ?, keywords = ?, mod_seq = ? WHERE mailbox = ? AND uid = ?'),
    keepExpunged: prepare(
      `INSERT INTO expunged (${MOVED}, expunged_mod_seq, expunged_lsn) SELECT ${MOVED}, ?, ? FROM messages WHERE mailbox = ? AND uid = ?`,
    ),
    forgotten: prepare(
      `INSERT OR IGNORE INTO expunged (mailbox, uid, expunged_mod_seq, expunged_lsn, ${Object.keys(FORGOTTEN).join(', ')}) ` +
        `VALUES (?, ?, ?, ?, ${Object.values(FORGOTTEN).join(', ')})`,
    ),
    expunge: prepare('DELETE FROM messages WHERE mailbox = ? AND uid = ?'),
    jumpAccounts: prepare(
      'UPDATE accounts SET uid_validity_max = max(uid_validity_max, ?), mod_seq = ? + max(mod_seq, coalesce(' +
        '(SELECT max(highest_mod_seq) FROM mailboxes WHERE account = accounts.key AND gone = 0), 0))',
    ),
    jumpMailboxes: prepare(
      `UPDATE mailboxes SET uid_next = min(uid_next + ?, ${UID_END}), ` +
        'highest_mod_seq = (SELECT mod_seq FROM accounts WHERE key = account) WHERE gone = 0',
    ),
    jumpGaps: prepare(
      `INSERT INTO uid_gaps SELECT m.key, m.uid_next, min(m.uid_next + ?, ${UID_END}) - 1, a.mod_seq FROM mailboxes m ` +
        `JOIN accounts a ON a.key = m.account WHERE m.gone = 0 AND m.uid_next < ${UID_END}`,
    ),
    filledMailboxes: prepare('SELECT key, highest_mod_seq FROM mailboxes WHERE gone = 0 AND messages > 0'),
    jumpMessages: prepare('UPDATE messages SET mod_seq = ? WHERE mailbox = ?'),
  }
}

export class RecordApplier {
  readonly #writes: ReturnType<typeof prepareWrites>
  readonly #changes = new Map<MailboxId, MailboxChanges>()
  #touched = new Map<MailboxId, MailboxRow>()
  readonly #queue: QueueApplier
  readonly #moves: MoveApplier
  /** Deliveries before are not noted. */
  deliveriesFromMs = Number.NEGATIVE_INFINITY

  constructor(db: DatabaseSync) {
    this.#writes = prepareWrites(db)
    this.#queue = new QueueApplier(db)
    this.#moves = new MoveApplier(db, {
      account: (id) => this.#account(id),
      insert: (lsn, mailbox, message) => this.#insert(lsn, this.#mailbox(mailbox), message),
      flags: (mailbox, change) => this.#flags({ type: RecordType.messagesFlags, ...change, mailbox }, true),
      expunge: (lsn, mailbox, uid, modSeq) => this.#expunge(lsn, mailbox, [uid], modSeq, true),
      flush: () => this.#flush(),
    })
  }

  /** To be called inside of a transaction, which the caller rolls back if this throws. */
  apply(records: readonly CommittedRecord[], upTo: Lsn): Map<MailboxId, MailboxRow> {
    this.#changes.clear()
    this.#touched = new Map()
    for (const committed of records) this.#one(committed)
    this.#flush()
    this.#writes.applied.run(upTo)
    return this.#touched
  }

  #one({ lsn, record, compacted = false }: CommittedRecord): void {
    const writes = this.#writes
    switch (record.type) {
      case RecordType.messagesAdd:
        this.#add(lsn, record)
        return
      case RecordType.messagesFlags:
        this.#flags(record, compacted)
        return
      case RecordType.messagesExpunge:
        this.#expunge(lsn, record.mailbox, record.uids, record.modSeq, compacted)
        return
      case RecordType.messagesMove:
        this.#expunge(lsn, record.source, record.sourceUids, record.modSeq, compacted)
        for (const message of record.messages) this.#insert(lsn, this.#mailbox(record.target), message)
        return
      case RecordType.mailboxRecent: {
        this.#flush()
        const mailbox = this.#mailbox(record.mailbox)
        writes.claimRecent.run(record.upTo, mailbox.key)
        mailbox.recentUpTo = Math.max(mailbox.recentUpTo, record.upTo)
        return
      }
      case RecordType.epochStart:
        return
      case RecordType.recoveryJump:
        this.#jump(lsn, record)
        return
      case RecordType.accountOwn: {
        this.#flush()
        writes.own.run(record.account, record.generation, record.quotaBytes, record.modSeq)
        this.#moves.owned(record.account)
        this.#create(this.#account(record.account), record.mailboxes, record.modSeq)
        return
      }
      case RecordType.accountUpdate:
        writes.accountUpdate.run(
          record.quotaBytes,
          statusNumber(record.suspended ? 'suspended' : 'active'),
          this.#account(record.account),
        )
        return
      case RecordType.accountDelete: {
        const account = this.#account(record.account)
        writes.accountStatus.run(statusNumber('deleted'), account)
        writes.allMailboxesGone.run(lsn, account)
        writes.unsubscribeAll.run(account)
        writes.allMetadata.run(account)
        return
      }
      case RecordType.mailboxCreate: {
        const account = this.#account(record.account)
        this.#create(account, record.mailboxes, record.modSeq)
        writes.accountModSeq.run(record.modSeq, account)
        return
      }
      case RecordType.mailboxRename: {
        const account = this.#account(record.account)
        for (const { id, name } of record.names) writes.renameMailbox.run(name, id, account)
        this.#create(account, record.created, record.modSeq)
        writes.accountModSeq.run(record.modSeq, account)
        return
      }
      case RecordType.mailboxDelete: {
        const account = this.#account(record.account)
        writes.mailboxGone.run(lsn, record.mailbox, account)
        writes.metadataOfMailbox.run(account, record.mailbox)
        writes.accountModSeq.run(record.modSeq, account)
        return
      }
      case RecordType.mailboxMetadata: {
        const account = this.#account(record.account)
        const mailbox = record.mailbox === null ? 0 : this.#mailbox(record.mailbox).key
        for (const { name, value } of record.entries) {
          if (value === null) writes.metadataGone.run(account, mailbox, name)
          else writes.metadata.run(account, mailbox, name, value)
        }
        return
      }
      case RecordType.mailboxSubscribe: {
        const account = this.#account(record.account)
        if (record.on) writes.subscribe.run(account, record.name)
        else writes.unsubscribe.run(account, record.name)
        return
      }
      case RecordType.queueAdd:
        this.#queue.add(lsn, record)
        return
      case RecordType.queueAttempt:
        this.#queue.attempt(lsn, record)
        return
      case RecordType.queueDefer:
        this.#queue.defer(record)
        return
      case RecordType.queueDone:
        this.#queue.done(lsn, record)
        return
      case RecordType.accountMoved:
      case RecordType.moveBegin:
      case RecordType.moveReady:
      case RecordType.moveCancel:
      case RecordType.moveEnd:
      case RecordType.copyAccount:
      case RecordType.copyMessages:
        this.#flush()
        this.#moves.apply(lsn, record)
        return
      default:
        unreachable(record)
    }
  }

  #add(lsn: Lsn, record: MessagesAdd): void {
    const mailbox = this.#mailbox(record.mailbox)
    for (const message of record.messages) this.#insert(lsn, mailbox, message)
    const [first] = record.messages
    if (record.deliveryId !== null && first !== undefined && first.saveDateMs >= this.deliveriesFromMs) {
      this.#writes.delivery.run(record.deliveryId, mailbox.key, first.uid, first.saveDateMs)
    }
  }

  #insert(lsn: Lsn, mailbox: MailboxChanges, message: NewMessage): void {
    const sizeBytes = message.headerBlock.byteLength + message.body.sizeBytes
    const header =
      message.headerBlock.byteLength === 0 ? null : this.#writes.header.run(message.headerBlock).lastInsertRowid
    this.#writes.message.run(
      mailbox.key,
      message.uid,
      message.modSeq,
      message.flags.system,
      keywordsColumn(message.flags.keywords),
      message.internalDateMs,
      message.saveDateMs,
      sizeBytes,
      message.emailId,
      header,
      bodyColumn(message.body.lsns),
      message.body.sizeBytes,
      lsn,
    )
    this.#noteKeywords(mailbox, message.flags)
    mailbox.uidNext = Math.max(mailbox.uidNext, message.uid + 1)
    mailbox.modSeq = Math.max(mailbox.modSeq, message.modSeq)
    mailbox.recent += message.uid > mailbox.recentUpTo ? 1 : 0
    count(mailbox, message.flags.system, sizeBytes, 1)
  }

  #flags(record: MessagesFlags, compacted: boolean): void {
    const mailbox = this.#mailbox(record.mailbox)
    for (const { uids, flags } of record.changes) {
      const keywords = keywordsColumn(flags.keywords)
      this.#noteKeywords(mailbox, flags)
      for (const uid of uids) {
        const before = this.#writes.flagsAndSize.get(mailbox.key, uid)
        if (before === undefined && compacted) continue
        if (before === undefined) throw misfit(`flags of UID ${uid} in ${record.mailbox}: there is no such message`)
        this.#writes.setFlags.run(flags.system, keywords, record.modSeq, mailbox.key, uid)
        count(mailbox, int(before, 0), 0, -1)
        count(mailbox, flags.system, 0, 1)
      }
    }
    mailbox.modSeq = Math.max(mailbox.modSeq, record.modSeq)
  }

  #expunge(lsn: Lsn, id: MailboxId, uids: readonly Uid[], modSeq: ModSeq, compacted: boolean): void {
    const mailbox = this.#mailbox(id)
    for (const uid of uids) {
      const before = this.#writes.flagsAndSize.get(mailbox.key, uid)
      if (before === undefined && compacted) {
        // What added it was dropped; that it was there, and its UID used, stands here.
        this.#writes.forgotten.run(mailbox.key, uid, modSeq, lsn)
        mailbox.uidNext = Math.max(mailbox.uidNext, uid + 1)
        continue
      }
      if (before === undefined) throw misfit(`the expunge of UID ${uid} in ${id}: there is no such message`)
      this.#writes.keepExpunged.run(modSeq, lsn, mailbox.key, uid)
      this.#writes.expunge.run(mailbox.key, uid)
      mailbox.recent -= uid > mailbox.recentUpTo ? 1 : 0
      count(mailbox, int(before, 0), int(before, 1), -1)
    }
    mailbox.modSeq = Math.max(mailbox.modSeq, modSeq)
  }

  /** Every row of every message is written: about a second for a million of them, once in the life of a shard. */
  #jump(lsn: Lsn, { uids, modSeqs, uidValidity }: RecoveryJump): void {
    this.#flush()
    this.#moves.jumped(lsn)
    this.#writes.jumpAccounts.run(uidValidity, modSeqs)
    if (uids > 0) this.#writes.jumpGaps.run(uids)
    this.#writes.jumpMailboxes.run(uids)
    for (const row of this.#writes.filledMailboxes.all()) this.#writes.jumpMessages.run(int(row, 1), int(row, 0))
  }

  #create(account: RowKey, mailboxes: readonly NewMailbox[], modSeq: ModSeq): void {
    for (const mailbox of mailboxes) {
      const { id, name, uidValidity, specialUse } = mailbox
      this.#writes.createMailbox.run(id, account, name, uidValidity, specialUse, modSeq)
      this.#writes.accountUidValidity.run(uidValidity, account)
      if (mailbox.subscribed) this.#writes.subscribe.run(account, name)
    }
  }

  #noteKeywords(mailbox: MailboxChanges, flags: Flags): void {
    for (const keyword of flags.keywords) this.#writes.keyword.run(mailbox.key, keyword)
  }

  #account(id: AccountId): RowKey {
    const row = this.#writes.accountKey.get(id)
    if (row === undefined) throw misfit(`a record of account ${id}: this log does not own it`)
    return int(row, 0)
  }

  #mailbox(id: MailboxId): MailboxChanges {
    const begun = this.#changes.get(id)
    if (begun !== undefined) return begun
    const row = this.#writes.mailbox.get(id)
    if (row === undefined) throw misfit(`a record of mailbox ${id}: nothing created it`)
    const changes = {
      key: int(row, 0),
      recentUpTo: int(row, 1),
      uidNext: 0,
      modSeq: 0,
      messages: 0,
      unseen: 0,
      deleted: 0,
      recent: 0,
      sizeBytes: 0,
    }
    this.#changes.set(id, changes)
    return changes
  }

  #flush(): void {
    for (const [id, { key, uidNext, modSeq, messages, unseen, deleted, recent, sizeBytes }] of this.#changes) {
      const row = this.#writes.changeMailbox.get(uidNext, modSeq, messages, unseen, deleted, recent, sizeBytes, key)
      if (row !== undefined) this.#touched.set(id, mailboxRow(row))
    }
    this.#changes.clear()
  }
}

/** Adds (or with -1 takes away) one message to the counters. */
function count(mailbox: MailboxChanges, system: number, sizeBytes: number, by: 1 | -1): void {
  // A change of flags comes with size 0, once with -1 and once with 1: messages stays as it is.
  mailbox.messages += by
  if ((system & Flag.seen) === 0) mailbox.unseen += by
  if ((system & Flag.deleted) !== 0) mailbox.deleted += by
  mailbox.sizeBytes += by * sizeBytes
}

function statusNumber(status: AccountStatus): number {
  return ACCOUNT_STATUSES.indexOf(status)
}

function misfit(what: string): IndexError {
  return new IndexError('INDEX_RECORD', `Cannot apply ${what}`)
}
