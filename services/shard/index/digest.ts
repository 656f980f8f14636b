/**
 * Hashes of the logical content of an index: equal for two indexes that mean the same, however their rows came about.
 * Mailboxes and accounts stand by their ids, not by row keys. This walks every row: for fsck and tests, in a process apart.
 */
import type { Hash } from 'node:crypto'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { asArrays, int, text } from './columns.ts'
import type { IndexDigest } from './port.ts'

const MESSAGE =
  "m.uid || ',' || m.mod_seq || ',' || m.flags || ',' || quote(m.keywords) || ',' || m.internal_ms || ',' || m.save_ms || ',' || m.size || ',' || " +
  "m.email_id || ',' || quote(h.block) || ',' || quote(m.body) || ',' || m.body_size || ',' || m.fact_lsn"

export function digestOf(db: DatabaseSync, deliveriesFromMs: number, hash: () => Hash): IndexDigest {
  const lines = function* (sql: string, ...parameters: SQLInputValue[]): Iterable<string> {
    for (const row of asArrays(db.prepare(sql)).iterate(...parameters)) yield text(row, 0)
  }
  const over = (all: Iterable<string>) => {
    const sum = hash()
    for (const line of all) sum.update(line).update('\n')
    return sum.digest('hex')
  }
  const perMailbox = function* (sql: string): Iterable<string> {
    for (const mailbox of asArrays(db.prepare('SELECT key, id FROM mailboxes ORDER BY id')).all()) {
      yield text(mailbox, 1)
      yield* lines(sql, int(mailbox, 0))
    }
  }
  return {
    accounts: over(
      lines(
        "SELECT id || ',' || generation || ',' || quote(quota) || ',' || status || ',' || mod_seq || ',' || uid_validity_max FROM accounts ORDER BY id",
      ),
    ),
    mailboxes: over(
      lines(
        "SELECT m.id || ',' || a.id || ',' || quote(m.name) || ',' || m.uid_validity || ',' || quote(m.special_use) || ',' || m.gone || ',' || " +
          "m.uid_next || ',' || m.highest_mod_seq || ',' || m.recent_up_to || ',' || m.messages || ',' || m.unseen || ',' || m.deleted || ',' || " +
          "m.recent || ',' || m.size FROM mailboxes m JOIN accounts a ON a.key = m.account ORDER BY m.id",
      ),
    ),
    subscriptions: over(
      lines(
        "SELECT a.id || ',' || s.name FROM subscriptions s JOIN accounts a ON a.key = s.account ORDER BY a.id, s.name",
      ),
    ),
    keywords: over(
      lines(
        "SELECT m.id || ',' || k.keyword FROM keywords k JOIN mailboxes m ON m.key = k.mailbox ORDER BY m.id, k.keyword",
      ),
    ),
    messages: over(
      perMailbox(
        `SELECT ${MESSAGE} FROM messages m LEFT JOIN header_blocks h ON h.key = m.header WHERE m.mailbox = ? ORDER BY m.uid`,
      ),
    ),
    expunged: over(
      perMailbox(
        `SELECT ${MESSAGE} || ',' || m.expunged_mod_seq FROM expunged m LEFT JOIN header_blocks h ON h.key = m.header WHERE m.mailbox = ? ORDER BY m.uid`,
      ),
    ),
    deliveries: over(
      lines(
        "SELECT hex(d.id) || ',' || m.id || ',' || d.uid || ',' || d.at_ms FROM deliveries d JOIN mailboxes m ON m.key = d.mailbox WHERE d.at_ms >= ? ORDER BY d.id",
        deliveriesFromMs,
      ),
    ),
  }
}
