/** Whole ways: a log is kept in an archive while it grows, is compacted and changes its primary, and is read back from there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Log } from '../log/log.ts'
import { appendDurably, ManualClock, MemoryDisk, openTestLog, TEST_SHARD, testRecord } from '../log/testing.ts'
import { FolderArchive } from './archive.ts'
import { reachOf } from './catalogue.ts'
import { listGenerations, listShards } from './generations.ts'
import { BackupKeeper, type BackupNotice } from './keeper.ts'
import { replay, restoreLog } from './restore.ts'
import { Seal } from './seal.ts'

const HOUR_MS = 60 * 60 * 1000
const POLICY = { everyMs: 10_000, baseEveryMs: 24 * HOUR_MS, keepMs: 72 * HOUR_MS }
const SEAL = new Seal(Buffer.from('a secret of the array, long enough'), nodeRandom)

class World {
  readonly disk = new MemoryDisk()
  readonly archive = new FolderArchive(this.disk, 'archive')
  readonly clock = new ManualClock()
  readonly notices: BackupNotice[] = []
  readonly source = { archive: this.archive, seal: SEAL, shard: TEST_SHARD }

  openLog(more: Parameters<typeof openTestLog>[1] = {}): Promise<Log> {
    return openTestLog(new MemoryDisk(), { epoch: toEpoch(1), segmentBytes: 4_000, clock: this.clock, ...more })
  }

  keep(log: Log, commit: () => Lsn | null = () => log.durableLsn): BackupKeeper {
    const { archive, clock, notices } = this
    const onNotice = (notice: BackupNotice) => void notices.push(notice)
    const keeper = new BackupKeeper({
      shard: TEST_SHARD,
      log,
      archive,
      seal: SEAL,
      clock,
      policy: POLICY,
      commit,
      onNotice,
    })
    keeper.start()
    return keeper
  }

  /** Time passes in steps, and what it sets off comes to an end. */
  async pass(ms: number, stepMs = POLICY.everyMs): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs)
      // Compression runs on other threads: what waits for them needs real time.
      for (let i = 0; i < 40; i++) await new Promise((resolve) => setTimeout(resolve, i < 20 ? 0 : 1))
    }
  }

  async restored(untilMs: number | null = null): Promise<Log> {
    const log = await this.openLog({
      epoch: 'seen',
      random: { bytes: (length) => new Uint8Array(length), fraction: () => 0 },
    })
    await restoreLog(this.source, untilMs, log)
    return log
  }

  kinds(): string[] {
    return this.notices.map(({ kind }) => kind)
  }
}

/** A log with so many records, all of them in the archive; nobody writes there any more. */
async function saved(count: number): Promise<{ readonly world: World; readonly log: Log }> {
  const world = new World()
  const log = await world.openLog()
  await grow(log, count)
  const keeper = world.keep(log)
  await world.pass(20_000)
  await keeper.stop()
  return { world, log }
}

async function grow(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await appendDurably(log, [testRecord(log.lastLsn + 1, 300)])
}

async function assertSame(original: Log, copy: Log, last: number = original.durableLsn): Promise<void> {
  assert.equal(copy.durableLsn, last)
  for (let lsn = 1; lsn <= last; lsn++) {
    assert.deepEqual(await copy.readRawRecord(toLsn(lsn)), await original.readRawRecord(toLsn(lsn)), `record ${lsn}`)
  }
}

test('What is committed is in the archive soon after, and comes back byte for byte', async () => {
  const world = new World()
  const log = await world.openLog()
  await grow(log, 40)
  const keeper = world.keep(log)
  await world.pass(20_000)
  await grow(log, 5)
  log.setEpoch(toEpoch(3))
  await grow(log, 20)
  await world.pass(20_000)
  assert.equal(keeper.counts.savedLsn, 65)
  assert.ok(keeper.counts.savedMs !== null)
  await keeper.stop()
  assert.deepEqual(world.kinds(), ['generation-begun', 'generation-complete'])
  assert.deepEqual(await listShards(world.archive), ['n1/0'])
  const copy = await world.restored()
  await assertSame(log, copy)
  assert.deepEqual(copy.epochs(), log.epochs())
  assert.equal(copy.commit, 65)
})

test('Only what is committed is written, and nothing by a replica that is not primary', async () => {
  const world = new World()
  const log = await world.openLog()
  await grow(log, 30)
  let commit: Lsn | null = null
  const keeper = world.keep(log, () => commit)
  await world.pass(30_000)
  assert.deepEqual(await listGenerations(world.archive, TEST_SHARD), [])
  commit = toLsn(17)
  await world.pass(20_000)
  const [generation] = await listGenerations(world.archive, TEST_SHARD)
  assert.ok(generation)
  assert.equal(reachOf(generation).lastLsn, 17)
  await keeper.stop()
})

test('A mirror that takes the tag of its primary after the start writes under that tag', async () => {
  const world = new World()
  const primary = await world.openLog({
    random: { bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 },
  })
  await grow(primary, 10)
  const log = await world.openLog({ epoch: 'seen' })
  const keeper = world.keep(log, () => (log.durableLsn > 0 ? log.durableLsn : null))
  await world.pass(10_000)
  await log.adopt(primary.tag)
  log.appendRaw(await primary.readRaw(toLsn(1), 100_000))
  await log.drained()
  await world.pass(20_000)
  await keeper.stop()
  await assertSame(log, await world.restored())
})

test('The next primary goes on where the last one ended', async () => {
  const { world, log } = await saved(20)
  await grow(log, 20)
  const second = world.keep(log)
  await world.pass(20_000)
  await second.stop()
  assert.deepEqual(world.kinds(), ['generation-begun', 'generation-complete'])
  await assertSame(log, await world.restored())
})

test('A log with another history begins a generation of its own', async () => {
  const { world, log } = await saved(20)
  // A forced recovery: the end is cut, other records follow.
  await log.cutAbove(toLsn(12))
  log.setEpoch(toEpoch(2))
  for (let i = 0; i < 20; i++) await appendDurably(log, [testRecord(1_000 + i, 200)])
  const second = world.keep(log)
  await world.pass(20_000)
  await second.stop()
  const generations = await listGenerations(world.archive, TEST_SHARD)
  assert.equal(generations.length, 2)
  await assertSame(log, await world.restored())
})

test('It can be gone back to a point in time, but not to one before the first backup', async () => {
  const world = new World()
  const log = await world.openLog()
  const keeper = world.keep(log)
  await grow(log, 10)
  await world.pass(20_000)
  const soonMs = world.clock.nowMs()
  await world.pass(20_000)
  await grow(log, 10)
  await world.pass(20_000)
  await keeper.stop()
  await assertSame(log, await world.restored(soonMs), 10)
  await assertSame(log, await world.restored(), 20)
  await assert.rejects(replay(world.source, soonMs - HOUR_MS), { code: 'BACKUP_MISSING', message: /it goes back to/ })
})

test('A new generation takes the place of the old one, which stays as long as somebody may want to go back', async () => {
  const world = new World()
  const log = await world.openLog()
  const keeper = world.keep(log)
  await grow(log, 20)
  await world.pass(20_000)
  for (let day = 1; day <= 6; day++) {
    world.clock.advance(24 * HOUR_MS)
    await grow(log, 5)
    await world.pass(40_000)
  }
  await keeper.stop()
  const generations = await listGenerations(world.archive, TEST_SHARD)
  assert.ok(generations.length >= 3 && generations.length <= 5, `${generations.length} are kept`)
  assert.ok(world.kinds().includes('generation-removed'))
  const oldestMs = generations[0]?.base?.atMs ?? 0
  assert.ok(world.clock.nowMs() - oldestMs >= POLICY.keepMs, 'one can still go back three days')
  await assertSame(log, await world.restored())
})

test('What an archive says is proved: a lost piece, a changed one and one of another log are named', async () => {
  const world = new World()
  const log = await world.openLog()
  const keeper = world.keep(log)
  for (let i = 0; i < 3; i++) {
    await grow(log, 10)
    await world.pass(20_000)
  }
  await keeper.stop()
  const pieces = [...world.disk.files.keys()].filter((name) => name.endsWith('.piece')).sort()
  assert.equal(pieces.length, 3)
  const [first = '', second = ''] = pieces
  const kept = world.disk.files.get(second)
  assert.ok(kept)
  world.disk.files.set(second, Buffer.from(kept.map((byte, i) => (i === 100 ? byte ^ 4 : byte))))
  await assert.rejects(replay(world.source, null), { code: 'BACKUP_DAMAGED' })
  world.disk.files.set(second, world.disk.files.get(first) ?? kept)
  await assert.rejects(replay(world.source, null), { code: 'BACKUP_DAMAGED' })
  world.disk.files.delete(second)
  assert.equal((await replay(world.source, null)).lastLsn, 10)
  world.disk.files.delete(first)
  await assert.rejects(replay(world.source, null), { code: 'BACKUP_MISSING' })
})

test('An archive that fails is told of and tried again', async () => {
  const world = new World()
  const log = await world.openLog()
  await grow(log, 10)
  world.disk.beforeWrite = async () => {
    throw new Error('the archive is away')
  }
  const keeper = world.keep(log)
  await world.pass(20_000)
  assert.equal(keeper.counts.failures, 1)
  assert.equal(keeper.counts.savedMs, null)
  world.disk.beforeWrite = async () => {}
  await world.pass(60_000)
  await keeper.stop()
  await assertSame(log, await world.restored())
})

test('While a new generation is written, what is new goes out as often as always', async () => {
  const { world, log } = await saved(1)
  // A large log: the new generation takes many rounds.
  for (let i = 0; i < 24; i++) await appendDurably(log, [testRecord(i, 1_000_000)])
  world.clock.advance(POLICY.baseEveryMs)
  const keeper = world.keep(log)
  await world.pass(POLICY.everyMs)
  const before = world.disk.files.size
  for (let i = 0; i < 6; i++) {
    await grow(log, 1)
    await world.pass(100, 100)
  }
  const [old] = await listGenerations(world.archive, TEST_SHARD)
  assert.ok(world.disk.files.size > before, 'the new one grows')
  assert.equal(old?.pieces.filter(({ first }) => first > 25).length, 0, 'the old one waits for its time')
  await world.pass(POLICY.everyMs * 2, 500)
  await keeper.stop()
  assert.deepEqual(world.kinds().slice(-2), ['generation-begun', 'generation-complete'])
  await assertSame(log, await world.restored())
})
