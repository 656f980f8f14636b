/** The local ledger as an administrator could reach it: one SQLite file, one row for each shard. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface LedgerRow {
  readonly shard: string
  readonly version: number
  readonly entry: string
}

export class LedgerFile {
  readonly #path: string

  /** @param root State folder of the array. */
  constructor(root: string) {
    this.#path = join(root, 'ledger', 'ledger.sqlite')
  }

  read(shard: string): LedgerRow | null {
    return this.#with((database) => {
      const row = database.prepare('SELECT version, entry FROM ledger WHERE shard = ?').get(shard)
      return row ? { shard, version: Number(row['version']), entry: String(row['entry']) } : null
    })
  }

  /** What a restored backup does: the row is what it was then, whatever happened since. */
  put({ shard, version, entry }: LedgerRow): void {
    this.#with((database) =>
      database
        .prepare('INSERT OR REPLACE INTO ledger (shard, version, entry) VALUES (?, ?, ?)')
        .run(shard, version, entry),
    )
  }

  remove(shard: string): void {
    this.#with((database) => database.prepare('DELETE FROM ledger WHERE shard = ?').run(shard))
  }

  #with<T>(work: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(this.#path, { timeout: 5_000 })
    try {
      return work(database)
    } finally {
      database.close()
    }
  }
}
