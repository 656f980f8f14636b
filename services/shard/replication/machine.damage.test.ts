/** What a damaged disk must not cost: the newest records rot, an epoch's first record rots, and the other member fails as well. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { toEpoch } from '#lib/mail/types.ts'
import { ROLE_TIMES } from '../roles/times.ts'
import { Pair, SHARD } from './testing/pair.ts'

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

/** A's second term begins with the last records, which its disk forgets although its index holds them. */
async function withForgottenEpoch(): Promise<Pair> {
  const pair = await withAcknowledged(3)
  pair.a.kill()
  pair.a.start()
  await pair.wait(() => pair.primary === pair.a && pair.entry?.inSync.length === 2, 3_000, 'A serves in a new epoch')
  await pair.clock.pass(5)
  const [first] = pair.a.log.epochs().slice(-1)
  pair.a.killAndForget(pair.a.log.lastLsn - (first?.firstLsn ?? 1) + 1)
  return pair
}

test('ReplicaMachine that lost the begin of its epoch gives the office to the mirror and takes the records from it', async () => {
  for (const mirrorKnows of [false, true]) {
    const pair = await withForgottenEpoch()
    if (mirrorKnows) pair.b.log.noteCommit(pair.b.log.lastLsn)
    const kept = pair.b.log.lastLsn
    pair.a.start()
    await pair.wait(() => pair.primary === pair.b, 2_000, 'the mirror serves')
    assert.ok(pair.b.log.lastLsn > kept)
    await wellAgain(pair)
    assert.equal(pair.a.disk.forgotten, 0)
  }
})

test('ReplicaMachine that lost the end of its log does not follow a primary that lacks it too', async () => {
  const pair = await withForgottenEpoch()
  const { disk } = pair.b
  pair.b.kill()
  disk.records.splice(pair.a.disk.records.length - pair.a.disk.forgotten)
  disk.commit = disk.records.length
  const ends = disk.records.length
  pair.ledger.put(SHARD, { ...known(pair.entry, 'it began'), primary: pair.b.id })
  pair.a.note = { ...pair.a.note, promisedEpoch: toEpoch(0) }
  pair.b.start()
  pair.a.start()
  await pair.clock.pass(10_000)
  assert.ok(pair.a.life?.notices.some((notice) => notice.kind === 'refused' && notice.reason === 'below-commit'))
  assert.ok(pair.a.disk.records.length > ends)
})

test('ReplicaMachine alone with a record that rotted in the only copy says so, goes on, and repairs what the other has', async () => {
  const pair = await withAcknowledged(5)
  const both = pair.a.log.lastLsn
  pair.b.kill()
  await pair.wait(() => pair.entry?.inSync.length === 1, 2_000, 'A is alone')
  pair.write(3)
  await pair.clock.pass(50)
  pair.a.log.rot(both - 1)
  pair.a.log.rot(both + 2)
  pair.b.start()
  await pair.clock.pass(3_000)
  assert.match(pair.a.machine.phase, /rotten in the only copy/)
  assert.deepEqual(pair.a.log.rotten, [{ first: both + 2, last: both + 2 }])
  for (let i = 0; i < 20; i++) {
    const before = pair.acknowledged.size
    pair.write(1)
    await pair.clock.pass(500)
    assert.equal(pair.acknowledged.size, before + 1, 'nobody waits for the mirror')
    assert.match(pair.a.machine.phase, /rotten in the only copy/)
  }
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
})

test('ReplicaMachine that lost its end, what it had folded included, gives the office to the mirror', async () => {
  const pair = await withAcknowledged(5)
  const folded = pair.a.log.lastLsn
  pair.a.killAndRot(2)
  pair.a.start()
  pair.a.log.horizon = folded
  await pair.wait(() => pair.primary === pair.b, 2_000, 'the mirror serves')
  await wellAgain(pair)
})

test('ReplicaMachine takes a mirror out that lost what was folded meanwhile, and copies everything anew', async () => {
  const pair = await withAcknowledged(5)
  pair.b.killAndRot(3)
  pair.b.start()
  pair.a.log.horizon = pair.a.log.lastLsn
  await pair.wait(() => pair.entry?.inSync.length === 1, 2_000, 'it is taken out')
  assert.equal(pair.primary, pair.a)
  await wellAgain(pair)
  assert.ok(pair.b.life?.notices.some((notice) => notice.kind === 'cut' && notice.fromLsn === 1))
})
