import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendDurably, ManualClock, MemoryDisk, openTestLog, testRecord } from '../log/testing.ts'
import { Reserve, reserveFileBytes, withReserve } from './reserve.ts'

const BYTES = 3_000_000
const always = async () => true
/** Lets all promise jobs run. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A disk of a fixed size: what a write would add beyond it is refused as a kernel does. */
function limited(disk: MemoryDisk, bytesMax: number): void {
  disk.beforeWrite = async () => {
    const used = [...disk.files.values()].reduce((sum, bytes) => sum + bytes.length, 0)
    if (used >= bytesMax) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  }
}

test('A log goes on from its reserve when the disk is full, waits when that is spent, and goes on with space', async () => {
  const disk = new MemoryDisk()
  const reserve = await Reserve.open(disk, 'replica', BYTES)
  while (reserve.missingBytes > 0) await reserve.refill(always)
  let tapped = 0
  const clock = new ManualClock()
  const waits: boolean[] = []
  const roomy = withReserve(
    disk,
    () => reserve,
    () => tapped++,
  )
  const log = await openTestLog(roomy, { clock, onSpace: (full) => waits.push(full) })
  limited(disk, 2 * BYTES + 100_000)
  let written = 0
  while (!log.full) {
    log.append([testRecord(1, 50_000)])
    await turn()
    written = log.durableLsn
  }
  assert.equal(tapped, 2)
  assert.equal(reserve.missingBytes, 2 * BYTES)
  assert.ok(written > 110, `${written} records were written`)
  assert.equal(log.lastLsn, written + 1)
  for (let i = 0; i < 20; i++) {
    clock.advance(250)
    await turn()
  }
  assert.equal(log.durableLsn, written, 'what is not on the disk is not called durable')
  disk.beforeWrite = async () => {}
  clock.advance(250)
  await turn()
  assert.equal(log.durableLsn, written + 1)
  assert.equal(log.full, false)
  assert.deepEqual(waits, [true, false])
  // All of it is there after a restart.
  assert.equal((await openTestLog(disk)).lastLsn, written + 1)
})

test('A log that waits for space can be closed, and keeps what was durable', async () => {
  const disk = new MemoryDisk()
  const log = await openTestLog(disk)
  await appendDurably(log, [testRecord(1, 100)])
  limited(disk, 0)
  log.append([testRecord(2, 100)])
  await turn()
  assert.equal(log.full, true)
  await log.close()
  disk.beforeWrite = async () => {}
  assert.equal((await openTestLog(disk)).lastLsn, 1)
})

test('A log seals its segment and begins the next one when there is space again', async () => {
  const disk = new MemoryDisk()
  const clock = new ManualClock()
  const log = await openTestLog(disk, { clock, segmentBytes: 1_000 })
  for (const piece of [1, 2, 3, 4, 5, 6]) {
    // Each write of the seal finds no space once: footer, new segment, batch.
    disk.beforeWrite = async () => {
      disk.beforeWrite = async () => {}
      throw Object.assign(new Error('no space left'), { code: piece % 2 === 0 ? 'ENOSPC' : 'EDQUOT' })
    }
    log.append([testRecord(piece, 900)])
    await turn()
    clock.advance(250)
    await turn()
    assert.equal(log.durableLsn, piece)
  }
  assert.equal(log.sealed.length, 5)
  assert.equal((await openTestLog(disk)).lastLsn, 6)
})

test('Reserve.open() counts whole files only, and a refill that is given up leaves none', async () => {
  const disk = new MemoryDisk()
  const reserve = await Reserve.open(disk, 'replica', BYTES)
  let pieces = 0
  await reserve.refill(async () => ++pieces < 2)
  assert.deepEqual([...disk.files.keys()], [])
  await reserve.refill(always)
  disk.files.set('replica/reserve-2.new', Buffer.alloc(100))
  const again = await Reserve.open(disk, 'replica', BYTES)
  assert.equal(again.missingBytes, BYTES)
  assert.deepEqual([...disk.files.keys()], ['replica/reserve-1'])
})

test('A failed sync is not tried again, and other errors are not held back by the reserve', async () => {
  const disk = new MemoryDisk()
  const reserve = await Reserve.open(disk, 'replica', 10)
  await reserve.refill(always)
  const file = await withReserve(
    disk,
    () => reserve,
    () => {},
  ).create('a')
  disk.beforeSync = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  await assert.rejects(file.sync(), { code: 'ENOSPC' })
  disk.beforeWrite = () => Promise.reject(Object.assign(new Error('broken'), { code: 'EIO' }))
  await assert.rejects(file.write(0, [Buffer.alloc(1)]), { code: 'EIO' })
  assert.equal(reserve.missingBytes, 10)
})

test('reserveFileBytes() is a segment, and little of a small volume', () => {
  const MIB = 1024 * 1024
  assert.equal(reserveFileBytes(500 * 1024 * MIB), 64 * MIB)
  assert.equal(reserveFileBytes(200 * MIB), 4 * MIB)
  assert.equal(reserveFileBytes(0), 64 * MIB)
})
