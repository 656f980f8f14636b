/**
 * The ledger of the local cluster: one SQLite file for all shards. A swap is one transaction with full synchronisation, so
 * its outcome is never unknown while the process lives.
 */
import { DatabaseSync } from 'node:sqlite'
import { assert } from '#lib/errors/assert.ts'
import type { ShardName } from '#lib/mail/types.ts'
import { type Ledger, type LedgerEntry, LedgerError, parseLedgerEntry, type SwapOutcome } from './types.ts'

/** How long a swap waits for another process's transaction: they last milliseconds. */
const BUSY_TIMEOUT_MS = 1_000

export class SqliteLedger implements Ledger {
  readonly #database: DatabaseSync

  /** @param path File shared by all members; made if absent. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS ledger (shard TEXT PRIMARY KEY, version INTEGER NOT NULL, entry TEXT NOT NULL)',
    )
  }

  async read(shard: ShardName): Promise<LedgerEntry | null> {
    const row = this.#attempt(() => this.#database.prepare('SELECT entry FROM ledger WHERE shard = ?').get(shard))
    const entry = row?.['entry']
    return typeof entry === 'string' ? parseLedgerEntry(shard, entry) : null
  }

  async compareAndSwap(shard: ShardName, from: LedgerEntry | null, to: LedgerEntry): Promise<SwapOutcome> {
    assert(to.version > (from?.version ?? 0), 'a swap raises the version')
    const text = JSON.stringify(to)
    const changes = this.#attempt(() =>
      from === null
        ? this.#database
            .prepare('INSERT INTO ledger (shard, version, entry) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
            .run(shard, to.version, text).changes
        : this.#database
            .prepare(
              "UPDATE ledger SET version = ?, entry = ? WHERE shard = ? AND version = ? AND entry ->> 'nonce' = ?",
            )
            .run(to.version, text, shard, from.version, from.nonce).changes,
    )
    return Number(changes) === 1 ? { kind: 'ok' } : { kind: 'conflict' }
  }

  close(): void {
    this.#database.close()
  }

  #attempt<T>(run: () => T): T {
    try {
      return run()
    } catch (cause) {
      throw new LedgerError('LEDGER_UNAVAILABLE', 'Cannot use the local ledger file', { cause })
    }
  }
}
