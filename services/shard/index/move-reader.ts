/** The questions of moves, each a prepared statement. Pages are in the order of what changed last, so that a copy can go on where it was. */
import type { DatabaseSync } from 'node:sqlite'
import { type AccountId, type MailboxId, toAccountId, toLsn, toModSeq, toShardName, toUid } from '#lib/mail/types.ts'
import type { CopyCursor, UidGap } from '../records/move-records.ts'
import { asArrays, blob, bodyLsns, flagsOf, int, type Row, text, textOrNull } from './columns.ts'
import { IndexError } from './errors.ts'
import type { CopyRow, DeliveryIdRow, GoneRow, MovePhase, MoveRow } from './move-rows.ts'
import type { RowKey } from './port.ts'

/** Position is the number in the table. */
export const MOVE_PHASES_OUT: readonly MovePhase[] = ['copying', 'decided', 'cancelling']
export const MOVE_PHASES_IN: readonly MovePhase[] = ['copying', 'ready', 'sealed']

const NOTHING_COPIED: CopyCursor = { modSeq: 0, uid: 0, goneModSeq: 0, goneUid: 0, deliveryUid: 0 }
const EMPTY = new Uint8Array(0)
const MOVE = 'account, direction, peer, generation, move, at_ms, phase, up_to, reason'

function prepareMoveReads(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    one: prepare(`SELECT ${MOVE} FROM moves WHERE account = ?`),
    all: prepare(`SELECT ${MOVE} FROM moves ORDER BY at_ms, account`),
    cursor: prepare('SELECT mod_seq, uid, gone_mod_seq, gone_uid, delivery_uid FROM arrivals WHERE mailbox = ?'),
    messages: prepare(
      'SELECT m.uid, m.mod_seq, m.flags, m.keywords, m.internal_ms, m.save_ms, m.email_id, h.block, m.body, m.body_size ' +
        'FROM messages m INDEXED BY messages_by_mod_seq LEFT JOIN header_blocks h ON h.key = m.header ' +
        'WHERE m.mailbox = ? AND (m.mod_seq, m.uid) > (?, ?) ORDER BY m.mod_seq, m.uid LIMIT ?',
    ),
    gone: prepare(
      'SELECT uid, expunged_mod_seq FROM expunged INDEXED BY expunged_by_mod_seq ' +
        'WHERE mailbox = ? AND (expunged_mod_seq, uid) > (?, ?) ORDER BY expunged_mod_seq, uid LIMIT ?',
    ),
    deliveries: prepare('SELECT id, uid, at_ms FROM deliveries WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?'),
    gaps: prepare('SELECT first, last, mod_seq FROM uid_gaps WHERE mailbox = ? ORDER BY first'),
    loads: prepare(
      'SELECT a.id, (SELECT coalesce(sum(m.size), 0) FROM mailboxes m WHERE m.account = a.key AND m.gone = 0) FROM accounts a ' +
        'WHERE a.id > ? AND a.status IN (0, 1) ORDER BY a.id LIMIT ?',
    ),
    mailbox: prepare('SELECT key FROM mailboxes WHERE id = ? AND account = ? AND gone = 0'),
    uidNext: prepare('SELECT uid_next FROM mailboxes WHERE key = ?'),
    known: prepare(
      'SELECT 1 FROM messages WHERE mailbox = ?1 AND uid = ?2 UNION ALL SELECT 1 FROM expunged WHERE mailbox = ?1 AND uid = ?2',
    ),
  }
}

export class MoveReader {
  readonly #reads: ReturnType<typeof prepareMoveReads>

  constructor(db: DatabaseSync) {
    this.#reads = prepareMoveReads(db)
  }

  /** The move of an account that is under way here. */
  move(account: AccountId): MoveRow | null {
    const row = this.#reads.one.get(account)
    return row === undefined ? null : moveRow(row)
  }

  all(): MoveRow[] {
    return this.#reads.all.all().map(moveRow)
  }

  /** Bytes of the accounts that are served here, by id. */
  loads(after: string, rowsMax: number): { readonly account: AccountId; readonly bytes: number }[] {
    return this.#reads.loads
      .all(after, rowsMax)
      .map((row) => ({ account: toAccountId(text(row, 0)), bytes: int(row, 1) }))
  }

  /** A mailbox of the account that was not deleted. */
  mailbox(account: RowKey, id: MailboxId): RowKey | null {
    const row = this.#reads.mailbox.get(id, account)
    return row === undefined ? null : int(row, 0)
  }

  /** How far the messages of a mailbox that arrives are copied. */
  cursor(mailbox: RowKey): CopyCursor {
    const row = this.#reads.cursor.get(mailbox)
    if (row === undefined) return NOTHING_COPIED
    return {
      modSeq: int(row, 0),
      uid: int(row, 1),
      goneModSeq: int(row, 2),
      goneUid: int(row, 3),
      deliveryUid: int(row, 4),
    }
  }

  /** Messages that changed after the cursor. */
  messagesAfter(mailbox: RowKey, cursor: CopyCursor, rowsMax: number): CopyRow[] {
    return this.#reads.messages.all(mailbox, cursor.modSeq, cursor.uid, rowsMax).map(copyRow)
  }

  /** UIDs that were expunged after the cursor. */
  goneAfter(mailbox: RowKey, cursor: CopyCursor, rowsMax: number): GoneRow[] {
    return this.#reads.gone
      .all(mailbox, cursor.goneModSeq, cursor.goneUid, rowsMax)
      .map((row) => ({ uid: toUid(int(row, 0)), modSeq: toModSeq(int(row, 1)) }))
  }

  /** Ids of letters that were delivered to the mailbox, by UID. */
  deliveriesAfter(mailbox: RowKey, uid: number, rowsMax: number): DeliveryIdRow[] {
    return this.#reads.deliveries
      .all(mailbox, uid, rowsMax)
      .map((row) => ({ id: blob(row, 0), uid: toUid(int(row, 1)), atMs: int(row, 2) }))
  }

  gaps(mailbox: RowKey): UidGap[] {
    return this.#reads.gaps
      .all(mailbox)
      .map((row) => ({ first: toUid(int(row, 0)), last: toUid(int(row, 1)), modSeq: toModSeq(int(row, 2)) }))
  }

  uidNext(mailbox: RowKey): number {
    const row = this.#reads.uidNext.get(mailbox)
    return row === undefined ? 0 : int(row, 0)
  }

  /** Whether a message with this UID is, or was, in the mailbox. */
  knows(mailbox: RowKey, uid: number): boolean {
    return this.#reads.known.get(mailbox, uid) !== undefined
  }
}

function moveRow(row: Row): MoveRow {
  const out = int(row, 1) === 0
  const phase = (out ? MOVE_PHASES_OUT : MOVE_PHASES_IN)[int(row, 6)]
  if (phase === undefined) throw new IndexError('INDEX_DAMAGED', `Cannot use phase ${int(row, 6)} of a move`)
  return {
    account: toAccountId(text(row, 0)),
    direction: out ? 'out' : 'in',
    peer: toShardName(text(row, 2)),
    generation: int(row, 3),
    move: text(row, 4),
    atMs: int(row, 5),
    phase,
    upTo: toLsn(int(row, 7)),
    reason: text(row, 8),
  }
}

function copyRow(row: Row): CopyRow {
  return {
    uid: toUid(int(row, 0)),
    modSeq: toModSeq(int(row, 1)),
    flags: flagsOf(int(row, 2), textOrNull(row, 3)),
    internalDateMs: int(row, 4),
    saveDateMs: int(row, 5),
    emailId: text(row, 6),
    headerBlock: row[7] === null ? EMPTY : blob(row, 7),
    body: { lsns: bodyLsns(row, 8), sizeBytes: int(row, 9) },
  }
}
