import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { type Node, Pair, SHARD } from './testing/pair.ts'

const pods = [
  { self: 'n1-0', other: 'n1-1' },
  { self: 'n1-1', other: 'n1-0' },
] as const

/** Both acknowledged some, then B left and A went on alone; both end, and the ledger becomes what `change` makes of it. */
async function bothDown(change: (pair: Pair) => void, apart = true): Promise<Pair> {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(500)
  if (apart) {
    pair.b.kill()
    await pair.clock.pass(2_000)
    pair.write(5)
    await pair.clock.pass(200)
    pair.a.kill()
  } else {
    for (const node of pair.nodes) node.kill()
  }
  change(pair)
  pair.a.start()
  pair.b.start()
  await pair.clock.pass(5_000)
  assert.equal(pair.primary, null, 'nothing is served by itself')
  for (const node of pair.nodes) assert.match(node.machine.phase, /LedgerLost/)
  return pair
}

/** The command at one member. @returns what it said, done or not */
async function restore(pair: Pair, node: Node): Promise<string> {
  const said = node.machine.restoreLedger(pods[node.member]).catch((error: Error) => error.message)
  await pair.clock.pass(1_000)
  return said
}

async function servesAll(pair: Pair, expected: Node): Promise<void> {
  await pair.waitInSync()
  assert.equal(pair.primary, expected)
  for (const node of pair.nodes) await pair.check(node)
  pair.write(1)
  await pair.clock.pass(1_500)
  assert.ok(pair.acknowledged.size > 5)
  // Nobody goes on saying LedgerLost: the mirror reads what its primary's beacons tell of.
  for (const node of pair.nodes) {
    assert.equal(node.machine.status().ledger, 'good')
    assert.equal(node.machine.status().entry?.version, pair.entry?.version)
  }
}

test('a ledger that was lost while all was down is made anew from the member that has everything, and from no other', async () => {
  const pair = await bothDown((p) => p.ledger.lose(SHARD))
  assert.match(await restore(pair, pair.b), /from n1-1: n1-0 holds everything/)
  assert.equal(pair.entry, null)
  assert.match(await restore(pair, pair.a), /n1-0 has promised epoch/)
  await servesAll(pair, pair.a)
})

test('a ledger that was put back to an older copy is refused by both, and made anew above all that was seen', async () => {
  const pair = await bothDown((p) => p.ledger.rollBack(SHARD, 1))
  const seen = Math.max(...pair.nodes.map(({ note }) => note.ledgerVersion))
  await restore(pair, pair.a)
  assert.ok(known(pair.entry, 'it is there').version > seen)
  await servesAll(pair, pair.a)
})

test('two members that were in sync at the end: one of them does it', async () => {
  const pair = await bothDown((p) => p.ledger.lose(SHARD), false)
  const words = [await restore(pair, pair.b), await restore(pair, pair.a)]
  assert.equal(words.filter((one) => /has promised epoch/.test(one)).length, 1, words.join('\n'))
  await servesAll(pair, known(pair.primary, 'one serves'))
})

test('it needs the word of the other member', async () => {
  const pair = await bothDown((p) => p.ledger.lose(SHARD))
  pair.b.kill()
  await pair.clock.pass(500)
  const said = pair.a.machine.restoreLedger(pods[0]).catch((error: Error) => error.message)
  await pair.clock.pass(20_000)
  assert.match(await said, /n1-1 does not answer/)
  assert.equal(pair.entry, null)
})

test('it is refused while the ledger is there, and at a primary', async () => {
  const pair = new Pair()
  await pair.startInSync()
  assert.match(await restore(pair, pair.b), /nothing contradicts/)
  assert.match(await restore(pair, pair.a), /by itself/)
})

test('a member whose directory is new does not speak for what the old one had', async () => {
  const pair = await bothDown((p) => p.ledger.lose(SHARD))
  pair.a.kill()
  pair.a.replaceDisk()
  pair.a.start()
  await pair.clock.pass(3_000)
  assert.match(await restore(pair, pair.b), /n1-0 (is new|does not answer)/)
  assert.equal(pair.entry, null)
})
