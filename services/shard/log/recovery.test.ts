import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'
import {
  BATCH_HEADER_BYTES,
  decodeBatchHeader,
  logIdentity,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import type { Log } from './log.ts'
import { appendDurably, fixedRandom, flipped, lastSegment, MemoryDisk, openTestLog, testRecord } from './testing.ts'

const identity = logIdentity(fixedRandom.bytes(8))

/** Two batches: records 1-3, which the header of the second covers, and 4-6, which nothing covers. */
async function writtenDisk(): Promise<{ disk: MemoryDisk; path: string; bytes: Buffer; lastBatchAt: number }> {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  await appendDurably(log, [testRecord(1, 300), testRecord(2, 20), testRecord(3, 700)])
  const path = lastSegment(disk)
  const lastBatchAt = disk.files.get(path)?.length ?? 0
  await appendDurably(log, [testRecord(4, 100), testRecord(5, 600), testRecord(6, 10)])
  return { disk, path, bytes: disk.files.get(path) ?? Buffer.alloc(0), lastBatchAt }
}

async function reopened(disk: MemoryDisk, path: string, bytes: Buffer): Promise<{ disk: MemoryDisk; log: Log }> {
  const copy = disk.fork()
  copy.files.set(path, bytes)
  return { disk: copy, log: await openTestLog(copy) }
}

async function assertReads(log: Log, first: number, last: number): Promise<void> {
  for (let lsn = first; lsn <= last; lsn++) {
    const record = await log.read(toLsn(lsn))
    assert.equal(Buffer.from(record.meta).toString(), `meta of ${lsn}`)
    const body = testRecord(lsn, record.body.length).body?.[0] ?? Buffer.alloc(0)
    assert.equal(Buffer.compare(record.body, body), 0, `body of ${lsn}`)
  }
}

describe('Log.open() on a torn tail', () => {
  let written: Awaited<ReturnType<typeof writtenDisk>>
  before(async () => {
    written = await writtenDisk()
  })

  test('cuts at every byte of the last batch, keeps whole records, and puts the cut aside', async () => {
    const { disk, path, bytes, lastBatchAt } = written
    let end = lastBatchAt + BATCH_HEADER_BYTES
    const ends = [100, 600, 10].map((bodyBytes) => {
      end += RECORD_HEADER_BYTES + 'meta of 4'.length + bodyBytes
      return end
    })
    assert.equal(ends.at(-1), bytes.length)
    for (let length = lastBatchAt; length <= bytes.length; length++) {
      const after = await reopened(disk, path, bytes.subarray(0, length))
      const whole = 3 + ends.filter((end) => end <= length).length
      assert.equal(after.log.lastLsn, whole, `cut at ${length}`)
      assert.deepEqual(after.log.recovery.rotten, [])
      await assertReads(after.log, 1, whole)
      const { cut } = after.log.recovery
      if (cut === null) continue
      const kept = after.disk.files.get(cut.path)
      assert.equal(kept?.length, cut.bytes)
      assert.deepEqual(kept, bytes.subarray(length - cut.bytes, length))
    }
  })

  test('cuts at the first record with a flipped bit in the last batch', async () => {
    const { disk, path, bytes, lastBatchAt } = written
    for (let at = lastBatchAt; at < bytes.length; at += 5) {
      const { log } = await reopened(disk, path, flipped(bytes, at))
      assert.ok(log.lastLsn >= 3 && log.lastLsn < 6, `flipped at ${at}: ends at ${log.lastLsn}`)
      assert.deepEqual(log.recovery.rotten, [])
      await assertReads(log, 1, log.lastLsn)
    }
  })

  test('cuts pages that survived out of order', async () => {
    const { disk, path, bytes, lastBatchAt } = written
    const torn = Buffer.from(bytes)
    torn.fill(0, lastBatchAt, lastBatchAt + 200)
    const { log } = await reopened(disk, path, torn)
    assert.equal(log.lastLsn, 3)
    assert.deepEqual(log.recovery.rotten, [])
  })

  test('takes zeros at the end for space set aside, not for a torn tail', async () => {
    const { disk, path, bytes } = written
    const { log } = await reopened(disk, path, Buffer.concat([bytes, Buffer.alloc(5000)]))
    assert.equal(log.lastLsn, 6)
    assert.equal(log.recovery.cut, null)
  })

  test('writes on behind the cut, in a new epoch, and opens again', async () => {
    const { disk, path, bytes } = written
    const first = await reopened(disk, path, bytes.subarray(0, bytes.length - 3))
    assert.equal(first.log.lastLsn, 5)
    await appendDurably(first.log, [testRecord(6, 44), testRecord(7, 44)])
    const again = await openTestLog(first.disk)
    assert.equal(again.lastLsn, 7)
    await assertReads(again, 1, 7)
    assert.deepEqual(
      again.epochs().map(({ epoch, firstLsn }) => [epoch, firstLsn]),
      [
        [1, 1],
        [2, 6],
      ],
    )
  })

  test('never cuts what is known to have been durable from elsewhere', async () => {
    const { disk, path, bytes } = written
    const copy = disk.fork()
    copy.files.set(path, bytes.subarray(0, bytes.length - 3))
    const log = await openTestLog(copy, { knownUpTo: toLsn(6) })
    assert.equal(log.lastLsn, 6)
    assert.deepEqual(log.recovery.rotten, [{ first: 6, last: 6 }])
    await assert.rejects(log.read(toLsn(6)), { code: 'LOG_ROTTEN_RECORD' })
    await assertReads(log, 1, 5)
  })
})

describe('Log.open() on rot', () => {
  test('keeps every record behind a flipped bit below syncedUpTo and tells which one is rotten', async () => {
    const { disk, path, bytes, lastBatchAt } = await writtenDisk()
    for (let at = SEGMENT_HEADER_BYTES; at < lastBatchAt; at += 3) {
      const { disk: copy, log } = await reopened(disk, path, flipped(bytes, at, at % 8))
      assert.equal(log.lastLsn, 6, `flipped at ${at}`)
      assert.equal(log.recovery.cut, null)
      const rotten = log.recovery.rotten.flatMap(({ first, last }) => (first === last ? [first] : [first, last]))
      assert.ok(rotten.length <= 1, `flipped at ${at}: ${rotten}`)
      for (let lsn = 1; lsn <= 6; lsn++) {
        if (rotten.includes(toLsn(lsn))) await assert.rejects(log.read(toLsn(lsn)), { code: 'LOG_ROTTEN_RECORD' })
        else await assertReads(log, lsn, lsn)
      }
      const again = await openTestLog(copy)
      assert.deepEqual(again.recovery.rotten, log.recovery.rotten)
    }
  })

  test('makes a damaged segment header again from the batches behind it', async () => {
    const { disk, path, bytes } = await writtenDisk()
    const { log } = await reopened(disk, path, flipped(bytes, 40))
    assert.deepEqual(log.recovery.mended, [path])
    assert.equal(log.lastLsn, 6)
    await assertReads(log, 1, 6)
  })

  test('stops plainly if nothing tells which log it is', async () => {
    const { disk, path, bytes } = await writtenDisk()
    const lost = flipped(flipped(bytes, 40), SEGMENT_HEADER_BYTES + 3)
    await assert.rejects(reopened(disk, path, lost), { code: 'LOG_UNREADABLE' })
  })

  test('tells the records of a segment that is gone', async () => {
    const disk = new MemoryDisk()
    const log = await openTestLog(disk, { segmentBytes: 1000 })
    for (let n = 1; n <= 12; n++) await appendDurably(log, [testRecord(n, 300)])
    const second = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()[1] ?? ''
    disk.files.delete(second)
    const again = await openTestLog(disk, { segmentBytes: 1000 })
    assert.equal(again.lastLsn, 12)
    const [missing] = again.recovery.rotten
    assert.ok(missing && missing.first > 1 && missing.last < 12)
    await assert.rejects(again.read(toLsn(missing.first)), { code: 'LOG_ROTTEN_RECORD' })
    await assertReads(again, missing.last + 1, 12)
  })

  test('mends a sealed segment whose footer is damaged anywhere', async () => {
    const disk = new MemoryDisk()
    const log = await openTestLog(disk, { segmentBytes: 1000 })
    for (let n = 1; n <= 6; n++) await appendDurably(log, [testRecord(n, 300)])
    await log.close()
    const first = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()[0] ?? ''
    const bytes = disk.files.get(first) ?? Buffer.alloc(0)
    for (let at = bytes.length - 200; at < bytes.length; at += 3) {
      const { log: again } = await reopened(disk, first, flipped(bytes, at))
      assert.equal(again.lastLsn, 6)
      await assertReads(again, 1, 6)
    }
  })
})

describe('Log.open()', () => {
  test('rewrites the tail and closes it with a header that covers all of it', async () => {
    const { disk, path } = await writtenDisk()
    const log = await openTestLog(disk)
    const bytes = disk.files.get(path) ?? Buffer.alloc(0)
    const header = decodeBatchHeader(bytes, bytes.length - BATCH_HEADER_BYTES, identity)
    assert.equal(header?.syncedUpTo, 6)
    assert.equal(header?.recordCount, 0)
    assert.equal(header?.epoch, log.epoch)
    await log.close()
  })

  test('refuses the log of another shard', async () => {
    const { disk } = await writtenDisk()
    await assert.rejects(openTestLog(disk, { shard: toShardName('n2/0') }), { code: 'LOG_FOREIGN' })
  })

  test('refuses an epoch below one that it has seen', async () => {
    const { disk } = await writtenDisk()
    await (await openTestLog(disk, { epoch: toEpoch(8) })).close()
    await assert.rejects(openTestLog(disk, { epoch: toEpoch(7) }), { code: 'LOG_EPOCH_BACKWARDS' })
  })

  test('remembers an epoch in which nothing was appended', async () => {
    const disk = new MemoryDisk()
    for (let epoch = 1; epoch <= 4; epoch++) {
      const log = await openTestLog(disk)
      assert.equal(log.epoch, epoch)
      await log.close()
    }
  })

  test('removes files that were never finished', async () => {
    const { disk } = await writtenDisk()
    disk.files.set('log/0000000000000007.seg.new', Buffer.from('half'))
    await (await openTestLog(disk)).close()
    assert.deepEqual(
      [...disk.files.keys()].filter((path) => path.endsWith('.new')),
      [],
    )
  })

  test('takes a letter that holds a header of the log for what it is', async () => {
    const { bytes, lastBatchAt } = await writtenDisk()
    const other = logIdentity(Buffer.alloc(8, 1))
    const fake = Buffer.from(bytes.subarray(lastBatchAt, lastBatchAt + BATCH_HEADER_BYTES))
    other.tag.copy(fake, 8)
    const disk = new MemoryDisk()
    const log = await openTestLog(disk)
    await appendDurably(log, [testRecord(1, 10)])
    await appendDurably(log, [{ type: 2, meta: Buffer.alloc(0), body: [Buffer.concat([fake, Buffer.alloc(900)])] }])
    const path = lastSegment(disk)
    const torn = disk.files.get(path)?.subarray(0, -100) ?? Buffer.alloc(0)
    const after = await reopened(disk, path, torn)
    assert.equal(after.log.lastLsn, 1)
    assert.deepEqual(after.log.recovery.rotten, [])
  })
})
