import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendDurably, MemoryDisk, openTestLog, testRecord } from '../log/testing.ts'
import { Reserve, withReserve } from './reserve.ts'

const BYTES = 3_000_000
const always = async () => true

/** A disk of a fixed size: what a write would add beyond it is refused as a kernel does. */
function limited(disk: MemoryDisk, bytesMax: number): void {
  disk.beforeWrite = async () => {
    const used = [...disk.files.values()].reduce((sum, bytes) => sum + bytes.length, 0)
    if (used >= bytesMax) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  }
}

test('A log goes on from its reserve when the disk is full, and stops when that is spent', async () => {
  const disk = new MemoryDisk()
  const reserve = await Reserve.open(disk, 'replica', BYTES)
  while (reserve.missingBytes > 0) await reserve.refill(always)
  let tapped = 0
  const log = await openTestLog(withReserve(disk, reserve, () => tapped++))
  limited(disk, 2 * BYTES + 100_000)
  let written = 0
  await assert.rejects(async () => {
    for (;;) written = (await appendDurably(log, [testRecord(1, 50_000)])).last
  }, /no space left/)
  assert.equal(tapped, 2)
  assert.equal(reserve.missingBytes, 2 * BYTES)
  assert.ok(written > 110, `${written} records were written`)
  // What was reported durable is there after a restart.
  disk.beforeWrite = async () => {}
  assert.ok((await openTestLog(disk)).lastLsn >= written)
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
  const file = await withReserve(disk, reserve, () => {}).create('a')
  disk.beforeSync = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  await assert.rejects(file.sync(), { code: 'ENOSPC' })
  disk.beforeWrite = () => Promise.reject(Object.assign(new Error('broken'), { code: 'EIO' }))
  await assert.rejects(file.write(0, [Buffer.alloc(1)]), { code: 'EIO' })
  assert.equal(reserve.missingBytes, 10)
})
