import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLsn } from '#lib/mail/types.ts'
import { BodyCache } from './body-cache.ts'

/** A log whose record n is `sizes[n]` bytes of the value n, and that counts what is read of it. */
function countingLog(sizes: Readonly<Record<number, number>>) {
  const reads: string[] = []
  return {
    reads,
    async readBody(lsn: number, offset: number, length: number) {
      reads.push(`${lsn}:${offset}+${length}`)
      return Buffer.alloc(sizes[lsn] ?? 0, lsn).subarray(offset, offset + length)
    },
  }
}

test('a record is read once, whole, and its parts are served from memory', async () => {
  const log = countingLog({ 7: 4_000 })
  const cache = new BodyCache(log, 10_000)
  assert.deepEqual(await cache.read(toLsn(7), 4_000, 100, 20), Buffer.alloc(20, 7))
  const again = cache.read(toLsn(7), 4_000, 3_990, 100)
  assert.ok(!(again instanceof Promise), 'nothing is waited for')
  assert.equal(again.byteLength, 10)
  assert.deepEqual(log.reads, ['7:0+4000'])
})

test('the least recently used go first, and the bound holds', async () => {
  const log = countingLog({ 1: 400, 2: 400, 3: 400 })
  const cache = new BodyCache(log, 1_000)
  await cache.read(toLsn(1), 400, 0, 400)
  await cache.read(toLsn(2), 400, 0, 400)
  await cache.read(toLsn(1), 400, 0, 1)
  await cache.read(toLsn(3), 400, 0, 400)
  assert.equal(cache.bytes, 800)
  await cache.read(toLsn(1), 400, 0, 400)
  await cache.read(toLsn(2), 400, 0, 400)
  assert.deepEqual(log.reads, ['1:0+400', '2:0+400', '3:0+400', '2:0+400'])
})

test('two readers of one record count it once', async () => {
  const cache = new BodyCache(countingLog({ 1: 400 }), 1_000)
  await Promise.all([cache.read(toLsn(1), 400, 0, 400), cache.read(toLsn(1), 400, 0, 400)])
  assert.equal(cache.bytes, 400)
})

test('large records are read in the pieces that are asked for', async () => {
  const log = countingLog({ 1: 1_000_000 })
  const cache = new BodyCache(log, 10_000_000)
  await cache.read(toLsn(1), 1_000_000, 500, 10)
  assert.deepEqual(log.reads, ['1:500+10'])
  assert.equal(cache.bytes, 0)
})

test('a record that cannot be read is asked for again', async () => {
  let broken = true
  const cache = new BodyCache(
    { readBody: async () => (broken ? Promise.reject(new Error('rot')) : Buffer.alloc(4)) },
    1_000,
  )
  await assert.rejects(async () => cache.read(toLsn(1), 4, 0, 4), /rot/)
  broken = false
  assert.equal((await cache.read(toLsn(1), 4, 0, 4)).byteLength, 4)
})
