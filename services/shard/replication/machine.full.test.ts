/** Rule 16 on a pair: a disk without space is no reason to fail over, and takes nobody out of the in-sync set. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admit } from '../roles/admission.ts'
import { leastShare } from './admission-watch.ts'
import { type Node, Pair } from './testing/pair.ts'

function refusal(node: Node): string {
  const admission = admit('relief', node.machine.admissionFacts())
  return admission.kind === 'refuse' ? `${admission.smtp} ${admission.imap}` : admission.kind
}

for (const full of ['primary', 'mirror'] as const) {
  test(`A ${full} without a byte of space keeps its role for as long as it takes, and goes on with space`, async () => {
    const pair = new Pair()
    await pair.startInSync()
    pair.write(5)
    await pair.clock.pass(300)
    const before = pair.entry
    const node = full === 'primary' ? pair.a : pair.b
    node.log.full = true
    pair.write(20)
    await pair.clock.pass(500)
    assert.equal(refusal(pair.a), '452 4.3.1 LIMIT')
    assert.match(pair.a.machine.phase, full === 'primary' ? /disk of this member/ : /disk of the other member/)
    // Beyond every timeout: that of an acknowledgement, of a stalled link, of the hold-down.
    await pair.clock.pass(60_000)
    assert.equal(pair.acknowledged.size, 5, 'nothing is acknowledged that is not on both disks')
    assert.deepEqual(pair.entry, before)
    assert.equal(pair.a.machine.mayServe(), true, 'reads go on')
    node.log.makeSpace()
    await pair.wait(() => pair.acknowledged.size === 25, 1_000, 'what waited is acknowledged')
    await pair.clock.pass(20_000)
    assert.deepEqual(pair.entry, before)
    assert.equal(refusal(pair.a), 'accept')
    assert.equal(pair.a.machine.phase, 'primary, both members in sync')
    await pair.check(pair.b)
    pair.checkEqual()
  })
}

test('A mirror that is full and then dies is taken out like any other', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.full = true
  pair.write(3)
  await pair.clock.pass(3_000)
  assert.equal(pair.acknowledged.size, 0)
  pair.b.kill()
  await pair.wait(() => pair.acknowledged.size === 3, 2_000, 'the primary goes on alone')
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
  assert.equal(refusal(pair.a), 'accept')
})

test('A mirror that is slow, with space enough, is still taken out', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.b.log.full = true
  pair.write(1)
  await pair.clock.pass(5_000)
  pair.b.log.syncMs = 60_000
  pair.b.log.makeSpace()
  await pair.wait(() => pair.acknowledged.size === 1, 2_500, 'the primary goes on alone')
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
})

test('Free space is measured against the size of each volume', async () => {
  const pair = new Pair()
  // A tenth of the primary's volume, half of its own.
  pair.b.space = { freeBytes: 5, totalBytes: 10 }
  await pair.startInSync()
  // A mirror that has not read yet what the pair may write says only what is free.
  assert.equal(pair.a.machine.admissionFacts().freeShare, 0.05)
  await pair.clock.pass(15_000)
  assert.equal(pair.a.machine.admissionFacts().freeShare, 0.5)
  // As much as half of the primary's volume, a twentieth of its own.
  pair.b.space = { freeBytes: 50, totalBytes: 1_000 }
  await pair.clock.pass(500)
  assert.equal(pair.a.machine.admissionFacts().freeShare, 0.05)
  assert.equal(admit('inbound', pair.a.machine.admissionFacts()).kind, 'refuse')
})

test('leastShare() takes a volume of unknown size for one like its own, and an own one of unknown size for none', () => {
  const own = { freeBytes: 50, totalBytes: 100 }
  assert.equal(leastShare(own, { freeBytes: 20, totalBytes: null }), 0.2)
  assert.equal(leastShare(own, null), 0.5)
  assert.equal(leastShare({ freeBytes: 0, totalBytes: 0 }, null), null)
  assert.equal(leastShare({ freeBytes: 0, totalBytes: 0 }, { freeBytes: 1, totalBytes: 4 }), 0.25)
})
