import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { known } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import { checkLog } from './check.ts'
import type { Compacted, Needs } from './compact.ts'
import { BATCH_HEADER_BYTES, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './format.ts'
import type { Log } from './log.ts'
import { appendDurably, flipped, MemoryDisk, openTestLog, TEST_DIRECTORY, TEST_SHARD, testRecord } from './testing.ts'
import type { LogRecord } from './types.ts'

const SEGMENT_BYTES = 8_000
const FAST = async () => true

async function filled(disk: MemoryDisk, count: number, options = {}): Promise<Log> {
  const log = await openTestLog(disk, { segmentBytes: SEGMENT_BYTES, ...options })
  for (let n = 1; n <= count; n++) await appendDurably(log, [testRecord(n, 200)])
  return log
}

function needs(gone: readonly number[], horizon = 1_000): Needs {
  return { horizon, mayGo: (lsn) => gone.includes(lsn) }
}

async function compactFirst(log: Log, gone: readonly number[]): Promise<Compacted> {
  return log.compact(known(log.sealed[0], 'a sealed segment'), needs(gone), FAST)
}

interface Seen {
  readonly records: LogRecord[]
  readonly runs: (readonly [number, number])[]
}

async function all(log: Log, from = 1, to: number = log.durableLsn): Promise<Seen> {
  const seen: Seen = { records: [], runs: [] }
  const dropped = ({ first, last }: { first: number; last: number }) => void seen.runs.push([first, last])
  await log.scan(toLsn(from), toLsn(to), { bodies: true, dropped }, (record) => void seen.records.push(copy(record)))
  return seen
}

function copy(record: LogRecord): LogRecord {
  return { ...record, meta: Buffer.from(record.meta), body: Buffer.from(record.body) }
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined | null> {
  return promise.then(
    () => null,
    (error: unknown) => errorCode(error),
  )
}

test('compact() drops what is not needed and keeps everything else as it was, also after a restart', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  const before = await all(log)
  const bytes = log.sizeBytes()
  const result = await compactFirst(log, [2, 3, 4, 9, 11])
  assert.equal(result.kind, 'made')
  assert.equal(result.kind === 'made' && result.droppedRecords, 5)
  const kept = before.records.filter(({ lsn }) => ![2, 3, 4, 9, 11].includes(lsn))
  const runs = [
    [2, 4],
    [9, 9],
    [11, 11],
  ]
  assert.deepEqual(await all(log), { records: kept, runs })
  assert.ok(log.sizeBytes() < bytes - 4 * 200)
  assert.equal(log.horizon, 1_000)
  await log.close()
  assert.deepEqual((await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })).problems, [])
  const again = await openTestLog(disk)
  assert.deepEqual(await all(again), { records: kept, runs })
  assert.equal(again.horizon, 1_000)
  assert.deepEqual(again.recovery.mended, [])
})

test('A dropped record is named as such, and the chain value of the last one of a run stays', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  const chain = await log.chainAt(toLsn(4))
  await compactFirst(log, [2, 3, 4])
  assert.equal(await codeOf(log.read(toLsn(3))), 'LOG_DROPPED_RECORD')
  assert.equal(await codeOf(log.readBody(toLsn(3), 0, 10)), 'LOG_DROPPED_RECORD')
  assert.equal(await codeOf(log.readRaw(toLsn(3), 100)), 'LOG_DROPPED_RECORD')
  assert.equal(await log.chainAt(toLsn(3)), null)
  assert.deepEqual(await log.chainAt(toLsn(4)), chain)
  assert.deepEqual(log.rotten, [])
  const part = await all(log, 3, 6)
  assert.deepEqual([part.records.map(({ lsn }) => Number(lsn)), part.runs], [[5, 6], [[3, 4]]])
})

test('Runs grow together when a segment is compacted again, over the same epoch only', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk, { segmentBytes: SEGMENT_BYTES })
  for (let n = 1; n <= 5; n++) await appendDurably(log, [testRecord(n, 200)])
  log.setEpoch(toEpoch(9))
  for (let n = 6; n <= 40; n++) await appendDurably(log, [testRecord(n, 200)])
  const epochs = log.epochs()
  await compactFirst(log, [2, 4, 8])
  await compactFirst(log, [3, 5, 6, 7])
  // 6 begins an epoch: it stays, or the epoch vector would not be known any more.
  assert.deepEqual((await all(log)).runs, [
    [2, 5],
    [7, 8],
  ])
  assert.deepEqual(log.epochs(), epochs)
  await log.close()
  assert.deepEqual((await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })).problems, [])
  assert.deepEqual((await openTestLog(disk, { epoch: toEpoch(10) })).epochs(), epochs)
})

test('Readers that began in the old file end in it', async () => {
  const log = await filled(new MemoryDisk(), 60)
  const seen: number[] = []
  await log.scan(toLsn(1), toLsn(20), { bodies: true }, async ({ lsn }) => {
    if (lsn === 2) await compactFirst(log, [3, 4, 5])
    seen.push(lsn)
  })
  assert.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  // A body that was proved in the old file lies elsewhere now.
  await log.readBody(toLsn(12), 0, 10)
  await compactFirst(log, [10])
  assert.deepEqual(Buffer.from(await log.readBody(toLsn(12), 50, 20)), testRecord(12, 200).body?.[0]?.subarray(50, 70))
})

test('A mirror takes dropped runs as such: the copy of a compacted log equals it', async () => {
  const log = await filled(new MemoryDisk(), 60)
  await compactFirst(log, [1, 2, 3, 7, 8])
  const disk = new MemoryDisk()
  const mirror = await openTestLog(disk, { segmentBytes: 20_000, epoch: 'seen' })
  await mirror.adopt(log.tag)
  for (let from = 1; from <= log.durableLsn; ) {
    const batch = await log.readRaw(toLsn(from), 1_500)
    mirror.appendRaw(batch)
    from += batch.recordCount
  }
  await mirror.drained()
  assert.deepEqual(await all(mirror), await all(log))
  assert.equal(mirror.horizon, log.horizon)
  assert.deepEqual(mirror.epochs(), log.epochs())
  assert.deepEqual(await mirror.chainAt(log.lastLsn), await log.chainAt(log.lastLsn))
  await mirror.close()
  assert.deepEqual((await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })).problems, [])
  const again = await openTestLog(disk, { epoch: 'seen' })
  assert.deepEqual(await all(again), await all(log))
  assert.equal(again.horizon, log.horizon)
})

test('Rot in what must stay leaves the segment alone; rot in a dead body goes with it', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  await log.close()
  const path = known(log.sealed[0]?.path, 'a sealed segment')
  const place = (await openTestLog(disk.fork())).offsetsOf(known(log.sealed[0], 'a sealed segment'))
  const at = known((await place)[4], 'record 5')
  disk.files.set(path, flipped(known(disk.files.get(path), path), at + RECORD_HEADER_BYTES + 100))
  const rotten = await openTestLog(disk)
  assert.deepEqual(await compactFirst(rotten, [2, 3]), { kind: 'rotten', lsn: 5 })
  assert.deepEqual(rotten.rotten, [{ first: 5, last: 5 }])
  assert.equal((await compactFirst(rotten, [5])).kind, 'made')
  assert.deepEqual(rotten.rotten, [])
  assert.deepEqual((await all(rotten)).runs, [[5, 5]])
})

test('A record whose header rotted can go only inside of a run: the chain value of its last record must be known', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  await log.close()
  const segment = known(log.sealed[0], 'a sealed segment')
  const at = known((await (await openTestLog(disk.fork())).offsetsOf(segment))[4], 'record 5')
  disk.files.set(segment.path, flipped(known(disk.files.get(segment.path), segment.path), at + 30))
  const rotten = await openTestLog(disk)
  assert.equal((await compactFirst(rotten, [4, 5])).kind, 'rotten')
  assert.equal((await compactFirst(rotten, [5, 6])).kind, 'rotten')
  assert.equal((await compactFirst(rotten, [4, 5, 6])).kind, 'made')
  assert.deepEqual((await all(rotten)).runs, [[4, 6]])
})

test('A crash in each step of compaction leaves the old segment or the new one', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  const before = await all(log)
  const states: MemoryDisk[] = []
  const remember = async () => void states.push(disk.fork())
  disk.beforeWrite = remember
  disk.beforeSync = remember
  const { rename } = disk
  disk.rename = async (from, to) => {
    await remember()
    await rename.call(disk, from, to)
    await remember()
  }
  await compactFirst(log, [2, 3, 4])
  const after = await all(log)
  await remember()
  let compacted = 0
  for (const state of states) {
    const again = await openTestLog(state)
    const seen = await all(again)
    if (seen.runs.length > 0) compacted++
    assert.deepEqual(seen, seen.runs.length > 0 ? after : before)
    assert.ok([...state.files.keys()].every((path) => !path.endsWith('.new')))
  }
  assert.ok(compacted >= 2 && compacted < states.length - 4)
})

test('A full disk fails the compaction alone; a cut meanwhile makes it give up', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  disk.beforeWrite = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
  await assert.rejects(compactFirst(log, [2, 3]), { code: 'ENOSPC' })
  disk.beforeWrite = async () => {}
  assert.ok([...disk.files.keys()].every((path) => !path.endsWith('.new')))
  const segment = known(log.sealed[0], 'a sealed segment')
  const result = await log.compact(segment, needs([2, 3]), async () => {
    await log.cutAbove(toLsn(50))
    return true
  })
  assert.equal(result.kind, 'given-up')
  assert.equal(log.lastLsn, 50)
  assert.deepEqual((await all(log)).runs, [])
  await appendDurably(log, [testRecord(51, 200)])
})

test('A segment without anything to drop keeps its file', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  const path = known(log.sealed[0]?.path, 'a sealed segment')
  const before = disk.files.get(path)
  assert.deepEqual(await compactFirst(log, []), { kind: 'nothing-to-drop' })
  assert.equal(disk.files.get(path), before)
})

test('A lost footer of a compacted segment is made again from its records, horizon and all', async () => {
  const disk = new MemoryDisk()
  const log = await filled(disk, 60)
  await compactFirst(log, [2, 3, 4])
  const seen = await all(log)
  await log.close()
  const path = known(log.sealed[0]?.path, 'a sealed segment')
  const bytes = known(disk.files.get(path), path)
  disk.files.set(path, bytes.subarray(0, bytes.length - 40))
  const again = await openTestLog(disk)
  assert.deepEqual(again.recovery.mended, [path])
  assert.deepEqual(await all(again), seen)
  assert.equal(again.horizon, 1_000)
  const first = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES
  assert.equal((await again.offsetsOf(known(again.sealed[0], 'a sealed segment')))[0], first)
})

/** Two replicas of one log, in segments that begin at other records, and what the second has of each of some records. */
async function pair(): Promise<{ disk: MemoryDisk; peer: Log }> {
  const peer = await filled(new MemoryDisk(), 60)
  const disk = new MemoryDisk()
  const own = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  await own.adopt(peer.tag)
  for (let from = 1; from <= peer.durableLsn; ) {
    const batch = await peer.readRaw(toLsn(from), 1_500)
    own.appendRaw(batch)
    from += batch.recordCount
    await own.drained()
  }
  await own.close()
  return { disk, peer }
}

async function fromPeer(peer: Log, lsns: readonly number[]) {
  return Promise.all(lsns.map(async (lsn) => ({ lsn: toLsn(lsn), bytes: await peer.readRawRecord(toLsn(lsn)) })))
}

test('What rotted here and was dropped by the peer is dropped here too, over the ends of segments', async () => {
  const { disk, peer } = await pair()
  const whole = await openTestLog(disk.fork(), { segmentBytes: 5_000, epoch: 'seen' })
  const [first, second] = whole.sealed
  const boundary = known(second, 'a second sealed segment').firstLsn
  const gone = [boundary - 2, boundary - 1, boundary, boundary + 1]
  const at = known(
    (await whole.offsetsOf(known(first, 'a sealed segment')))[boundary - 3],
    'the record before the last but one',
  )
  await compactFirst(peer, gone)
  // One header, and one body: the peer has neither record any more.
  const path = known(first?.path, 'a sealed segment')
  disk.files.set(path, flipped(known(disk.files.get(path), path), at + 20))
  const log = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  assert.equal(await codeOf(log.read(toLsn(boundary - 2))), 'LOG_ROTTEN_RECORD')
  await log.repair(await fromPeer(peer, [boundary - 2]))
  assert.deepEqual(log.rotten, [])
  assert.deepEqual((await all(log)).runs, [
    [boundary - 2, boundary - 1],
    [boundary, boundary + 1],
  ])
  assert.deepEqual((await all(log)).records, (await all(peer)).records)
  assert.equal(log.horizon, peer.horizon)
  await log.close()
  assert.deepEqual((await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })).problems, [])
})

test('A rotten run is filled with what the peer still has, and a run that the chain does not prove is refused', async () => {
  const { disk, peer } = await pair()
  const log = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  const before = await all(log)
  await compactFirst(log, [3, 4, 5])
  const segment = known(log.sealed[0], 'a sealed segment')
  const at = known((await log.offsetsOf(segment))[3], 'record 4')
  await log.close()
  disk.files.set(segment.path, flipped(known(disk.files.get(segment.path), segment.path), at + 30))
  const again = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  assert.equal(await codeOf(again.read(toLsn(4))), 'LOG_ROTTEN_RECORD')
  await again.repair(await fromPeer(peer, [3, 4, 5]))
  assert.deepEqual(await all(again), before)

  await compactFirst(peer, [7, 8])
  const [run] = await fromPeer(peer, [7])
  const untrue = Buffer.from(known(run, 'a run').bytes)
  untrue.fill(7, 72, 104)
  untrue.writeUInt32BE(crc32c(untrue.subarray(0, 116), crc32c(peer.tag)), 116)
  await assert.rejects(again.repair([{ lsn: toLsn(7), bytes: untrue }]), { code: 'LOG_BAD_BATCH' })
  assert.deepEqual(await all(again), before)
})

test('repair() takes a record of the peer beside records that were dropped here', async () => {
  const { disk, peer } = await pair()
  const own = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  const lsn = known(own.sealed[0], 'a sealed segment').firstLsn + 3
  await compactFirst(own, [lsn - 1, lsn + 1])
  const segment = known(own.sealed[0], 'a sealed segment')
  const at = known((await own.offsetsOf(segment))[lsn - segment.firstLsn], 'its place')
  await own.close()
  disk.files.set(segment.path, flipped(known(disk.files.get(segment.path), segment.path), at + 20))
  const log = await openTestLog(disk, { segmentBytes: 5_000, epoch: 'seen' })
  assert.equal(await codeOf(log.read(toLsn(lsn))), 'LOG_ROTTEN_RECORD')
  await log.repair(await fromPeer(peer, [lsn]))
  assert.deepEqual(await log.readRawRecord(toLsn(lsn)), await peer.readRawRecord(toLsn(lsn)))
  await log.close()
})
