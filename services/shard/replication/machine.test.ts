import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { toLsn } from '#lib/mail/types.ts'
import { type Node, Pair, SHARD, staleLeft } from './testing/pair.ts'

/** Writes, lets it be acknowledged, and proves that both members have everything. */
async function bothHoldAll(pair: Pair): Promise<void> {
  pair.write(5)
  const before = pair.acknowledged.size
  await pair.wait(() => pair.acknowledged.size >= before + 5, 2_000, 'five writes are acknowledged')
  await pair.check(pair.a)
  await pair.check(pair.b)
  pair.checkEqual()
}

function swaps(node: Node): string[] {
  return (node.life?.notices ?? []).flatMap((notice) =>
    notice.kind === 'swap' ? [`${notice.change} ${notice.result}`] : [],
  )
}

test('ReplicaMachine makes two new members a pair in sync', async () => {
  const pair = new Pair()
  await pair.startInSync()
  assert.equal(pair.primary, pair.a)
  assert.equal(pair.b.machine.role, 'mirror')
  assert.equal(pair.a.machine.mayServe(), true)
  assert.equal(pair.b.machine.mayServe(), false)
  pair.write(50)
  await pair.clock.pass(300)
  assert.equal(pair.acknowledged.size, 50)
  await bothHoldAll(pair)
})

test('ReplicaMachine makes no first entry while the other member is not heard', async () => {
  const pair = new Pair()
  pair.a.start()
  await pair.clock.pass(5_000)
  assert.equal(pair.entry, null)
  assert.match(pair.a.machine.phase, /asking the other member/)
})

test('ReplicaMachine makes no first entry on a new directory beside a used one', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(3)
  await pair.clock.pass(300)
  pair.a.kill()
  pair.b.kill()
  pair.ledger.lose(SHARD)
  pair.a.replaceDisk()
  pair.a.start()
  pair.b.start()
  await pair.clock.pass(10_000)
  assert.equal(pair.entry, null)
  assert.equal(pair.a.machine.role, 'failed')
  assert.match(pair.a.machine.phase, /LedgerLost/)
  assert.match(pair.b.machine.phase, /LedgerLost/)
})

test('ReplicaMachine takes a dead mirror out within a second and keeps serving', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  pair.write(3)
  await pair.clock.pass(1_000)
  assert.equal(pair.acknowledged.size, 3)
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
  assert.equal(pair.a.machine.mayServe(), true)
  assert.equal(pair.a.life?.events.filter(({ role }) => role === 'stepping-down').length, 0)
})

test('ReplicaMachine does not lose the right to read while a dead mirror is taken out', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const lost: string[] = []
  pair.a.machine.onReadRight((right) => lost.push(right.kind))
  pair.b.kill()
  await pair.clock.pass(5_000)
  assert.deepEqual(lost, [])
})

test('ReplicaMachine that had no processor for a second takes nobody out: what the mirror has to say is heard first', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const before = swaps(pair.a)
  pair.a.life?.freeze()
  await pair.clock.pass(1_000)
  pair.a.life?.thaw()
  await pair.clock.pass(1_000)
  assert.deepEqual(swaps(pair.a), before)
  assert.equal(pair.entry?.inSync.length, 2)
  // One that is dead when it wakes is taken out all the same.
  pair.a.life?.freeze()
  pair.b.kill()
  await pair.clock.pass(1_000)
  pair.a.life?.thaw()
  pair.write(3)
  await pair.clock.pass(1_000)
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
})

test('ReplicaMachine takes a mirror back in after it was away', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(1_500)
  pair.write(400)
  await pair.clock.pass(500)
  pair.b.start()
  await pair.waitInSync()
  await bothHoldAll(pair)
  assert.ok(pair.b.note.inSync)
})

test('ReplicaMachine promotes the mirror when the primary dies, and loses nothing', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(20)
  await pair.clock.pass(100)
  pair.a.kill()
  await pair.wait(() => pair.primary === pair.b, 3_000, 'the mirror serves')
  assert.deepEqual(pair.entry?.inSync, [pair.b.id])
  assert.equal(pair.b.machine.mayServe(), true)
  pair.write(5)
  await pair.clock.pass(100)
  assert.equal(pair.acknowledged.size, 25)
  await pair.check(pair.b)
  pair.a.start()
  await pair.waitInSync()
  assert.equal(pair.primary, pair.b)
  await bothHoldAll(pair)
})

test('ReplicaMachine cuts the tail that only the dead primary had, and keeps it aside', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(10)
  await pair.clock.pass(100)
  pair.network.cutBoth(true)
  pair.write(4, pair.a)
  await pair.clock.pass(50)
  assert.equal(pair.acknowledged.size, 10)
  pair.a.kill()
  pair.network.cutBoth(false)
  await pair.wait(() => pair.primary === pair.b, 4_000, 'the mirror serves')
  pair.a.start()
  await pair.waitInSync()
  assert.equal(pair.a.disk.cut.length, 1)
  assert.equal(pair.a.disk.cut[0]?.fromLsn, 12)
  await bothHoldAll(pair)
})

test('ReplicaMachine restarted as primary takes the next epoch, and gives the office to a mirror that had synced more', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(10)
  await pair.clock.pass(100)
  const epoch = pair.entry?.epoch ?? 0
  // The mirror syncs (E, n), the primary dies before its own sync.
  pair.a.log.syncMs = Number.POSITIVE_INFINITY
  pair.write(1, pair.a)
  await pair.clock.pass(20)
  const lsn = pair.b.log.durableLsn
  assert.equal(lsn, pair.a.log.durableLsn + 1)
  pair.a.kill()
  pair.a.start()
  await pair.wait(() => pair.primary === pair.b, 1_500, 'the mirror serves')
  assert.deepEqual(swaps(pair.a), ['claim ok', 'abandon ok'])
  assert.equal(pair.entry?.epoch, epoch + 2)
  await pair.waitInSync()
  // (E, n) means one record for ever, and it may have been acknowledged.
  const [one, two] = [pair.a.disk.records[lsn - 1], pair.b.disk.records[lsn - 1]]
  assert.equal(one?.record.epoch, epoch)
  assert.deepEqual(one?.bytes, two?.bytes)
  await bothHoldAll(pair)
})

test('ReplicaMachine keeps what the restarted primary had synced and the mirror not', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.syncMs = Number.POSITIVE_INFINITY
  pair.write(3, pair.a)
  await pair.clock.pass(50)
  assert.equal(pair.acknowledged.size, 0)
  pair.a.kill()
  pair.b.log.syncMs = 1
  pair.a.start()
  await pair.wait(() => pair.primary === pair.a, 2_000, 'the restarted primary serves')
  await bothHoldAll(pair)
  assert.equal(Buffer.from(pair.b.disk.records.at(-7)?.record.meta ?? []).toString(), 'text 3')
})

test('ReplicaMachine survives the death of both members at once', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(30)
  await pair.clock.pass(100)
  pair.a.kill()
  pair.b.kill()
  await pair.clock.pass(5_000)
  pair.b.start()
  pair.a.start()
  await pair.waitInSync()
  await bothHoldAll(pair)
})

test('ReplicaMachine with a cut link keeps the primary when both reach the ledger', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.network.cutBoth(true)
  await pair.clock.pass(10_000)
  assert.equal(pair.primary, pair.a)
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
  pair.write(5)
  await pair.clock.pass(100)
  pair.network.cutBoth(false)
  await pair.waitInSync()
  assert.equal(pair.b.disk.cut.length, 0)
  await bothHoldAll(pair)
})

test('ReplicaMachine with a one-way cut never has two that serve', async () => {
  for (const direction of [0, 1] as const) {
    const pair = new Pair()
    await pair.startInSync()
    pair.network.cut[direction] = true
    for (let i = 0; i < 200; i++) {
      await pair.clock.pass(25)
      assert.ok(!(pair.a.machine.mayServe() && pair.b.machine.mayServe()), `not both after ${i * 25} ms`)
    }
    pair.network.cut[direction] = false
    await pair.waitInSync()
    await bothHoldAll(pair)
  }
})

test('ReplicaMachine cut off from mirror and ledger stops writing, then reading, before the mirror serves', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(100)
  pair.network.cutBoth(true)
  pair.a.ledger.faults.unreachable = true
  pair.write(5, pair.a)
  let handedOverAtMs = 0
  for (let ms = 0; ms < 6_000; ms += 10) {
    await pair.clock.pass(10)
    const [a, b] = [pair.a.machine.mayServe(), pair.b.machine.mayServe()]
    assert.ok(!(a && b), `not both after ${ms} ms`)
    if (b && handedOverAtMs === 0) handedOverAtMs = ms
  }
  assert.ok(handedOverAtMs > 0 && handedOverAtMs < 3_000, `served again after ${handedOverAtMs} ms`)
  assert.equal(pair.acknowledged.size, 5)
  pair.network.cutBoth(false)
  pair.a.ledger.faults.unreachable = false
  await pair.waitInSync()
  assert.equal(pair.primary, pair.b)
  await bothHoldAll(pair)
})

test('ReplicaMachine goes on without the ledger while both members answer', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.a.ledger.faults.unreachable = true
  pair.b.ledger.faults.unreachable = true
  await pair.clock.pass(30_000)
  await bothHoldAll(pair)
  assert.equal(pair.a.machine.mayServe(), true)
  pair.b.kill()
  pair.write(3, pair.a)
  const before = pair.acknowledged.size
  await pair.clock.pass(30_000)
  assert.equal(pair.acknowledged.size, before)
  assert.equal(pair.a.machine.mayServe(), false)
  assert.match(pair.a.machine.phase, /ledger/)
  pair.a.ledger.faults.unreachable = false
  await pair.wait(() => pair.acknowledged.size === before + 3, 3_000, 'the mirror is taken out and writes go on')
  assert.equal(pair.a.machine.mayServe(), true)
})

for (const fault of ['lost-answer', 'lost-swap', 'late-swap'] as const) {
  test(`ReplicaMachine settles a shrink with ${fault}, and acknowledges nothing alone before`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.a.ledger.next = fault
    pair.b.kill()
    pair.write(3, pair.a)
    await pair.wait(
      () => {
        const settledAlone = pair.a.machine.status().settled && pair.entry?.inSync.length === 1
        assert.ok(
          settledAlone || pair.acknowledged.size === 0,
          'nothing is acknowledged alone before the swap is certain',
        )
        return settledAlone && pair.acknowledged.size === 3
      },
      10_000,
      'writes go on',
    )
    await pair.clock.pass(5_000)
    pair.b.start()
    await pair.waitInSync()
    await bothHoldAll(pair)
  })

  test(`ReplicaMachine settles a growth with ${fault}`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.b.kill()
    await pair.clock.pass(2_000)
    pair.a.ledger.next = fault
    pair.b.start()
    await pair.clock.pass(8_000)
    await pair.waitInSync()
    await bothHoldAll(pair)
    assert.ok(pair.b.note.inSync)
  })

  test(`ReplicaMachine settles a promotion with ${fault}`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.write(5)
    await pair.clock.pass(100)
    pair.b.ledger.next = fault
    pair.a.kill()
    await pair.wait(() => pair.primary === pair.b, 10_000, 'the mirror serves')
    pair.a.start()
    await pair.waitInSync()
    await bothHoldAll(pair)
  })

  test(`ReplicaMachine settles a claim with ${fault}`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.write(5)
    await pair.clock.pass(100)
    pair.a.kill()
    pair.a.ledger.next = fault
    pair.a.start()
    await pair.clock.pass(8_000)
    await pair.waitInSync()
    await bothHoldAll(pair)
  })

  test(`ReplicaMachine settles a handover with ${fault}`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.write(5)
    await pair.clock.pass(100)
    pair.a.ledger.next = fault
    const asked = pair.a.machine.switchover().then(
      () => 'done',
      () => 'called off',
    )
    let both = false
    await pair.clock.until(() => {
      both ||= pair.a.machine.mayServe() && pair.b.machine.mayServe()
      return false
    }, 8_000)
    assert.equal(both, false)
    await pair.waitInSync()
    const named = pair.entry?.primary
    assert.equal((await asked) === 'done', named === pair.b.id)
    await bothHoldAll(pair)
  })
}

test('ReplicaMachine hands over as planned: nothing is lost, and the other serves within a second', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(20)
  const startMs = pair.clock.monotonicMs()
  const done = pair.a.machine.switchover()
  await pair.wait(() => pair.primary === pair.b && pair.b.machine.mayServe(), 1_000, 'the other member serves')
  await done
  assert.ok(pair.clock.monotonicMs() - startMs < 500)
  assert.equal(pair.entry?.inSync.length, 2)
  assert.equal(pair.a.machine.role, 'mirror')
  await bothHoldAll(pair)
  assert.equal(pair.acknowledged.size, 25)
})

test('ReplicaMachine holds operations back while it drains and calls a handover off that does not drain', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.syncMs = 900
  pair.write(1)
  await pair.clock.pass(5)
  const asked = assert.rejects(pair.a.machine.switchover(), { code: 'REPLICA_CALLED_OFF' })
  await pair.clock.pass(100)
  assert.equal(pair.a.machine.admissionFacts().draining, true)
  pair.b.log.syncMs = Number.POSITIVE_INFINITY
  pair.write(1, pair.a)
  await pair.clock.pass(2_500)
  await asked
  assert.equal(pair.a.machine.admissionFacts().draining, false)
  assert.equal(pair.primary, pair.a)
})

test('ReplicaMachine refuses to hand over to a member that is not in sync', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(2_000)
  await assert.rejects(pair.a.machine.switchover(), { code: 'REPLICA_NOT_IN_SYNC' })
})

test('ReplicaMachine takes up the office when the handover message is lost', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(50)
  const done = pair.a.machine.switchover()
  await pair.wait(() => pair.entry?.primary === pair.b.id, 1_000, 'the ledger names the other')
  pair.a.kill()
  await pair.wait(() => pair.primary === pair.b, 4_000, 'the other serves')
  await Promise.race([done.catch(() => {}), Promise.resolve()])
  await pair.check(pair.b)
})

test('ReplicaMachine gives the office to the mirror when its disk fails, and says that the process must end', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(100)
  pair.a.log.fail()
  await pair.wait(() => pair.primary === pair.b, 1_500, 'the mirror serves')
  assert.deepEqual(pair.entry?.inSync, [pair.b.id])
  await pair.clock.pass(100)
  assert.notEqual(pair.a.life?.failure, null)
  await pair.check(pair.b)
})

test('ReplicaMachine alone with a failed disk keeps reading and writes nothing', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.a.log.fail()
  await pair.clock.pass(5_000)
  assert.equal(pair.a.machine.mayServe(), true)
  assert.equal(pair.a.machine.admissionFacts().disk, 'failed')
  assert.match(pair.a.machine.phase, /reading only/)
  assert.equal(pair.a.life?.failure, null)
})

test('ReplicaMachine takes a mirror out whose disk failed; that process ends', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.fail()
  pair.write(3)
  await pair.clock.pass(1_000)
  assert.equal(pair.acknowledged.size, 3)
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
  assert.notEqual(pair.b.life?.failure, null)
})

test('ReplicaMachine takes a mirror out that needs more than a second for a record', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.syncMs = 3_000
  pair.write(1)
  await pair.clock.pass(900)
  assert.equal(pair.acknowledged.size, 0)
  await pair.clock.pass(1_000)
  assert.equal(pair.acknowledged.size, 1)
  assert.deepEqual(swaps(pair.a).slice(-1), ['shrink ok'])
})

test('ReplicaMachine whose disk is slow hands over, but not soon after a change of role', async () => {
  const pair = new Pair()
  await pair.startInSync()
  await pair.clock.pass(3_000)
  pair.a.log.syncMs = 1_500
  pair.write(1)
  await pair.clock.pass(2_000)
  assert.equal(pair.primary, pair.a)
  await pair.clock.pass(8_000)
  pair.write(1, pair.a)
  await pair.wait(() => pair.primary === pair.b, 5_000, 'the other member serves')
})

test('ReplicaMachine with a mirror that knows commits which the log lacks makes that one primary', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(20)
  await pair.clock.pass(500)
  pair.a.kill()
  pair.a.disk.records.splice(-8) // a disk that lied
  pair.a.disk.commit = 10
  pair.a.start()
  await pair.wait(() => pair.primary === pair.b, 3_000, 'the mirror serves')
  await pair.waitInSync()
  assert.equal(pair.acknowledged.size, 20)
  assert.equal(pair.b.disk.cut.length, 0)
  await bothHoldAll(pair)
})

test('ReplicaMachine takes a mirror out that lost what it had acknowledged', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(20)
  await pair.clock.pass(500)
  pair.b.kill()
  pair.b.disk.records.splice(-8)
  pair.b.disk.commit = 5
  pair.b.start()
  await pair.wait(() => swaps(pair.a).includes('shrink ok'), 2_000, 'the mirror is taken out')
  await pair.waitInSync()
  await bothHoldAll(pair)
})

test('ReplicaMachine copies everything to a member whose disk was replaced, and serves meanwhile', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(300)
  await pair.clock.pass(300)
  pair.b.kill()
  pair.b.replaceDisk()
  pair.b.start()
  await pair.wait(() => pair.entry?.inSync.length === 1, 2_000, 'the former disk is out')
  pair.write(5)
  await pair.waitInSync()
  assert.deepEqual(pair.entry?.inSync, [pair.a.id, pair.b.id])
  assert.equal(pair.entry?.replicas.length, 2)
  assert.deepEqual(pair.b.disk.tag, pair.a.disk.tag)
  await bothHoldAll(pair)
})

test('ReplicaMachine with an emptied disk never takes over, whatever the ledger says of its former one', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(200)
  pair.a.kill()
  pair.b.kill()
  pair.b.replaceDisk()
  pair.b.start()
  await pair.clock.pass(10_000)
  assert.equal(pair.b.machine.role, 'mirror')
  pair.a.start()
  await pair.waitInSync()
  assert.equal(pair.primary, pair.a)
  await bothHoldAll(pair)
})

test('ReplicaMachine stops when the only in-sync disk was replaced', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.a.kill()
  pair.a.replaceDisk()
  pair.a.start()
  await pair.clock.pass(3_000)
  assert.equal(pair.a.machine.role, 'failed')
  assert.match(pair.a.machine.phase, /former directory/)
})

test('ReplicaMachine never merges two histories: the mirror stops, the serving primary goes on alone and says so', async () => {
  const pair = new Pair()
  const stranger = new Pair(7)
  await Promise.all([pair.startInSync(), stranger.startInSync()])
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.disk = stranger.b.disk
  pair.b.start()
  await pair.clock.pass(3_000)
  assert.equal(pair.b.machine.role, 'failed')
  assert.match(pair.b.machine.phase, /another history/)
  assert.match(pair.a.machine.phase, /HISTORIES_DIFFER/)
  assert.equal(pair.a.machine.mayServe(), true)
  assert.equal(pair.b.disk.cut.length, 0)
})

test('ReplicaMachine with both in sync and different histories stops on both sides', async () => {
  const pair = new Pair()
  const stranger = new Pair(7)
  await Promise.all([pair.startInSync(), stranger.startInSync()])
  pair.a.kill()
  pair.b.kill()
  pair.b.disk = stranger.b.disk
  pair.b.start()
  pair.a.start()
  await pair.wait(() => pair.a.life?.machine.role === 'failed', 3_000, 'the primary stops')
  await pair.clock.pass(10)
  assert.equal(pair.b.machine.role, 'failed')
})

test('ReplicaMachine serves nothing when the ledger was lost while it was down', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.a.kill()
  pair.b.kill()
  pair.ledger.lose(SHARD)
  pair.a.start()
  pair.b.start()
  await pair.clock.pass(10_000)
  assert.equal(pair.primary, null)
  assert.equal(pair.entry, null)
})

test('ReplicaMachine makes a lost ledger anew while both members are connected', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const version = pair.entry?.version ?? 0
  pair.ledger.lose(SHARD)
  await pair.wait(() => pair.entry !== null, 10_000, 'the ledger has an entry again')
  assert.ok((pair.entry?.version ?? 0) > version)
  assert.equal(pair.entry?.inSync.length, 2)
  await bothHoldAll(pair)
})

test('ReplicaMachine makes a ledger anew that was put back to an older copy', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.start()
  await pair.waitInSync()
  const version = pair.entry?.version ?? 0
  pair.ledger.rollBack(SHARD, 2)
  await pair.wait(() => (pair.entry?.version ?? 0) > version, 10_000, 'the entry is above all that was seen')
  await bothHoldAll(pair)
})

test('ReplicaMachine that was frozen waits to hear a primary before it takes over, whatever an old ledger says', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const inSync = pair.entry?.version ?? 0
  pair.network.cutBoth(true)
  pair.b.life?.freeze()
  pair.write(3)
  await pair.wait(() => pair.acknowledged.size === 3, 5_000, 'writes are acknowledged on one disk')
  pair.ledger.rollBack(SHARD, 1)
  await pair.wait(() => pair.a.machine.status().ledger === 'lost', 20_000, 'the primary sees that the ledger went back')
  await pair.clock.pass(5_000)
  pair.network.cutBoth(false)
  pair.b.life?.thaw()
  await pair.clock.pass(10_000)
  assert.equal(pair.b.machine.role, 'mirror')
  assert.equal(pair.primary, pair.a)
  assert.equal(pair.entry?.version, inSync)
  await pair.check(pair.a)
})

test('ReplicaMachine with a lost ledger and one member gone changes nothing and stops writing', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  pair.ledger.lose(SHARD)
  pair.write(2, pair.a)
  await pair.clock.pass(10_000)
  assert.equal(pair.acknowledged.size, 0)
  assert.equal(pair.entry, null)
  assert.equal(pair.a.machine.mayServe(), false)
})

test('ReplicaMachine loses the right to read when the wall clock jumps, and gets it back with the next beacon', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.clock.wallOffsetMs = 600
  assert.equal(pair.a.machine.mayServe(), false)
  await pair.clock.pass(300)
  assert.equal(pair.a.machine.mayServe(), true)
})

test('ReplicaMachine that was promoted over refuses its old epoch and throws pending operations away', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.network.cutBoth(true)
  pair.a.ledger.faults.unreachable = true
  pair.write(3, pair.a)
  await pair.wait(() => pair.b.machine.role === 'primary', 4_000, 'the mirror serves')
  pair.network.cutBoth(false)
  await pair.wait(() => pair.a.machine.role === 'mirror', 3_000, 'the old primary steps down by what the other says')
  assert.equal(pair.acknowledged.size, 0)
  const roles = pair.a.life?.events.map(({ role }) => role)
  assert.deepEqual(roles?.slice(-2), ['stepping-down', 'mirror'])
  pair.a.ledger.faults.unreachable = false
  await pair.waitInSync()
  await bothHoldAll(pair)
})

test('ReplicaMachine is fenced: it hands over, and does not take over', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const done = pair.a.machine.fence()
  await pair.wait(() => pair.primary === pair.b, 1_000, 'the other serves')
  await done
  pair.b.kill()
  await pair.clock.pass(10_000)
  assert.equal(pair.primary, null)
  assert.match(pair.a.machine.phase, /fenced/)
  pair.a.machine.unfence()
  await pair.wait(() => pair.primary === pair.a, 3_000, 'the fence is gone')
})

test('ReplicaMachine makes a new link when the answers to its beacons alone get lost', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.network.deafen(0, 'beacon')
  // Records are acknowledged all the while.
  for (let i = 0; i < 60; i++) {
    pair.write(1)
    await pair.clock.pass(100)
  }
  await pair.wait(() => pair.entry?.inSync.length === 2, 1_000, 'both members are in sync again')
  const { version } = known(pair.entry, 'the ledger has an entry')
  await pair.clock.pass(10_000)
  assert.equal(pair.entry?.version, version, 'and stay so')
  assert.equal(pair.primary, pair.a)
})

test('ReplicaMachine is promoted by force only with proof, and says what may be lost', async () => {
  const pair = await staleLeft()
  const refusal = assert.rejects(pair.b.machine.promoteByForce(null, 'n1-0'), { code: 'REPLICA_FORCE_REFUSED' })
  await pair.clock.pass(100)
  await refusal
  const forced = pair.b.machine.promoteByForce({ kind: 'typed', member: 'n1-0' }, 'n1-0')
  await pair.wait(() => pair.primary === pair.b, 2_000, 'the stale member serves')
  assert.match(await forced, /acknowledged after this one left/)
  const event = pair.b.life?.events.at(-1)
  assert.ok(event?.role === 'primary' && event.forced)
  pair.a.start()
  await pair.clock.pass(5_000)
  assert.match(pair.b.machine.phase, /HISTORIES_DIFFER/)
  assert.equal(pair.a.disk.cut.length, 0)
})

test('ReplicaMachine repairs rotten records from the other member, as primary and as mirror', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(10)
  await pair.clock.pass(200)
  for (const node of pair.nodes) {
    node.log.rot(5)
    node.log.rot(6)
    await pair.wait(() => node.log.rotten.length === 0, 5_000, 'what rotted is whole again')
  }
  assert.equal((await pair.a.log.read(toLsn(5))).lsn, 5)
})

test('ReplicaMachine compares logs below a rotten record', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(10)
  await pair.clock.pass(200)
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.start()
  pair.b.log.rot(pair.b.log.durableLsn)
  await pair.waitInSync()
  await bothHoldAll(pair)
})

test('ReplicaMachine stops cleanly in every role', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const stopped = [pair.a.machine.stop(), pair.b.machine.stop()]
  await pair.clock.pass(5_000)
  await Promise.all(stopped)
  assert.equal(pair.a.machine.role, 'stopped')
  assert.deepEqual(
    pair.a.life?.events.map(({ role }) => role),
    ['mirror', 'primary', 'stepping-down'],
  )
})

test('ReplicaMachine bounds what is under way to a mirror that does not acknowledge', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.start()
  pair.b.log.syncMs = Number.POSITIVE_INFINITY
  const before = pair.network.frameCount
  for (let i = 0; i < 120; i++) {
    pair.a.log.append([{ type: 2, meta: Buffer.alloc(0), body: [Buffer.alloc(1_000_000)] }])
    await pair.clock.pass(5)
  }
  // 120 MB were written; a window of 16 MiB and a batch is at most 70 frames of 256 KiB, beacons beside.
  assert.ok(pair.network.frameCount - before < 120, `${pair.network.frameCount - before} frames`)
  assert.equal(pair.a.machine.mayServe(), true)
})

test('ReplicaMachine whose volume was put back to an older copy does not take over, although the ledger names it', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(500)
  const copy = { ...pair.b.disk, records: [...pair.b.disk.records] }
  const { note } = pair.b
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.start()
  await pair.waitInSync()
  pair.write(5)
  await pair.clock.pass(500)
  pair.a.kill()
  pair.b.kill()
  pair.b.disk = copy
  pair.b.note = note
  pair.b.start()
  await pair.clock.pass(10_000)
  assert.equal(pair.primary, null)
  assert.match(pair.b.machine.phase, /older state/)
  pair.a.start()
  await pair.waitInSync()
  await bothHoldAll(pair)
})

test('ReplicaMachine finds two histories under one tag and one epoch by the chain', async () => {
  const [pair, twin] = [new Pair(3), new Pair(3)]
  await Promise.all([pair.startInSync(), twin.startInSync()])
  pair.write(5)
  await twin.clock.pass(50)
  twin.write(5)
  await pair.clock.pass(500)
  await twin.clock.pass(500)
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.b.disk = { ...twin.b.disk, commit: 0 }
  pair.b.start()
  await pair.clock.pass(2_000)
  assert.equal(pair.b.machine.role, 'failed')
  assert.match(pair.b.machine.phase, /another history/)
})
