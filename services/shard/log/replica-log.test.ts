import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import { checkLog } from './check.ts'
import { logIdentity } from './format.ts'
import type { Log } from './log.ts'
import type { RawBatch } from './replica-log.ts'
import {
  appendDurably,
  flipped,
  lastSegment,
  ManualClock,
  MemoryDisk,
  openTestLog,
  TEST_DIRECTORY,
  TEST_SHARD,
  testRecord,
} from './testing.ts'

/** Small segments, so that everything happens across their borders. */
const segmentBytes = 1500

function random(first: number) {
  return { bytes: (length: number) => new Uint8Array(length).fill(first), fraction: () => 0.5 }
}

async function primaryWith(count: number): Promise<{ disk: MemoryDisk; log: Log }> {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk, { epoch: toEpoch(1), segmentBytes })
  for (let n = 1; n <= count; n++) {
    if (n === 5) log.setEpoch(toEpoch(3))
    await appendDurably(log, [testRecord(n, n * 20)])
  }
  return { disk, log }
}

async function emptyMirror(disk = new MemoryDisk()): Promise<{ disk: MemoryDisk; log: Log }> {
  return { disk, log: await openTestLog(disk, { epoch: 'seen', segmentBytes, random: random(9) }) }
}

/** As replication does it: from the mirror's end to the primary's. */
async function follow(primary: Log, mirror: Log, bytesMax = 600): Promise<void> {
  if (mirror.lastLsn === 0) await mirror.adopt(primary.tag)
  while (mirror.lastLsn < primary.durableLsn) {
    mirror.appendRaw(await primary.readRaw(toLsn(mirror.lastLsn + 1), bytesMax))
  }
  await mirror.drained()
}

async function assertRecords(primary: Log, mirror: Log, last: number, words = ''): Promise<void> {
  for (let lsn: Lsn = toLsn(1); lsn <= last; lsn = toLsn(lsn + 1)) {
    assert.deepEqual(await mirror.readRawRecord(lsn), await primary.readRawRecord(lsn), `record ${lsn} ${words}`)
  }
}

async function assertSame(primary: Log, mirror: Log, last = primary.lastLsn): Promise<void> {
  assert.equal(mirror.durableLsn, last)
  await assertRecords(primary, mirror, last)
  const upTo = (log: Log) => log.epochs().filter((start) => start.firstLsn <= last)
  assert.deepEqual(upTo(mirror), upTo(primary))
}

test('appendRaw() makes the same log on another disk, in segments and batches of its own', async () => {
  const primary = await primaryWith(30)
  const mirror = await emptyMirror()
  await follow(primary.log, mirror.log)
  await assertSame(primary.log, mirror.log)
  await mirror.log.close()
  assert.equal((await checkLog({ disk: mirror.disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })).problems.length, 0)
  const again = await openTestLog(mirror.disk, { epoch: 'seen', segmentBytes })
  assert.equal(again.recovery.cut, null)
  assert.equal(again.epoch, 3)
  await assertSame(primary.log, again)
})

test('appendRaw() lets records be read before they are durable, and joins what comes during a sync into one write', async () => {
  const primary = await primaryWith(6)
  const mirror = await emptyMirror()
  await mirror.log.adopt(primary.log.tag)
  const writes = mirror.disk.writes.length
  const batches = await Promise.all([1, 2, 3, 4].map((lsn) => primary.log.readRaw(toLsn(lsn), 0)))
  for (const batch of batches) mirror.log.appendRaw(batch)
  assert.deepEqual((await mirror.log.read(toLsn(3))).body, (await primary.log.read(toLsn(3))).body)
  await mirror.log.drained()
  assert.equal(mirror.disk.writes.length - writes, 1)
  await assertSame(primary.log, mirror.log, toLsn(4))
})

test('readRaw() stays in one epoch and within the bytes asked for, but gives one record at least', async () => {
  const { log } = await primaryWith(8)
  const read = await log.readRaw(toLsn(1), 1_000_000)
  assert.equal(read.epoch, 1)
  assert.ok(read.firstLsn + read.recordCount <= 5)
  assert.equal((await log.readRaw(toLsn(7), 0)).recordCount, 1)
  await assert.rejects(log.readRaw(toLsn(9), 0), { code: 'LOG_NO_SUCH_RECORD' })
})

test('appendRaw() takes nothing that does not prove itself', async () => {
  const primary = await primaryWith(6)
  const mirror = await emptyMirror()
  await mirror.log.adopt(primary.log.tag)
  const first = await primary.log.readRaw(toLsn(1), 0)
  const bytes = Buffer.concat(first.chunks)
  const refused = (batch: RawBatch) => assert.throws(() => mirror.log.appendRaw(batch), { code: 'LOG_BAD_BATCH' })
  refused(await primary.log.readRaw(toLsn(2), 0))
  for (let at = 0; at < bytes.length; at += 7) refused({ ...first, chunks: [flipped(bytes, at)] })
  refused({ ...first, chunks: [bytes.subarray(0, -1)] })
  refused({ ...first, chunks: [bytes, Buffer.alloc(1)] })
  refused({ ...first, recordCount: 2 })
  refused({ ...first, recordCount: 0 })
  refused({ ...first, epoch: toEpoch(2) })
  mirror.log.appendRaw(first)
  mirror.log.appendRaw(await primary.log.readRaw(toLsn(2), 0))
  await mirror.log.drained()
  const { log: other } = await primaryWith(6)
  const strange = await openTestLog(new MemoryDisk(), { epoch: toEpoch(1), random: random(1) })
  await appendDurably(strange, [testRecord(1, 20), testRecord(2, 40), testRecord(3, 50)])
  refused(await strange.readRaw(toLsn(3), 0))
  assert.deepEqual(logIdentity(other.tag), logIdentity(primary.log.tag))
})

for (const lsn of [0, 1, 3, 4, 5, 9, 17, 28, 29]) {
  test(`cutAbove(${lsn}) of 30 keeps the tail aside, and the log goes on from there, also after a restart`, async () => {
    const primary = await primaryWith(30)
    const mirror = await emptyMirror()
    await follow(primary.log, mirror.log)
    const cut = await mirror.log.cutAbove(toLsn(lsn))
    assert.equal(cut?.fromLsn, lsn + 1)
    assert.ok(mirror.disk.files.has(cut?.path ?? ''))
    assert.equal(mirror.log.lastLsn, lsn)
    assert.equal(mirror.log.epoch, lsn === 0 ? 0 : lsn < 5 ? 1 : 3)
    const again = await openTestLog(mirror.disk.fork(), { epoch: 'seen', segmentBytes })
    await assertSame(primary.log, again, toLsn(lsn))
    await assertSame(primary.log, mirror.log, toLsn(lsn))
    await follow(primary.log, mirror.log)
    await assertSame(primary.log, mirror.log)
    assert.equal(await mirror.log.cutAbove(primary.log.lastLsn), null)
  })
}

test('cutAbove() forgets an epoch in which nothing was written, so that older records can follow', async () => {
  const primary = await primaryWith(4)
  const mirror = await emptyMirror()
  const { log } = mirror
  await log.adopt(primary.log.tag)
  for (const lsn of [1, 2]) log.appendRaw(await primary.log.readRaw(toLsn(lsn), 0))
  await log.drained()
  await log.close()
  const again = await openTestLog(mirror.disk, { epoch: toEpoch(7), segmentBytes })
  const third = await primary.log.readRaw(toLsn(3), 0)
  assert.throws(() => again.appendRaw(third), { code: 'LOG_BAD_BATCH' })
  assert.equal(await again.cutAbove(toLsn(2)), null)
  again.appendRaw(third)
  await again.drained()
  await assertSame(primary.log, again, toLsn(3))
})

test('cutAbove() believes no header above the cut that a write left in a wrong place', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  for (let n = 1; n <= 8; n++) await appendDurably(log, [testRecord(n, n * 20)])
  await log.close()
  const path = lastSegment(disk)
  const bytes = Buffer.from(disk.files.get(path) ?? Buffer.alloc(0))
  // The closing header says that all 8 are synced; a copy of it stands over an earlier record.
  const closing = bytes.lastIndexOf('TPB1')
  bytes.copy(bytes, bytes.indexOf('TPR1', bytes.indexOf('TPR1') + 1), closing)
  disk.files.set(path, bytes)
  const again = await openTestLog(disk, { epoch: 'seen' })
  const rotten = [...again.rotten]
  assert.equal(rotten.length, 1)
  await again.cutAbove(toLsn(7))
  assert.equal(again.durableLsn, 7)
  assert.deepEqual(again.rotten, rotten)
  await again.close()
  const restarted = await openTestLog(disk, { epoch: 'seen' })
  assert.equal(restarted.durableLsn, 7)
  assert.deepEqual(restarted.rotten, rotten)
})

test('adopt() is refused by a log that holds anything', async () => {
  const { log } = await primaryWith(1)
  await assert.rejects(log.adopt(new Uint8Array(8)), { code: 'LOG_FOREIGN' })
})

test('commit is found again after a restart, as the batch headers knew it', async () => {
  const { disk, log } = await primaryWith(10)
  assert.equal(log.commit, 0)
  log.noteCommit(toLsn(8))
  log.noteCommit(toLsn(6))
  await appendDurably(log, [testRecord(11, 10)])
  await log.close()
  assert.equal((await openTestLog(disk, { epoch: 'seen', segmentBytes })).commit, 8)
})

test('drained() rejects when the disk fails', async () => {
  const { disk, log } = await primaryWith(1)
  disk.beforeSync = () => Promise.reject(new Error('EIO'))
  log.append([testRecord(2, 10)])
  await assert.rejects(log.drained(), /EIO/)
  await assert.rejects(log.cutAbove(toLsn(1)), { code: 'LOG_STOPPED' })
})

test('An idle mirror covers its last batch like any log', async () => {
  const primary = await primaryWith(3)
  const clock = new ManualClock()
  const disk = new MemoryDisk()
  const log = await openTestLog(disk, { epoch: 'seen', clock })
  await follow(primary.log, log)
  await log.close()
  assert.equal((await openTestLog(disk, { epoch: 'seen' })).recovery.cut, null)
})

/** Damages record `lsn` on disk, by a bit in its header or its body, and opens the log again. */
async function rotted(
  disk: MemoryDisk,
  log: Log,
  lsn: number,
  where: 'header' | 'body',
  knownUpTo = lsn + 1,
): Promise<Log> {
  const record = Buffer.from(await log.readRawRecord(toLsn(lsn)))
  await log.close()
  for (const [path, bytes] of disk.files) {
    const at = bytes.indexOf(record)
    if (at >= 0) disk.files.set(path, flipped(bytes, where === 'header' ? at + 20 : at + record.length - 1))
  }
  return openTestLog(disk, { epoch: 'seen', segmentBytes, knownUpTo: toLsn(knownUpTo) })
}

for (const where of ['header', 'body'] as const) {
  for (const lsn of [2, 12, 29]) {
    test(`repair() puts the peer's record in the place of record ${lsn} with a rotten ${where}`, async () => {
      const primary = await primaryWith(30)
      const mirror = await emptyMirror()
      await follow(primary.log, mirror.log)
      const log = await rotted(mirror.disk, mirror.log, lsn, where)
      await assert.rejects(log.read(toLsn(lsn)), { code: 'LOG_ROTTEN_RECORD' })
      assert.deepEqual(log.rotten, [{ first: lsn, last: lsn }])
      const wrong = Buffer.from(await primary.log.readRawRecord(toLsn(lsn - 1)))
      await assert.rejects(log.repair([{ lsn: toLsn(lsn), bytes: wrong }]), { code: 'LOG_BAD_BATCH' })
      await log.repair([{ lsn: toLsn(lsn), bytes: await primary.log.readRawRecord(toLsn(lsn)) }])
      assert.deepEqual(log.rotten, [])
      await assertSame(primary.log, log)
      await log.close()
      await assertSame(primary.log, await openTestLog(mirror.disk, { epoch: 'seen', segmentBytes }))
    })
  }
}

test('cutAbove() forgets an epoch in which nothing was written also where the last record is rotten', async () => {
  const primary = await primaryWith(4)
  const mirror = await emptyMirror()
  await follow(primary.log, mirror.log)
  await mirror.log.close()
  await (await openTestLog(mirror.disk, { epoch: toEpoch(2), segmentBytes })).close()
  const claimed = await openTestLog(mirror.disk, { epoch: 'seen', segmentBytes })
  const log = await rotted(mirror.disk, claimed, 4, 'header', 4)
  assert.equal(log.epoch, 2)
  assert.equal(await log.cutAbove(toLsn(4)), null)
  assert.equal(log.epoch, 1)
  await log.repair([{ lsn: toLsn(4), bytes: await primary.log.readRawRecord(toLsn(4)) }])
  await assertSame(primary.log, log)
})

/** As replication does it: all neighbours whose headers cannot be read together. */
async function repairAll(primary: Log, log: Log): Promise<void> {
  for (let tries = 0; log.rotten.length > 0; tries++) {
    assert.ok(tries < 50, `still rotten: ${JSON.stringify(log.rotten)}`)
    let lsn = log.rotten[0]?.first ?? 1
    while (lsn > 1 && (await log.chainAt(toLsn(lsn - 1))) === null) lsn--
    const records = []
    do records.push({ lsn: toLsn(lsn), bytes: await primary.readRawRecord(toLsn(lsn)) })
    while (++lsn <= log.durableLsn && (await log.chainAt(toLsn(lsn))) === null)
    await log.repair(records)
  }
}

/** The batch of record 28 was written at `at` of its segment, over what was there, and zeros are in its own place. */
async function misdirected(disk: MemoryDisk, at: number): Promise<boolean> {
  const whole = disk.files.get(lastSegment(disk)) ?? Buffer.alloc(0)
  const ends = [27, 28].map((lsn) => whole.indexOf(`meta of ${lsn}`) + `meta of ${lsn}`.length + lsn * 20)
  const [from = 0, to = 0] = ends
  if (at + to - from > from + 60) return false
  const bytes = Buffer.from(whole)
  bytes.copy(bytes, at, from, to)
  bytes.fill(0, Math.max(from, at + to - from), to)
  disk.files.set(lastSegment(disk), bytes)
  return true
}

for (const restart of [true, false]) {
  test(`repair() mends a write that went astray to any place, ${restart ? 'after a restart' : 'as it is found by reading'}`, async () => {
    const primary = await primaryWith(30)
    const written = await emptyMirror()
    await written.log.adopt(primary.log.tag)
    await written.log.close()
    const large = { epoch: 'seen', segmentBytes: 1_000_000 } as const
    const mirror = await openTestLog(written.disk, large)
    await follow(primary.log, mirror, 0)
    await mirror.close()
    let tried = 0
    for (let at = 200; at < 12_000; at += 97) {
      const disk = written.disk.fork()
      const opened = restart ? null : await openTestLog(disk, large)
      if (!(await misdirected(disk, at))) break
      tried++
      const log = opened ?? (await openTestLog(disk, large))
      assert.equal(log.lastLsn, 30, `astray at ${at}`)
      for (let lsn = 1; lsn <= 30; lsn++) await log.read(toLsn(lsn)).catch(() => {})
      assert.notDeepEqual(log.rotten, [])
      await repairAll(primary.log, log)
      await assertSame(primary.log, log)
      await appendDurably(log, [testRecord(31, 50)])
      await log.close()
      const again = await openTestLog(disk, large)
      assert.equal(again.lastLsn, 31)
      await assertRecords(primary.log, again, 30, `astray at ${at}`)
    }
    assert.ok(tried > 30)
  })
}

test('repair() mends a sealed segment in which a write went astray, and what was appended meanwhile is kept', async () => {
  const primary = await primaryWith(30)
  const mirror = await emptyMirror()
  await follow(primary.log, mirror.log)
  await mirror.log.close()
  const [first = ''] = [...mirror.disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
  const bytes = Buffer.from(mirror.disk.files.get(first) ?? Buffer.alloc(0))
  bytes.copy(bytes, 250, 700, 1_100)
  bytes.fill(0, 700, 1_100)
  mirror.disk.files.set(first, bytes)
  const log = await openTestLog(mirror.disk, { epoch: 'seen', segmentBytes })
  for (let lsn = 1; lsn <= 30; lsn++) await log.read(toLsn(lsn)).catch(() => {})
  assert.notDeepEqual(log.rotten, [])
  const repaired = repairAll(primary.log, log)
  for (let n = 31; n <= 36; n++) await appendDurably(log, [testRecord(n, 100)])
  await repaired
  await assertRecords(primary.log, log, 30)
  assert.equal(log.durableLsn, 36)
  await log.close()
  const again = await openTestLog(mirror.disk, { epoch: 'seen', segmentBytes })
  assert.equal(again.lastLsn, 36)
  await assertRecords(primary.log, again, 30)
  assert.equal(Buffer.from((await again.read(toLsn(36))).meta).toString(), 'meta of 36')
})

test('lastSegment of a mirror begins with the tag of the primary', async () => {
  const primary = await primaryWith(2)
  const mirror = await emptyMirror()
  await follow(primary.log, mirror.log)
  const bytes = mirror.disk.files.get(lastSegment(mirror.disk)) ?? Buffer.alloc(0)
  assert.deepEqual(bytes.subarray(8, 16), Buffer.from(primary.log.tag))
})

test('No header is ahead of records still to come: a crash in the middle of a copy leaves a log that can be continued', async () => {
  const primary = await primaryWith(30)
  const mirror = await emptyMirror()
  await mirror.log.adopt(primary.log.tag)
  // All of it waits at once, epoch 3 behind epoch 1, while segments are sealed and begun.
  const crashes: MemoryDisk[] = []
  mirror.disk.beforeSync = async () => void crashes.push(mirror.disk.fork())
  for (let next = 1; next <= primary.log.lastLsn; ) {
    const batch = await primary.log.readRaw(toLsn(next), 100)
    mirror.log.appendRaw(batch)
    next += batch.recordCount
  }
  await mirror.log.drained()
  assert.ok(crashes.length > 10)
  for (const disk of crashes) {
    const { log } = await emptyMirror(disk)
    const known = log.epochs().at(-1)?.epoch ?? 0
    assert.equal(log.epoch, known, `with ${log.lastLsn} records`)
    await log.cutAbove(log.lastLsn)
    await follow(primary.log, log)
    await assertSame(primary.log, log)
    await log.close()
  }
})
