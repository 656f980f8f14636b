import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { toLsn } from '#lib/mail/types.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { isNoSpace } from '../log/space-wait.ts'
import type { MemoryLog } from '../mailbox/testing/memory-log.ts'
import { ANNA, deliver, ManualClock, worldWith } from '../mailbox/testing/world.ts'
import { encodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import type { Checkpointer } from './checkpointer.ts'
import { WorkerCheckpointer } from './checkpointer.ts'
import { asIndexError } from './connection.ts'
import { startIndexMaintenance } from './maintenance.ts'
import {
  catchUp,
  type IndexFolder,
  indexAppliedLsn,
  indexPath,
  isIndexUnusable,
  openIndex,
  rebuildIndex,
} from './open.ts'

async function place(context: TestContext): Promise<IndexFolder> {
  const rootPath = await mkdtemp(join(tmpdir(), 'twinpost-index-'))
  context.after(() => rm(rootPath, { recursive: true, force: true }))
  return { disk: new NodeDisk(rootPath), folder: 'index', rootPath }
}

async function logWithLetters(count: number): Promise<MemoryLog> {
  const world = await worldWith()
  for (let i = 0; i < count; i++) await deliver(world, ANNA, `letter ${i}`)
  return world.log
}

const digestAt = 0

test('openIndex() creates the file, and the next time applies only what is new', async (context) => {
  const at = await place(context)
  const log = await logWithLetters(3)
  assert.equal(await indexAppliedLsn(at), 0)
  const first = await openIndex({ log, place: at, upTo: toLsn(5) })
  assert.deepEqual([first.how.kind, first.appliedCount, first.index.appliedLsn], ['created', 5, 5])
  first.index.close()
  const second = await openIndex({ log, place: at })
  assert.deepEqual([second.how.kind, second.appliedCount], ['opened', log.lastLsn - 5])
  assert.deepEqual(second.index.digest(digestAt), (await rebuildIndex(log)).digest(digestAt))
  second.index.close()
})

test('openIndex() leaves delivery ids out that would be forgotten anyway, and nothing else', async (context) => {
  const world = await worldWith()
  await deliver(world, ANNA, 'old')
  const betweenMs = world.clock.nowMs() + 1
  world.clock.advance(1_000)
  await deliver(world, ANNA, 'new')
  const { log } = world
  const { index } = await openIndex({ log, place: await place(context), deliveriesFromMs: betweenMs })
  const all = await rebuildIndex(log)
  assert.notEqual(index.digest(0).deliveries, all.digest(0).deliveries)
  assert.deepEqual(index.digest(betweenMs), all.digest(betweenMs))
  index.close()
})

const damages: [name: string, damage: (path: string) => Promise<void> | void, reason: RegExp][] = [
  ['is no database', (path) => writeFile(path, 'rubbish '.repeat(1000)), /no usable index/],
  [
    'has a newer schema',
    (path) => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA user_version = 99')
      db.close()
    },
    /schema 99/,
  ],
  [
    'lacks a table',
    (path) => {
      const db = new DatabaseSync(path)
      db.exec('DROP TABLE messages')
      db.close()
    },
    /no usable index/,
  ],
  [
    'is ahead of the log',
    (path) => {
      const db = new DatabaseSync(path)
      db.exec('UPDATE state SET applied_lsn = 1000')
      db.close()
    },
    /holds LSN 1000/,
  ],
]
for (const [name, damage, reason] of damages) {
  test(`openIndex() puts a file aside that ${name}, and rebuilds it from the log`, async (context) => {
    const at = await place(context)
    const log = await logWithLetters(3)
    const { index } = await openIndex({ log, place: at })
    const before = index.digest(digestAt)
    index.checkpoint()
    index.close()
    assert.equal(await indexAppliedLsn(at), log.lastLsn)
    await damage(indexPath(at))
    const { index: again, how } = await openIndex({ log, place: at })
    assert.equal(how.kind, 'rebuilt')
    assert.equal(await indexAppliedLsn(at), log.lastLsn)
    assert.match(how.kind === 'rebuilt' ? how.reason : '', reason)
    assert.deepEqual(again.digest(digestAt), before)
    again.close()
    assert.ok((await at.disk.list(at.folder)).includes('index.db.aside'))
    assert.equal((await openIndex({ log, place: at })).how.kind, 'opened')
  })
}

test('openIndex() does not throw the index away because of a record that does not fit', async (context) => {
  const at = await place(context)
  const log = await logWithLetters(1)
  ;(await openIndex({ log, place: at })).index.close()
  log.append([
    {
      type: RecordType.accountDelete,
      meta: encodeRecord({ type: RecordType.accountDelete, account: ANNA }).fill(0x61, 2),
    },
  ])
  log.sync()
  await assert.rejects(openIndex({ log, place: at }), { code: 'INDEX_RECORD' })
  assert.ok(!(await at.disk.list(at.folder)).includes('index.db.aside'))
})

test('WorkerCheckpointer copies the write-ahead log into the file', async (context) => {
  const at = await place(context)
  const log = await logWithLetters(20)
  const { index } = await openIndex({ log, place: at, upTo: toLsn(5) })
  await catchUp(log, index, log.lastLsn)
  index.flush()
  const checkpointer = new WorkerCheckpointer(indexPath(at))
  context.after(() => checkpointer.stop())
  const { walPages, checkpointedPages } = await checkpointer.run()
  assert.ok(walPages > 0)
  assert.equal(checkpointedPages, walPages)
  index.close()
})

test('An index gets its name when all of it is built and synced; what a crash left is rubbish', async (context) => {
  const at = await place(context)
  const log = await logWithLetters(3)
  const names: string[][] = []
  const scan = log.scan.bind(log)
  log.scan = async (...parameters) => {
    names.push((await at.disk.list(at.folder)).sort())
    await scan(...parameters)
  }
  await at.disk.makeDirectory(at.folder)
  await writeFile(`${indexPath(at)}.building`, 'rubbish')
  const { index, how } = await openIndex({ log, place: at })
  assert.deepEqual(names, [['index.db.building']])
  assert.equal(how.kind, 'created')
  assert.deepEqual(index.digest(digestAt), (await rebuildIndex(log)).digest(digestAt))
  index.close()
  assert.deepEqual(await at.disk.list(at.folder), ['index.db'])
})

test('startIndexMaintenance() checkpoints when something was applied, and reports a failure', async () => {
  const log = await logWithLetters(1)
  const { index } = await openIndex({ log, place: ':memory:' })
  const alarms: (() => void)[] = []
  class AlarmClock extends ManualClock {
    override after(delayMs: number, action: () => void) {
      if (delayMs > 1_000) alarms.push(action)
      return () => undefined
    }
  }
  let runs = 0
  const checkpointer: Checkpointer = {
    async run() {
      runs++
      if (runs === 2) throw new Error('disk full')
      return { walPages: 1, checkpointedPages: 1 }
    },
    async stop() {},
  }
  const failures: string[] = []
  const maintenance = startIndexMaintenance({
    index,
    place: ':memory:',
    clock: new AlarmClock(),
    checkpointer,
    onFailure: (error) => failures.push(error.message),
    onLost: (error) => failures.push(`lost: ${error.message}`),
  })
  const ring = async () => {
    alarms.pop()?.()
    await new Promise(setImmediate)
  }
  await ring()
  await ring()
  assert.equal(runs, 1)
  index.apply([], toLsn(index.appliedLsn + 1))
  await ring()
  assert.deepEqual([runs, failures], [2, ['disk full']])
  await maintenance.stop()
  index.close()
})

test('A disk without space is no reason to build an index anew, damage is', () => {
  const failure = (errcode: number) =>
    asIndexError(Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode }), 'index.db')
  // SQLITE_FULL, SQLITE_IOERR_SHMSIZE: as a full tmpfs answers.
  for (const errcode of [13, 4874]) {
    assert.equal(isIndexUnusable(failure(errcode)), false)
    assert.equal(isNoSpace(failure(errcode)), true)
  }
  // SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR_READ.
  for (const errcode of [11, 26, 266]) {
    assert.equal(isIndexUnusable(failure(errcode)), true)
    assert.equal(isNoSpace(failure(errcode)), false)
  }
})
