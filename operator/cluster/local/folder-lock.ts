/**
 * One operator per state folder. The lock is a SQLite file held with BEGIN EXCLUSIVE: the system gives it up when the
 * process dies, however it dies, so there is no stale lock to reason about.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** @returns how to give the lock back, or null if another process has it. */
export function lockFolder(folder: string): (() => void) | null {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch {
    database.close()
    return null
  }
  return () => database.close()
}
