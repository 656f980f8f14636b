/** The questions about the queue, each a prepared statement. */
import type { DatabaseSync } from 'node:sqlite'
import { NOTIFY_OCCASIONS, type NotifyOccasion } from '#lib/mail/notify.ts'
import { type AccountId, type Lsn, toAccountId, toLsn } from '#lib/mail/types.ts'
import { asArrays, blob, bodyLsns, int, intOrNull, type Row, text, textOrNull } from './columns.ts'
import { IndexError } from './errors.ts'
import type { BodyHolder } from './port.ts'
import {
  type DestinationRow,
  QUEUE_KINDS,
  QUEUE_STATES,
  type QueueEntryRow,
  type QueueRecipientRow,
  type QueueTotals,
} from './queue-rows.ts'

const ENTRY =
  'entry, account, kind, reverse_path, trace, added_ms, expires_ms, eight_bit, utf8, ret, envid, header, body, body_size'
/** Row of `queue_counts` that counts entries. */
const OPEN_ENTRIES = 9
const RECIPIENT =
  'entry, place, address, destination, notify, orcpt, state, due_ms, attempts, attempt, warned, reply, remote'

export function prepareQueueReads(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    entry: prepare(`SELECT ${ENTRY} FROM queue WHERE entry = ? AND open > 0`),
    openEntries: prepare(`SELECT ${ENTRY} FROM queue WHERE entry > ? AND open > 0 ORDER BY entry LIMIT ?`),
    byDelivery: prepare('SELECT entry FROM queue WHERE delivery_id = ?'),
    ofAccount: prepare('SELECT entry FROM queue WHERE account = ? AND open > 0 ORDER BY entry'),
    recipients: prepare(`SELECT ${RECIPIENT} FROM queue_recipients WHERE entry = ? ORDER BY place`),
    recipient: prepare(`SELECT ${RECIPIENT} FROM queue_recipients WHERE entry = ? AND place = ?`),
    due: prepare(
      `SELECT ${RECIPIENT} FROM queue_recipients WHERE destination = ? AND state = 0 AND due_ms <= ? ORDER BY due_ms LIMIT ?`,
    ),
    destinations: prepare(
      'SELECT destination, min(due_ms), count(*) FROM queue_recipients WHERE state = 0 GROUP BY destination',
    ),
    destination: prepare('SELECT min(due_ms) FROM queue_recipients WHERE destination = ? AND state = 0'),
    attempting: prepare(`SELECT ${RECIPIENT} FROM queue_recipients WHERE state = 1 AND attempt > 0`),
    sentSince: prepare('SELECT coalesce(sum(recipients), 0) FROM queue WHERE account = ? AND added_ms > ?'),
    counts: prepare('SELECT state, count FROM queue_counts'),
    expired: prepare(
      'SELECT entry FROM queue WHERE open > 0 AND expires_ms < ? AND EXISTS (SELECT 1 FROM queue_recipients r WHERE r.entry = queue.entry AND r.state = 0) ' +
        'ORDER BY expires_ms LIMIT ?',
    ),
    oldest: prepare('SELECT min(added_ms) FROM queue WHERE open > 0'),
    holders: prepare('SELECT entry, body, done_lsn FROM queue WHERE entry > ? ORDER BY entry LIMIT ?'),
  }
}

export class QueueReader {
  readonly #reads: ReturnType<typeof prepareQueueReads>

  constructor(db: DatabaseSync) {
    this.#reads = prepareQueueReads(db)
  }

  /** Null: it is done, or was never there. */
  entry(entry: Lsn): QueueEntryRow | null {
    const row = this.#reads.entry.get(entry)
    return row === undefined ? null : entryRow(row)
  }

  /** Open ones in the order in which they came. @param after 0: from the first */
  openEntries(after: number, rowsMax: number): QueueEntryRow[] {
    return this.#reads.openEntries.all(after, rowsMax).map(entryRow)
  }

  /** The entry that was made with this delivery id in the last 7 days, open or done. */
  byDelivery(id: Uint8Array): Lsn | null {
    const row = this.#reads.byDelivery.get(id)
    return row === undefined ? null : toLsn(int(row, 0))
  }

  /** Open entries that the account has put in. */
  openOfAccount(account: AccountId): Lsn[] {
    return this.#reads.ofAccount.all(account).map((row) => toLsn(int(row, 0)))
  }

  /** Those who are open. */
  recipients(entry: Lsn): QueueRecipientRow[] {
    return this.#reads.recipients.all(entry).map(recipientRow)
  }

  recipient(entry: Lsn, place: number): QueueRecipientRow | null {
    const row = this.#reads.recipient.get(entry, place)
    return row === undefined ? null : recipientRow(row)
  }

  /** Who of a destination waits and is due, the earliest first. */
  due(destination: string, nowMs: number, rowsMax: number): QueueRecipientRow[] {
    return this.#reads.due.all(destination, nowMs, rowsMax).map(recipientRow)
  }

  /** Reads the index of all who wait: once, when a shard begins to serve. */
  destinations(): DestinationRow[] {
    return this.#reads.destinations
      .all()
      .map((row) => ({ destination: text(row, 0), dueMs: int(row, 1), waiting: int(row, 2) }))
  }

  /** When the first of a destination is due; null: nobody waits. */
  destinationDueMs(destination: string): number | null {
    const row = this.#reads.destination.get(destination)
    return row === undefined ? null : intOrNull(row, 0)
  }

  attempting(): QueueRecipientRow[] {
    return this.#reads.attempting.all().map(recipientRow)
  }

  /** Recipients of letters that the account has put into the queue since then. */
  sentSince(account: AccountId, sinceMs: number): number {
    const row = this.#reads.sentSince.get(account, sinceMs)
    return row === undefined ? 0 : int(row, 0)
  }

  /** Counted by triggers (`schema.ts`). */
  totals(): QueueTotals {
    const counts = new Map<number, number>()
    for (const row of this.#reads.counts.all()) counts.set(int(row, 0), int(row, 1))
    const count = (state: number) => counts.get(state) ?? 0
    const oldest = this.#reads.oldest.get()
    return {
      entries: count(OPEN_ENTRIES),
      waiting: count(QUEUE_STATES.indexOf('waiting')),
      attempting: count(QUEUE_STATES.indexOf('attempting')),
      held: count(QUEUE_STATES.indexOf('held')),
      oldestMs: oldest === undefined ? null : intOrNull(oldest, 0),
    }
  }

  /** Entries with recipients that wait although their time is over. */
  expired(nowMs: number, rowsMax: number): Lsn[] {
    return this.#reads.expired.all(nowMs, rowsMax).map((row) => toLsn(int(row, 0)))
  }

  /** As `ShardIndex.bodyHolders`. @returns The last entry seen; null: that was all */
  bodyHolders(after: number, rowsMax: number, visit: (holder: BodyHolder) => void): number | null {
    const rows = this.#reads.holders.all(after, rowsMax)
    for (const row of rows) visit({ lsns: bodyLsns(row, 1), releasedLsn: int(row, 2) })
    const last = rows.at(-1)
    return last !== undefined && rows.length === rowsMax ? int(last, 0) : null
  }
}

function entryRow(row: Row): QueueEntryRow {
  const account = textOrNull(row, 1)
  const ret = textOrNull(row, 9)
  return {
    entry: toLsn(int(row, 0)),
    account: account === null ? null : toAccountId(account),
    kind: known(QUEUE_KINDS[int(row, 2)], row, 2),
    reversePath: text(row, 3),
    traceId: text(row, 4),
    addedMs: int(row, 5),
    expiresMs: int(row, 6),
    eightBit: int(row, 7) === 1,
    smtpUtf8: int(row, 8) === 1,
    ret: ret === 'FULL' || ret === 'HDRS' ? ret : null,
    envid: textOrNull(row, 10),
    headerBlock: blob(row, 11),
    body: { lsns: bodyLsns(row, 12), sizeBytes: int(row, 13) },
  }
}

function recipientRow(row: Row): QueueRecipientRow {
  return {
    entry: toLsn(int(row, 0)),
    place: int(row, 1),
    address: text(row, 2),
    destination: text(row, 3),
    notify: occasions(textOrNull(row, 4)),
    orcpt: textOrNull(row, 5),
    state: known(QUEUE_STATES[int(row, 6)], row, 6),
    dueMs: int(row, 7),
    attempts: int(row, 8),
    attempt: int(row, 9),
    warned: int(row, 10) === 1,
    reply: text(row, 11),
    remote: text(row, 12),
  }
}

function occasions(words: string | null): readonly NotifyOccasion[] | null {
  if (words === null) return null
  const said = words.split(' ')
  return NOTIFY_OCCASIONS.filter((occasion) => said.includes(occasion))
}

function known<T>(value: T | undefined, row: Row, column: number): T {
  if (value === undefined)
    throw new IndexError('INDEX_DAMAGED', `Cannot use the number ${row[column]} in column ${column}`)
  return value
}
