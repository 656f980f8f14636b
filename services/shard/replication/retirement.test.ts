import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pair } from './testing/pair.ts'

test('a primary that is about to stop hands over, and the other one goes on within a second, without the grace', async () => {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(500)
  const fromMs = pair.clock.monotonicMs()
  const retired = pair.a.machine.retire(5_000)
  await pair.wait(() => pair.primary === pair.b, 1_000, 'the other member serves')
  const servedMs = pair.clock.monotonicMs() - fromMs
  await pair.clock.pass(300)
  assert.match(await retired, /handed over, the other member serves/)
  assert.ok(servedMs < 500, `${servedMs} ms`)

  pair.write(3)
  const stopped = pair.a.machine.stop()
  await pair.clock.pass(150)
  await stopped
  // The mirror said goodbye: writes do not wait until it is missed.
  assert.deepEqual(pair.entry?.inSync, [pair.b.id])
  assert.equal(pair.acknowledged.size, 8)
  pair.a.kill()
  pair.a.start()
  await pair.waitInSync()
  assert.equal(pair.primary, pair.b)
  for (const node of pair.nodes) await pair.check(node)
})

test('a mirror that is about to stop says so: nothing is handed to it, and its primary goes on alone at once', async () => {
  const pair = new Pair()
  await pair.startInSync()
  assert.equal(await pair.b.machine.retire(5_000), 'nothing to hand over')
  await pair.clock.pass(500)
  const refused = assert.rejects(pair.a.machine.switchover(), { code: 'REPLICA_PEER_STANDS_BACK' })
  await pair.clock.pass(100)
  await refused
  pair.write(1)
  const stopped = pair.b.machine.stop()
  await pair.clock.pass(150)
  await stopped
  assert.deepEqual(pair.entry?.inSync, [pair.a.id])
  assert.equal(pair.acknowledged.size, 1)
})

test('a primary whose mirror is not in sync, or stops too, does not wait long', async () => {
  const pair = new Pair()
  await pair.startInSync()
  const both = [pair.a.machine.retire(5_000), pair.b.machine.retire(5_000)]
  await pair.clock.pass(2_500) // a handover may land with a member that does not serve
  const [first] = await Promise.all(both)
  assert.match(first ?? '', /handed over/)
  const stopped = pair.nodes.map((node) => node.machine.stop())
  await pair.clock.pass(1_000)
  await Promise.all(stopped)
  for (const node of pair.nodes) node.kill()

  pair.a.start()
  pair.b.start()
  await pair.waitInSync()
  const primary = pair.primary
  assert.ok(primary)
  const mirror = primary === pair.a ? pair.b : pair.a
  mirror.kill()
  await pair.clock.pass(2_000)
  const alone = primary.machine.retire(5_000)
  await pair.clock.pass(100)
  assert.match(await alone, /not handed over: .*not in sync/)
})

test('a replica that is about to stop takes nothing over, whoever dies', async () => {
  const pair = new Pair()
  await pair.startInSync()
  await pair.b.machine.retire(1_000)
  pair.a.kill()
  await pair.clock.pass(5_000)
  assert.equal(pair.primary, null)
})

test('a fenced mirror is known to its primary: a switchover is refused, and a switchover after the fence is not', async () => {
  const pair = new Pair()
  await pair.startInSync()
  await pair.b.machine.fence()
  await pair.clock.pass(300)
  const refused = assert.rejects(pair.a.machine.switchover(), { code: 'REPLICA_PEER_STANDS_BACK' })
  await pair.clock.pass(100)
  await refused
  assert.equal(pair.primary, pair.a)
  pair.b.machine.unfence()
  await pair.clock.pass(300)
  const handed = pair.a.machine.switchover()
  await pair.wait(() => pair.primary === pair.b, 2_000, 'it is handed over')
  await handed
})

test('a primary whose disk fails keeps reading where the other member is fenced', async () => {
  const pair = new Pair()
  await pair.startInSync()
  await pair.b.machine.fence()
  await pair.clock.pass(300)
  pair.a.log.fail()
  await pair.clock.pass(1_000)
  assert.equal(pair.entry?.primary, pair.a.id)
  assert.match(pair.a.machine.phase, /reading only/)
  pair.b.machine.unfence()
  await pair.wait(() => pair.primary === pair.b, 5_000, 'it takes over once it may')
})
