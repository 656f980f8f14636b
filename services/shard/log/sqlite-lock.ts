/**
 * The lock of a replica directory: an empty SQLite file under BEGIN EXCLUSIVE. SQLite's file locks are left to the kernel, which
 * frees them with the process; Node itself has no file locks.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ReplicaError } from './errors.ts'
import type { HeldLock, ReplicaLock } from './lock.ts'

const SQLITE_BUSY = 5

export class SqliteLock implements ReplicaLock {
  readonly #root: string

  /** @param root The folder that paths are relative to: that of the real disk. */
  constructor(root: string) {
    this.#root = root
  }

  async take(path: string): Promise<HeldLock> {
    const database = new DatabaseSync(join(this.#root, path), { timeout: 0 })
    try {
      database.exec('BEGIN EXCLUSIVE')
    } catch (cause) {
      database.close()
      if (!isBusy(cause)) throw cause
      throw new ReplicaError('REPLICA_LOCKED', `Cannot take ${path}: another process holds this replica`, {
        cause,
      })
    }
    return { release: async () => database.close() }
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}
