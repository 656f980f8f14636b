/** The questions of the index, each a prepared statement. */
import type { DatabaseSync } from 'node:sqlite'
import type { MetadataEntry, SpecialUse, UidRange } from '#lib/imap/store.ts'
import { mergeRanges, rangesOf } from '#lib/imap/syntax/ranges.ts'
import {
  type Lsn,
  type MailboxId,
  type ModSeq,
  toAccountId,
  toLsn,
  toMailboxId,
  toModSeq,
  toShardName,
  toUid,
  type Uid,
} from '#lib/mail/types.ts'
import { asArrays, blob, bodyLsns, flagsOf, int, intOrNull, type Row, text, textOrNull } from './columns.ts'
import { IndexError } from './errors.ts'
import { MoveReader } from './move-reader.ts'
import type {
  AccountRow,
  AccountStatus,
  BodyCursor,
  BodyHolder,
  DeliveryRow,
  MailboxOfAccount,
  MailboxRow,
  MessageName,
  MessageRow,
  MessageSource,
  RowKey,
} from './port.ts'
import { QueueReader } from './queue-reader.ts'

export const ACCOUNT_STATUSES: readonly AccountStatus[] = ['active', 'suspended', 'deleted', 'moved', 'arriving']

export const MAILBOX_COLUMNS =
  'key, id, name, uid_validity, special_use, uid_next, highest_mod_seq, recent_up_to, messages, unseen, deleted, recent, size'

const MESSAGE_COLUMNS = 'uid, mod_seq, flags, keywords, internal_ms, save_ms, size, email_id'
const SOURCE =
  'SELECT h.block, m.body, m.body_size FROM messages m LEFT JOIN header_blocks h ON h.key = m.header WHERE m.mailbox = ? AND m.uid = ?'
const EMPTY = new Uint8Array(0)

/** What was released twice, by an expunge and with its mailbox, was released by the first. */
function bodyHolders(table: string, expungedLsn: string): string {
  return (
    `SELECT m.mailbox, m.uid, m.body, iif(${expungedLsn} = 0 OR (b.gone > 0 AND b.gone < ${expungedLsn}), b.gone, ${expungedLsn}) ` +
    `FROM ${table} m JOIN mailboxes b ON b.key = m.mailbox WHERE (m.mailbox, m.uid) > (?, ?) ORDER BY m.mailbox, m.uid LIMIT ?`
  )
}

function uidsWithEmailIds(table: string): string {
  return `SELECT group_concat(uid) FROM ${table} WHERE mailbox = ? AND uid BETWEEN ? AND ? AND email_id IN (SELECT value FROM json_each(?))`
}

/** Every message has an EMAILID; an expunged one that was forgotten has lost it. */
const REMEMBERED = "email_id <> ''"

/** Statements of all questions on one connection. */
export function prepareReads(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    account: prepare(
      'SELECT key, id, generation, quota, status, mod_seq, uid_validity_max, home FROM accounts WHERE id = ?',
    ),
    mailboxes: prepare(`SELECT ${MAILBOX_COLUMNS} FROM mailboxes WHERE account = ? AND gone = 0 ORDER BY key`),
    subscriptions: prepare('SELECT name FROM subscriptions WHERE account = ?'),
    keywords: prepare('SELECT keyword FROM keywords WHERE mailbox = ?'),
    metadata: prepare('SELECT name, value FROM metadata WHERE account = ? AND mailbox = ? ORDER BY name'),
    granted: prepare(
      'SELECT DISTINCT a.id, m.id FROM json_each(?) wanted CROSS JOIN metadata d INDEXED BY metadata_grants ON d.name = wanted.value ' +
        "AND d.name >= '/acl/' AND d.name < '/acl0' JOIN accounts a ON a.key = d.account JOIN mailboxes m ON m.key = d.mailbox " +
        'WHERE a.status = 0 AND m.gone = 0',
    ),
    knownAs: prepare(
      'SELECT 1 FROM metadata d INDEXED BY metadata_grants JOIN accounts a ON a.key = d.account ' +
        "WHERE d.name = ? AND d.name >= '/acl/' AND d.name < '/acl0' AND d.mailbox = 0 AND a.status = 0 LIMIT 1",
    ),
    metadataCount: prepare('SELECT count(*) FROM metadata WHERE account = ?'),
    uidBounds: prepare(
      'SELECT (SELECT uid FROM messages WHERE mailbox = ?1 ORDER BY uid LIMIT 1), ' +
        '(SELECT uid FROM messages WHERE mailbox = ?1 ORDER BY uid DESC LIMIT 1), (SELECT messages FROM mailboxes WHERE key = ?1)',
    ),
    uids: prepare('SELECT group_concat(uid) FROM messages WHERE mailbox = ?'),
    uidsChangedSince: prepare('SELECT group_concat(uid) FROM messages WHERE mailbox = ? AND mod_seq > ?'),
    uidsExpungedSince: prepare('SELECT group_concat(uid) FROM expunged WHERE mailbox = ? AND expunged_mod_seq > ?'),
    uidGaps: prepare('SELECT first, last FROM uid_gaps WHERE mailbox = ? AND mod_seq > ?'),
    message: prepare(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE mailbox = ? AND uid = ?`),
    expungedMessage: prepare(`SELECT ${MESSAGE_COLUMNS} FROM expunged WHERE mailbox = ? AND uid = ? AND ${REMEMBERED}`),
    messagesBetween: prepare(
      `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`,
    ),
    messagesChangedSince: prepare(
      `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE mailbox = ? AND mod_seq > ? ORDER BY uid`,
    ),
    // Messages that were copied by a move did not come in the order of their UIDs.
    lastUidUpTo: prepare(
      'SELECT uid FROM messages WHERE mailbox = ?1 AND fact_lsn <= ?2 AND (SELECT copied_lsn FROM mailboxes WHERE key = ?1) <= ?2 ' +
        'ORDER BY uid DESC LIMIT 1',
    ),
    uidsWithEmailIds: prepare(uidsWithEmailIds('messages')),
    expungedWithEmailIds: prepare(uidsWithEmailIds('expunged')),
    uidsMarkedDeleted: prepare(
      'SELECT uid FROM messages INDEXED BY messages_deleted WHERE mailbox = ? AND flags & 4 ORDER BY uid',
    ),
    sizeMarkedDeleted: prepare(
      'SELECT coalesce(sum(size), 0) FROM messages INDEXED BY messages_deleted WHERE mailbox = ? AND flags & 4',
    ),
    source: prepare(SOURCE),
    expungedSource: prepare(`${SOURCE.replace('FROM messages', 'FROM expunged')} AND ${REMEMBERED}`),
    expungedLsn: prepare(
      'SELECT expunged_lsn FROM expunged WHERE mailbox = (SELECT key FROM mailboxes WHERE id = ?) AND uid = ?',
    ),
    bodyHolders: prepare(bodyHolders('messages', '0')),
    expungedBodyHolders: prepare(bodyHolders('expunged', 'm.expunged_lsn')),
    delivery: prepare('SELECT d.uid, m.id FROM deliveries d JOIN mailboxes m ON m.key = d.mailbox WHERE d.id = ?'),
  }
}

export class IndexReader {
  readonly #reads: ReturnType<typeof prepareReads>
  readonly queue: QueueReader
  readonly moves: MoveReader

  constructor(db: DatabaseSync) {
    this.#reads = prepareReads(db)
    this.queue = new QueueReader(db)
    this.moves = new MoveReader(db)
  }

  account(id: string): AccountRow | null {
    const row = this.#reads.account.get(id)
    return row === undefined ? null : accountRow(row)
  }

  mailboxes(account: RowKey): MailboxRow[] {
    return this.#reads.mailboxes.all(account).map(mailboxRow)
  }

  subscriptions(account: RowKey): string[] {
    return this.#reads.subscriptions.all(account).map((row) => text(row, 0))
  }

  keywords(mailbox: RowKey): string[] {
    return this.#reads.keywords.all(mailbox).map((row) => text(row, 0))
  }

  metadata(account: RowKey, mailbox: RowKey | null): MetadataEntry[] {
    return this.#reads.metadata.all(account, mailbox ?? 0).map((row) => ({ name: text(row, 0), value: blob(row, 1) }))
  }

  granted(names: readonly string[]): MailboxOfAccount[] {
    const rows = this.#reads.granted.all(JSON.stringify(names))
    return rows.map((row) => ({ account: toAccountId(text(row, 0)), mailbox: toMailboxId(text(row, 1)) }))
  }

  isKnownAs(name: string): boolean {
    return this.#reads.knownAs.get(name) !== undefined
  }

  metadataCount(account: RowKey): number {
    const row = this.#reads.metadataCount.get(account)
    return row === undefined ? 0 : int(row, 0)
  }

  uids(mailbox: RowKey): Uint32Array {
    // Where nothing was ever taken away between the first and the last, no row has to be read.
    const bounds = this.#reads.uidBounds.get(mailbox)
    const first = bounds === undefined ? null : intOrNull(bounds, 0)
    if (bounds !== undefined && first !== null && int(bounds, 1) - first + 1 === int(bounds, 2)) {
      const uids = new Uint32Array(int(bounds, 2))
      for (let i = 0; i < uids.length; i++) uids[i] = first + i
      return uids
    }
    return uidList(this.#reads.uids.get(mailbox))
  }

  uidsChangedSince(mailbox: RowKey, modSeq: ModSeq): Uint32Array {
    return uidList(this.#reads.uidsChangedSince.get(mailbox, modSeq))
  }

  uidsExpungedSince(mailbox: RowKey, modSeq: ModSeq): UidRange[] {
    const gaps = this.#reads.uidGaps.all(mailbox, modSeq).map((row) => ({ from: int(row, 0), to: int(row, 1) }))
    return mergeRanges([...gaps, ...rangesOf(uidList(this.#reads.uidsExpungedSince.get(mailbox, modSeq)))])
  }

  message(mailbox: RowKey, uid: Uid): MessageRow | null {
    const row = this.#reads.message.get(mailbox, uid)
    return row === undefined ? null : messageRow(row)
  }

  expungedMessage(mailbox: RowKey, uid: Uid): MessageRow | null {
    const row = this.#reads.expungedMessage.get(mailbox, uid)
    return row === undefined ? null : messageRow(row)
  }

  messagesBetween(mailbox: RowKey, first: Uid, last: Uid): MessageRow[] {
    return this.#reads.messagesBetween.all(mailbox, first, last).map(messageRow)
  }

  messagesChangedSince(mailbox: RowKey, modSeq: ModSeq): MessageRow[] {
    return this.#reads.messagesChangedSince.all(mailbox, modSeq).map(messageRow)
  }

  lastUidUpTo(mailbox: RowKey, lsn: number): number {
    const row = this.#reads.lastUidUpTo.get(mailbox, lsn)
    return row === undefined ? 0 : int(row, 0)
  }

  uidsWithEmailIds(mailbox: RowKey, emailIds: readonly string[], first: number, last: number): Uint32Array {
    const ids = JSON.stringify(emailIds)
    const there = uidList(this.#reads.uidsWithEmailIds.get(mailbox, first, last, ids))
    const gone = uidList(this.#reads.expungedWithEmailIds.get(mailbox, first, last, ids))
    return Uint32Array.from([...there, ...gone]).sort()
  }

  uidsMarkedDeleted(mailbox: RowKey): Uid[] {
    return this.#reads.uidsMarkedDeleted.all(mailbox).map((row) => toUid(int(row, 0)))
  }

  sizeMarkedDeleted(mailbox: RowKey): number {
    const row = this.#reads.sizeMarkedDeleted.get(mailbox)
    return row === undefined ? 0 : int(row, 0)
  }

  source(mailbox: RowKey, uid: Uid): MessageSource | null {
    const row = this.#reads.source.get(mailbox, uid) ?? this.#reads.expungedSource.get(mailbox, uid)
    if (row === undefined) return null
    return {
      headerBlock: row[0] === null ? EMPTY : blob(row, 0),
      body: { lsns: bodyLsns(row, 1), sizeBytes: int(row, 2) },
    }
  }

  bodyHolders(after: BodyCursor | null, rowsMax: number, visit: (holder: BodyHolder) => void): BodyCursor | null {
    const { table, mailbox, uid } = after ?? { table: 'messages', mailbox: 0, uid: 0 }
    if (table === 'queue') {
      const last = this.queue.bodyHolders(uid, rowsMax, visit)
      return last === null ? null : { table, mailbox: 0, uid: last }
    }
    const statement = table === 'messages' ? this.#reads.bodyHolders : this.#reads.expungedBodyHolders
    const rows = statement.all(mailbox, uid, rowsMax)
    for (const row of rows) visit({ lsns: bodyLsns(row, 2), releasedLsn: int(row, 3) })
    const last = rows.at(-1)
    if (last !== undefined && rows.length === rowsMax) return { table, mailbox: int(last, 0), uid: int(last, 1) }
    // What was expunged since its place in `messages` was passed is in `expunged` too: that comes later, so nothing is missed.
    return { table: table === 'messages' ? 'expunged' : 'queue', mailbox: 0, uid: 0 }
  }

  expungedLsn({ mailbox, uid }: MessageName): Lsn | null {
    const row = this.#reads.expungedLsn.get(mailbox, uid)
    return row === undefined ? null : toLsn(int(row, 0))
  }

  delivery(id: Uint8Array): DeliveryRow | null {
    const row = this.#reads.delivery.get(id)
    return row === undefined ? null : { uid: toUid(int(row, 0)), mailbox: toMailboxId(text(row, 1)) }
  }
}

/**
 * UIDs that SQLite joined with commas, ascending. One text costs a tenth of a row for each: a mailbox of 100,000 opens in
 * some 20 ms instead of 200.
 */
function uidList(row: Row | undefined): Uint32Array {
  const joined = row === undefined ? null : textOrNull(row, 0)
  if (joined === null) return new Uint32Array(0)
  const uids = new Uint32Array(countOf(joined))
  let length = 0
  let uid = 0
  for (let at = 0; at < joined.length; at++) {
    const code = joined.charCodeAt(at)
    if (code !== COMMA) uid = uid * 10 + code - ZERO
    else {
      uids[length++] = uid
      uid = 0
    }
  }
  uids[length] = uid
  return uids.sort()
}

const COMMA = 0x2c
const ZERO = 0x30

function countOf(joined: string): number {
  let count = 1
  for (let at = joined.indexOf(','); at >= 0; at = joined.indexOf(',', at + 1)) count++
  return count
}

function accountRow(row: Row): AccountRow {
  const status = ACCOUNT_STATUSES[int(row, 4)]
  const home = textOrNull(row, 7)
  if (status === undefined) throw new IndexError('INDEX_DAMAGED', `Cannot use account status ${int(row, 4)}`)
  return {
    key: int(row, 0),
    id: toAccountId(text(row, 1)),
    generation: int(row, 2),
    quotaBytes: intOrNull(row, 3),
    status,
    modSeq: toModSeq(int(row, 5)),
    uidValidityMax: int(row, 6),
    home: home === null ? null : toShardName(home),
  }
}

export function mailboxRow(row: Row): MailboxRow {
  return {
    key: int(row, 0),
    id: mailboxId(row),
    name: text(row, 2),
    uidValidity: int(row, 3),
    specialUse: specialUse(textOrNull(row, 4)),
    uidNext: int(row, 5),
    highestModSeq: toModSeq(int(row, 6)),
    recentUpTo: int(row, 7),
    messages: int(row, 8),
    unseen: int(row, 9),
    deleted: int(row, 10),
    recent: int(row, 11),
    sizeBytes: int(row, 12),
  }
}

function mailboxId(row: Row): MailboxId {
  return toMailboxId(text(row, 1))
}

function specialUse(word: string | null): SpecialUse | null {
  switch (word) {
    case null:
    case 'archive':
    case 'drafts':
    case 'junk':
    case 'sent':
    case 'trash':
      return word
    default:
      throw new IndexError('INDEX_DAMAGED', `Cannot use special use ${word}`)
  }
}

function messageRow(row: Row): MessageRow {
  return {
    uid: toUid(int(row, 0)),
    modSeq: toModSeq(int(row, 1)),
    flags: flagsOf(int(row, 2), textOrNull(row, 3)),
    internalDateMs: int(row, 4),
    saveDateMs: int(row, 5),
    sizeBytes: int(row, 6),
    emailId: text(row, 7),
  }
}
