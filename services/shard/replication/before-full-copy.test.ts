import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { makeReadable } from './before-full-copy.ts'
import { MemoryReplicaLog, memoryDisk } from './testing/memory-replica-log.ts'
import { VirtualClock } from './testing/virtual-clock.ts'

async function logWithRot(...rotten: number[]): Promise<{ log: MemoryReplicaLog; whole: Uint8Array[] }> {
  const clock = new VirtualClock()
  const log = new MemoryReplicaLog(clock, memoryDisk('a'))
  for (let i = 1; i <= 6; i++) log.append([{ type: 2, meta: Buffer.from(`text ${i}`) }])
  await clock.pass(100)
  const whole = await Promise.all([1, 2, 3, 4, 5, 6].map((lsn) => log.readRawRecord(toLsn(lsn))))
  for (const lsn of rotten) log.rot(lsn)
  return { log, whole }
}

test('makeReadable() repairs from the mirror what is rotten, before the mirror gives its log up', async () => {
  const { log, whole } = await logWithRot(2, 5, 6)
  const repaired: Lsn[] = []
  await makeReadable(
    log,
    async (lsn) => whole[lsn - 1] ?? null,
    (lsn) => repaired.push(lsn),
  )
  assert.deepEqual(repaired, [2, 5, 6])
  assert.deepEqual(log.rotten, [])
})

test('makeReadable() refuses to give a copy of a log with a record that nobody can read', async () => {
  const { log } = await logWithRot(4)
  const refused = makeReadable(
    log,
    async () => null,
    () => {},
  )
  await assert.rejects(refused, { code: 'PEER_REFUSED' })
})
