import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { BATCH_HEADER_BYTES, decodeBatchHeader, logIdentity } from './format.ts'
import { IDLE_HEADER_AFTER_MS, OPEN_SEGMENTS_MAX } from './limits.ts'
import { Log } from './log.ts'
import {
  appendDurably,
  fixedRandom,
  lastSegment,
  ManualClock,
  MemoryDisk,
  openTestLog,
  TEST_DIRECTORY,
  TEST_SHARD,
  testRecord,
} from './testing.ts'
import type { EncodedBatch, LogRecord, NewRecord } from './types.ts'

/** Lets all promise jobs run. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A sync that the test lets go or fails by hand. */
function heldSync(disk: MemoryDisk): { release: () => void; fail: (error: Error) => void } {
  const gate = Promise.withResolvers<void>()
  disk.beforeSync = () => gate.promise
  return { release: gate.resolve, fail: gate.reject }
}

test('append() gives dense LSNs from 1 and keeps the records of one call in one batch', async () => {
  const log = await openTestLog(new MemoryDisk())
  const batches: EncodedBatch[] = []
  log.onBatch((batch) => batches.push(batch))
  const first = await appendDurably(log, [testRecord(1, 10), testRecord(2, 10)])
  const second = await appendDurably(log, [testRecord(3, 10)])
  assert.deepEqual(
    [first, second],
    [
      { first: 1, last: 2 },
      { first: 3, last: 3 },
    ],
  )
  assert.deepEqual(
    batches.map(({ firstLsn, recordCount }) => [firstLsn, recordCount]),
    [
      [1, 2],
      [3, 1],
    ],
  )
})

test('append() puts what comes during a sync into the next batch', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  const counts: number[] = []
  log.onBatch((batch) => counts.push(batch.recordCount))
  const sync = heldSync(disk)
  log.append([testRecord(1, 10)])
  await settled()
  for (let n = 2; n <= 9; n++) log.append([testRecord(n, 10)])
  await settled()
  assert.deepEqual(counts, [1])
  sync.release()
  await settled()
  assert.deepEqual(counts, [1, 8])
  assert.equal(log.durableLsn, 9)
})

test('append() hands bodies to the disk without copying them', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  const body = Buffer.alloc(4096, 'x')
  await appendDurably(log, [{ type: 2, meta: Buffer.alloc(0), body: [body] }])
  assert.ok(disk.writes.at(-1)?.includes(body))
})

test('onDurable() is told only after the sync resolved', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  const told: number[] = []
  log.onDurable((lsn) => told.push(lsn))
  const sync = heldSync(disk)
  log.append([testRecord(1, 10), testRecord(2, 10)])
  await settled()
  assert.deepEqual(told, [])
  assert.equal(log.durableLsn, 0)
  sync.release()
  await settled()
  assert.deepEqual(told, [2])
})

test('read() gives records that are appended and not yet durable', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  const sync = heldSync(disk)
  log.append([testRecord(1, 50)])
  const body = [Buffer.from('in '), Buffer.from('pieces')]
  log.append([{ type: 3, meta: Buffer.from('m'), body }])
  const record = await log.read(toLsn(2))
  assert.equal(Buffer.from(record.body).toString(), 'in pieces')
  assert.equal(record.type, 3)
  assert.equal(Buffer.from(await log.readBody(toLsn(2), 3, 4)).toString(), 'piec')
  await assert.rejects(log.read(toLsn(3)), { code: 'LOG_NO_SUCH_RECORD' })
  sync.release()
  await settled()
  assert.equal(Buffer.from((await log.read(toLsn(2))).body).toString(), 'in pieces')
})

for (const [what, arrange] of [
  ['sync', (disk: MemoryDisk) => (disk.beforeSync = () => Promise.reject(new Error('EIO')))],
  ['write', (disk: MemoryDisk) => (disk.beforeWrite = () => Promise.reject(new Error('ENOSPC')))],
] as const) {
  test(`onFailure() is told once after a failed ${what}, and nothing more is written`, async () => {
    const disk = new MemoryDisk()
    const log = await openTestLog(disk)
    await appendDurably(log, [testRecord(1, 10)])
    const failures: Error[] = []
    const durable: number[] = []
    log.onFailure((error) => failures.push(error))
    log.onDurable((lsn) => durable.push(lsn))
    arrange(disk)
    log.append([testRecord(2, 10)])
    log.append([testRecord(3, 10)])
    await settled()
    const { length } = disk.writes
    disk.beforeSync = async () => {}
    disk.beforeWrite = async () => {}
    assert.throws(() => log.append([testRecord(4, 10)]), { code: 'LOG_STOPPED' })
    await log.close()
    assert.equal(failures.length, 1)
    assert.deepEqual(durable, [])
    assert.equal(log.durableLsn, 1)
    assert.equal(disk.writes.length, length)
  })
}

test('An idle log writes one empty batch header that covers the last batch', async () => {
  const disk = new MemoryDisk()
  const clock = new ManualClock()
  const log = await openTestLog(disk, { clock })
  await appendDurably(log, [testRecord(1, 10), testRecord(2, 10)])
  await settled()
  clock.advance(IDLE_HEADER_AFTER_MS)
  await settled()
  const bytes = disk.files.get(lastSegment(disk)) ?? Buffer.alloc(0)
  const header = decodeBatchHeader(bytes, bytes.length - BATCH_HEADER_BYTES, logIdentity(fixedRandom.bytes(8)))
  assert.equal(header?.syncedUpTo, 2)
  const { length } = disk.writes
  clock.advance(10 * IDLE_HEADER_AFTER_MS)
  await settled()
  assert.equal(disk.writes.length, length)
})

test('setEpoch() begins a new batch and a new entry of the epoch vector', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk, { epoch: toEpoch(4) })
  await appendDurably(log, [testRecord(1, 10)])
  log.append([testRecord(2, 10)])
  log.setEpoch(toEpoch(9))
  await appendDurably(log, [testRecord(3, 10)])
  const vector = [
    [4, 1],
    [9, 3],
  ]
  assert.deepEqual(
    log.epochs().map(({ epoch, firstLsn }) => [epoch, firstLsn]),
    vector,
  )
  assert.equal((await log.read(toLsn(2))).epoch, 4)
  assert.deepEqual(log.epochs()[1]?.chain, (await log.readHeader(toLsn(3))).chain)
  assert.throws(() => log.setEpoch(toEpoch(8)), { code: 'LOG_EPOCH_BACKWARDS' })
  await log.close()
  const again = await openTestLog(disk, { epoch: toEpoch(9) })
  assert.deepEqual(
    again.epochs().map(({ epoch, firstLsn }) => [epoch, firstLsn]),
    vector,
  )
})

test('A log rolls its segments, reads all of them again, and keeps few files open', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk, { segmentBytes: 2000 })
  const count = 3 * OPEN_SEGMENTS_MAX
  for (let n = 1; n <= count; n++) await appendDurably(log, [testRecord(n, 1200)])
  assert.ok([...disk.files.keys()].length > OPEN_SEGMENTS_MAX * 2)
  await log.close()
  const again = await openTestLog(disk, { segmentBytes: 2000 })
  for (let n = 1; n <= count; n++) {
    const { body } = await again.read(toLsn(n))
    assert.equal(Buffer.compare(body, testRecord(n, 1200).body?.[0] ?? Buffer.alloc(0)), 0)
  }
  assert.ok(disk.openCount <= OPEN_SEGMENTS_MAX + 1)
  await again.close()
  assert.equal(disk.openCount, 0)
})

test('scan() visits a range in order across segments, with and without bodies, and waits for the visitor', async () => {
  const log = await openTestLog(new MemoryDisk(), { segmentBytes: 4000 })
  for (let n = 1; n <= 30; n++) await appendDurably(log, [testRecord(n, n === 7 ? 200_000 : 500)])
  for (const bodies of [true, false]) {
    const seen: LogRecord[] = []
    await log.scan(toLsn(3), toLsn(28), { bodies }, async (record) => {
      await settled()
      seen.push(record)
    })
    assert.deepEqual(
      seen.map(({ lsn }) => lsn),
      Array.from({ length: 26 }, (_, i) => i + 3),
    )
    for (const { lsn, meta, body } of seen) {
      assert.equal(Buffer.from(meta).toString(), `meta of ${lsn}`)
      assert.equal(body.length, bodies ? (lsn === 7 ? 200_000 : 500) : 0)
    }
  }
})

test('readBody() gives any part of a body, read apart or in turn', async () => {
  const log = await openTestLog(new MemoryDisk())
  const body = testRecord(1, 3000).body?.[0] ?? Buffer.alloc(0)
  await appendDurably(log, [testRecord(1, 3000), testRecord(2, 10)])
  for (const [offset, length] of [
    [0, 10],
    [2990, 100],
    [3000, 5],
    [5000, 5],
    [100, 0],
  ] as const) {
    const part = await log.readBody(toLsn(1), offset, length)
    assert.deepEqual(Buffer.from(part), Buffer.from(body.subarray(offset, offset + length)))
  }
})

test('readBody() and read() refuse a body whose bytes changed on disk', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  await appendDurably(log, [testRecord(1, 3000), testRecord(2, 10)])
  const path = lastSegment(disk)
  const bytes = disk.files.get(path)
  assert.ok(bytes)
  bytes[1500] = (bytes[1500] ?? 0) ^ 4
  await assert.rejects(log.readBody(toLsn(1), 0, 10), { code: 'LOG_ROTTEN_RECORD' })
  await assert.rejects(log.read(toLsn(1)), { code: 'LOG_ROTTEN_RECORD' })
  assert.deepEqual(log.rotten, [{ first: 1, last: 1 }])
  assert.equal((await log.read(toLsn(2))).body.length, 10)
})

test('readBody() proves a body each time that it is read from the disk', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  await appendDurably(log, [testRecord(1, 3000), testRecord(2, 10)])
  const whole = Buffer.from(await log.readBody(toLsn(1), 0, 3000))
  const first = Buffer.from(await log.readBody(toLsn(1), 0, 1000))
  const bytes = disk.files.get(lastSegment(disk))
  assert.ok(bytes)
  bytes[1500] = (bytes[1500] ?? 0) ^ 4
  // The rest of what was begun comes from the bytes that were proved.
  assert.deepEqual(Buffer.concat([first, await log.readBody(toLsn(1), 1000, 2000)]), whole)
  await assert.rejects(log.readBody(toLsn(1), 0, 3000), { code: 'LOG_ROTTEN_RECORD' })
})

test('readBody() and read() wait for the rescue of a rotten record', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  await appendDurably(log, [testRecord(1, 3000), testRecord(2, 10)])
  const record = { lsn: toLsn(1), bytes: await log.readRawRecord(toLsn(1)) }
  const bytes = disk.files.get(lastSegment(disk))
  assert.ok(bytes)
  bytes[1500] = (bytes[1500] ?? 0) ^ 4
  log.onRotten(async () => {
    await log.repair([record])
    return true
  })
  assert.deepEqual(Buffer.from((await log.read(toLsn(1))).body), testRecord(1, 3000).body?.[0])
  bytes[1500] = (bytes[1500] ?? 0) ^ 4
  assert.equal((await log.readBody(toLsn(1), 10, 100)).length, 100)
  assert.deepEqual(log.rotten, [])
})

test('close() makes durable what was appended before it and refuses what comes after', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  log.append([testRecord(1, 10)])
  await log.close()
  assert.throws(() => log.append([testRecord(2, 10)]), { code: 'LOG_STOPPED' })
  assert.equal((await openTestLog(disk)).lastLsn, 1)
})

test('A log gives back any records, in any batches, over any segment size', async () => {
  const record = fc.record({
    type: fc.integer({ min: 0, max: 65_535 }),
    meta: fc.uint8Array({ maxLength: 700 }),
    body: fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 3 }),
  })
  const appends = fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(appends, fc.integer({ min: 300, max: 5000 }), async (calls, segmentBytes) => {
      const disk = new MemoryDisk()
      const log = await openTestLog(disk, { segmentBytes })
      for (const records of calls) log.append(records)
      await log.close()
      const again = await openTestLog(disk, { segmentBytes })
      const seen: NewRecord[] = []
      await again.scan(toLsn(1), again.lastLsn, { bodies: true }, ({ type, meta, body }) => {
        seen.push({ type, meta: Uint8Array.from(meta), body: [Uint8Array.from(body)] })
      })
      const wanted = calls.flat().map(({ type, meta, body }) => ({
        type,
        meta,
        body: [Uint8Array.from(Buffer.concat(body))],
      }))
      assert.deepEqual(seen, wanted)
      await again.close()
    }),
    { numRuns: 60 },
  )
})

test('A log on the real disk survives being left without close', async () => {
  const root = await mkdtemp(join(tmpdir(), 'twinpost-log-'))
  try {
    const options = {
      disk: new NodeDisk(root),
      directory: `n1/0/${TEST_DIRECTORY}`,
      shard: TEST_SHARD,
      clock: nodeClock,
    }
    const log = await Log.open({ ...options, random: nodeRandom, segmentBytes: 100_000 })
    for (let n = 1; n <= 40; n++) await appendDurably(log, [testRecord(n, 4096), testRecord(n, 0)])
    const again = await Log.open({ ...options, random: nodeRandom, segmentBytes: 100_000 })
    assert.equal(again.lastLsn, 80)
    assert.deepEqual(again.recovery.rotten, [])
    const { body } = await again.read(toLsn(79))
    assert.deepEqual(Buffer.from(body), testRecord(40, 4096).body?.[0])
    await again.close()
    await log.close()
  } finally {
    await rm(root, { recursive: true })
  }
})
