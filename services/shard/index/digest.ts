/**
 * Hashes of the logical content of an index: equal for two indexes that mean the same, however their rows came about.
 * Mailboxes and accounts stand by their ids, not by row keys. This walks every row: for fsck and tests, in a process apart.
 */
import { createHash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { asArrays, blob, int, type Row, text } from './columns.ts'
import type { IndexDigest, RowKey } from './port.ts'

/** Rows per question about letters: few calls for a small index, little memory for a large one. */
const PAGE_ROWS = 500

const MESSAGE =
  "m.uid || ',' || m.mod_seq || ',' || m.flags || ',' || quote(m.keywords) || ',' || m.internal_ms || ',' || m.save_ms || ',' || m.size || ',' || " +
  "m.email_id || ',' || quote(h.block) || ',' || quote(m.body) || ',' || m.body_size || ',' || m.fact_lsn"

function messagesOf(table: string, line: string): string {
  return (
    `SELECT ${line}, m.uid FROM ${table} m LEFT JOIN header_blocks h ON h.key = m.header ` +
    `WHERE m.mailbox = ? AND m.uid > ? ORDER BY m.uid LIMIT ${PAGE_ROWS}`
  )
}

/** Each row begins with its line. */
function prepareLines(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    accounts: prepare(
      "SELECT id || ',' || generation || ',' || quote(quota) || ',' || status || ',' || mod_seq || ',' || uid_validity_max || ',' || quote(home) FROM accounts ORDER BY id",
    ),
    mailboxes: prepare(
      "SELECT m.id || ',' || a.id || ',' || quote(m.name) || ',' || m.uid_validity || ',' || quote(m.special_use) || ',' || m.gone || ',' || " +
        "m.uid_next || ',' || m.highest_mod_seq || ',' || m.recent_up_to || ',' || m.messages || ',' || m.unseen || ',' || m.deleted || ',' || " +
        "m.recent || ',' || m.size || ',' || m.copied_lsn FROM mailboxes m JOIN accounts a ON a.key = m.account ORDER BY m.id",
    ),
    subscriptions: prepare(
      "SELECT a.id || ',' || s.name FROM subscriptions s JOIN accounts a ON a.key = s.account ORDER BY a.id, s.name",
    ),
    keywords: prepare(
      "SELECT m.id || ',' || k.keyword FROM keywords k JOIN mailboxes m ON m.key = k.mailbox ORDER BY m.id, k.keyword",
    ),
    queue: prepare(
      "SELECT entry || ',' || quote(account) || ',' || kind || ',' || quote(reverse_path) || ',' || quote(trace) || ',' || added_ms || ',' || " +
        "expires_ms || ',' || quote(delivery_id) || ',' || eight_bit || ',' || utf8 || ',' || quote(ret) || ',' || quote(envid) || ',' || " +
        `quote(header) || ',' || quote(body) || ',' || body_size || ',' || open, entry FROM queue WHERE open > 0 AND entry > ? ORDER BY entry LIMIT ${PAGE_ROWS}`,
    ),
    queueRecipients: prepare(
      "SELECT place || ',' || quote(address) || ',' || quote(destination) || ',' || quote(notify) || ',' || quote(orcpt) || ',' || state || ',' || " +
        "due_ms || ',' || attempts || ',' || attempt || ',' || warned || ',' || quote(reply) || ',' || quote(remote) FROM queue_recipients WHERE entry = ? ORDER BY place",
    ),
    metadata: prepare(
      "SELECT a.id || ',' || coalesce(m.id, '') || ',' || d.name || ',' || hex(d.value) FROM metadata d " +
        "JOIN accounts a ON a.key = d.account LEFT JOIN mailboxes m ON m.key = d.mailbox ORDER BY a.id, coalesce(m.id, ''), d.name",
    ),
    moves: prepare(
      "SELECT account || ',' || direction || ',' || peer || ',' || generation || ',' || move || ',' || at_ms || ',' || phase || ',' || up_to || ',' || " +
        "suspended || ',' || quote(reason) || ',' || status_before || ',' || quote(home_before) FROM moves ORDER BY account",
    ),
    arrivals: prepare(
      "SELECT m.id || ',' || a.mod_seq || ',' || a.uid || ',' || a.gone_mod_seq || ',' || a.gone_uid || ',' || a.delivery_uid FROM arrivals a " +
        'JOIN mailboxes m ON m.key = a.mailbox ORDER BY m.id',
    ),
    mailboxKeys: prepare('SELECT id, key FROM mailboxes ORDER BY id'),
    messages: prepare(messagesOf('messages', MESSAGE)),
    // The rest is forgotten once compaction has dropped it, in one index before the other.
    expunged: prepare(messagesOf('expunged', "m.uid || ',' || m.expunged_mod_seq || ',' || m.expunged_lsn")),
    uidGaps: prepare(
      "SELECT m.id || ',' || g.first || ',' || g.last || ',' || g.mod_seq FROM uid_gaps g JOIN mailboxes m ON m.key = g.mailbox " +
        'ORDER BY m.id, g.first',
    ),
    deliveries: prepare(
      "SELECT hex(d.id) || ',' || m.id || ',' || d.uid || ',' || d.at_ms, d.id FROM deliveries d JOIN mailboxes m ON m.key = d.mailbox " +
        `WHERE d.at_ms >= ? AND d.id > ? ORDER BY d.id LIMIT ${PAGE_ROWS}`,
    ),
  }
}

export class Digester {
  readonly #lines: ReturnType<typeof prepareLines>

  constructor(db: DatabaseSync) {
    this.#lines = prepareLines(db)
  }

  /** @param deliveriesFromMs Deliveries before are left out. */
  of(deliveriesFromMs: number): IndexDigest {
    const { accounts, mailboxes, subscriptions, keywords, messages } = this.#lines
    return {
      accounts: over([accounts.all()]),
      mailboxes: over([mailboxes.all()]),
      subscriptions: over([subscriptions.all()]),
      metadata: over([this.#lines.metadata.all()]),
      keywords: over([keywords.all()]),
      messages: over(this.#perMailbox(messages)),
      expunged: over(this.#expunged()),
      deliveries: over(this.#deliveries(deliveriesFromMs)),
      moves: over([this.#lines.moves.all(), this.#lines.arrivals.all()]),
      queue: over(this.#queue()),
    }
  }

  *#expunged(): Iterable<readonly Row[]> {
    yield* this.#perMailbox(this.#lines.expunged)
    yield this.#lines.uidGaps.all()
  }

  *#perMailbox(statement: StatementSync): Iterable<readonly Row[]> {
    for (const mailbox of this.#lines.mailboxKeys.all()) {
      yield [mailbox]
      yield* messagePages(statement, int(mailbox, 1))
    }
  }

  *#queue(): Iterable<readonly Row[]> {
    let last: Row | undefined
    do {
      const rows: readonly Row[] = this.#lines.queue.all(last === undefined ? 0 : int(last, 1))
      for (const row of rows) {
        yield [row]
        yield this.#lines.queueRecipients.all(int(row, 1))
      }
      last = rows[PAGE_ROWS - 1]
    } while (last !== undefined)
  }

  *#deliveries(fromMs: number): Iterable<readonly Row[]> {
    let last: Row | undefined
    do {
      const rows: readonly Row[] = this.#lines.deliveries.all(
        fromMs,
        last === undefined ? Buffer.alloc(0) : blob(last, 1),
      )
      yield rows
      last = rows[PAGE_ROWS - 1]
    } while (last !== undefined)
  }
}

function* messagePages(statement: StatementSync, mailbox: RowKey): Iterable<readonly Row[]> {
  let last: Row | undefined
  do {
    const rows: readonly Row[] = statement.all(mailbox, last === undefined ? -1 : int(last, 1))
    yield rows
    last = rows[PAGE_ROWS - 1]
  } while (last !== undefined)
}

function over(pages: Iterable<readonly Row[]>): string {
  const sum = createHash('sha256')
  for (const rows of pages) {
    let lines = ''
    for (const row of rows) lines += `${text(row, 0)}\n`
    if (lines !== '') sum.update(lines)
  }
  return sum.digest('hex')
}
