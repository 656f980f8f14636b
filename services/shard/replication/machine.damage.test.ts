/** What a damaged disk must not cost: the newest records rot, an epoch's first record rots, and the other member fails as well. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLE_TIMES } from '../roles/times.ts'
import { Pair } from './testing/pair.ts'

/** Both in sync, and some records acknowledged of which the mirror does not know yet that they are. */
async function withAcknowledged(count: number): Promise<Pair> {
  const pair = new Pair()
  await pair.startInSync()
  await pair.clock.pass(500)
  pair.write(count)
  await pair.wait(() => pair.acknowledged.size === count, 100, 'all is acknowledged')
  assert.ok(pair.b.machine.commit < pair.b.log.lastLsn)
  return pair
}

async function wellAgain(pair: Pair): Promise<void> {
  await pair.waitInSync()
  pair.write(2)
  await pair.clock.pass(500)
  await pair.check(pair.a)
  await pair.check(pair.b)
  pair.checkEqual()
}

test('ReplicaMachine whose newest records rotted gives the office to the mirror, which has them', async () => {
  const pair = await withAcknowledged(5)
  pair.a.killAndRot(2)
  pair.a.start()
  await pair.wait(() => pair.primary === pair.b, 1_000, 'the mirror serves')
  await pair.check(pair.b)
  await wellAgain(pair)
})

test('ReplicaMachine whose newest records rotted waits for a mirror that failed in the same second', async () => {
  const pair = await withAcknowledged(5)
  pair.a.killAndRot(2)
  pair.b.kill()
  pair.a.start()
  await pair.clock.pass(12_000)
  assert.equal(pair.primary, null)
  assert.match(pair.a.machine.phase, /damaged, and the other member may hold what was acknowledged/)
  // A start in between forgets nothing.
  pair.a.kill()
  pair.a.start()
  await pair.clock.pass(5_000)
  assert.equal(pair.primary, null)
  pair.b.start()
  await pair.wait(() => pair.primary === pair.b, 1_000, 'the mirror serves')
  await wellAgain(pair)
})

test('ReplicaMachine whose newest records rotted goes on alone when the mirror does not come back, and says so', async () => {
  const pair = await withAcknowledged(5)
  pair.a.killAndRot(2)
  pair.b.kill()
  pair.a.start()
  await pair.wait(() => pair.primary === pair.a, ROLE_TIMES.doubtMs + 1_000, 'it serves alone')
  const told = pair.a.life?.notices.find(({ kind }) => kind === 'end-in-doubt')
  assert.deepEqual(told, { kind: 'end-in-doubt', lsn: 4 })
})

test('ReplicaMachine whose end was damaged serves at once when the mirror holds no more', async () => {
  const pair = await withAcknowledged(5)
  pair.network.cutBoth(true)
  pair.write(1)
  await pair.clock.pass(50)
  pair.a.killAndRot(1)
  pair.network.cutBoth(false)
  pair.a.start()
  await pair.wait(() => pair.primary === pair.a, 1_000, 'it serves again')
  assert.deepEqual(pair.entry?.inSync.length, 2)
  await wellAgain(pair)
})

test('ReplicaMachine that mirrors does not take over with a damaged end before the primary was asked', async () => {
  const pair = await withAcknowledged(5)
  pair.a.kill()
  pair.b.killAndRot(2)
  pair.b.start()
  await pair.clock.pass(10_000)
  assert.equal(pair.primary, null)
  assert.match(pair.b.machine.phase, /damaged, and the primary may hold what was acknowledged/)
  pair.a.start()
  await pair.wait(() => pair.primary === pair.a, 2_000, 'the primary serves again')
  await wellAgain(pair)
})

test('ReplicaMachine that mirrors takes over with a damaged end when the primary does not come back', async () => {
  const pair = await withAcknowledged(5)
  pair.a.kill()
  pair.b.killAndRot(2)
  pair.b.start()
  await pair.wait(() => pair.primary === pair.b, ROLE_TIMES.doubtMs + 1_000, 'it serves alone')
  assert.ok(pair.b.life?.notices.some(({ kind }) => kind === 'end-in-doubt'))
})

test('ReplicaMachine goes on with a mirror in which the first record of an epoch rotted, and repairs it', async () => {
  for (const member of [0, 1] as const) {
    const pair = await withAcknowledged(3)
    const node = pair.nodes[member]
    pair.a.kill()
    pair.a.start()
    await pair.waitInSync()
    await pair.clock.pass(500)
    const first = node.log.epochs().at(-1)?.firstLsn ?? 0
    node.kill()
    node.start()
    node.log.rot(first)
    await pair.wait(() => node.log.rotten.length === 0, 8_000, 'it is repaired')
    await wellAgain(pair)
  }
})

test('ReplicaMachine with a rotten last record that the mirror never had gives the office to the mirror', async () => {
  const pair = await withAcknowledged(3)
  pair.network.cutBoth(true)
  pair.write(1)
  await pair.clock.pass(50)
  const last = pair.a.log.lastLsn
  pair.a.kill()
  pair.network.cutBoth(false)
  pair.a.start()
  pair.a.log.rot(last)
  await pair.wait(() => pair.primary === pair.b, 1_000, 'the mirror serves')
  await wellAgain(pair)
})

test('ReplicaMachine does not hand over to a mirror with rotten records before they are repaired', async () => {
  const pair = await withAcknowledged(3)
  pair.b.log.rot(2)
  pair.a.log.rot(2)
  await pair.clock.pass(500)
  const handedOver = pair.a.machine.switchover()
  await pair.clock.pass(2_000)
  assert.equal(pair.primary, pair.a)
  assert.match(pair.a.machine.phase, /rotten records to repair first/)
  await pair.a.log.repair([
    {
      lsn: pair.a.disk.records[1]?.record.lsn ?? pair.a.log.lastLsn,
      bytes: pair.a.disk.records[1]?.bytes ?? Buffer.alloc(0),
    },
  ])
  await pair.wait(() => pair.primary === pair.b, 3_000, 'the mirror was repaired and serves')
  await handedOver
})

test('ReplicaMachine whose log is copied anew from the first record may have an index that is ahead of it', async () => {
  const pair = await withAcknowledged(5)
  pair.b.kill()
  pair.b.replaceDisk()
  pair.b.applied = 4
  pair.b.start()
  await wellAgain(pair)
})
