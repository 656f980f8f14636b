/** The thread behind `WorkerCheckpointer`: one PASSIVE checkpoint per message. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '#lib/errors/assert.ts'
import { asArrays, int } from './columns.ts'

const given: unknown = workerData
assert(
  typeof given === 'object' && given !== null && 'path' in given && typeof given.path === 'string',
  'the worker is given the path of the index',
)
const db = new DatabaseSync(given.path)
db.exec('PRAGMA synchronous = NORMAL')
const checkpoint = asArrays(db.prepare('PRAGMA wal_checkpoint(PASSIVE)'))

parentPort?.on('message', () => {
  const row = checkpoint.get()
  assert(row !== undefined, 'a checkpoint answers with a row')
  parentPort?.postMessage({ walPages: int(row, 1), checkpointedPages: int(row, 2) })
})
