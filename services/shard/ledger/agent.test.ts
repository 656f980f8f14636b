import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toEpoch, toShardName } from '#lib/mail/types.ts'
import { SeededRandom } from '../replication/testing/seeded-random.ts'
import { VirtualClock } from '../replication/testing/virtual-clock.ts'
import { type Change, LedgerAgent, type SwapResult } from './agent.ts'
import { SimLedger, type SimLedgerClient } from './testing/sim-ledger.ts'

const shard = toShardName('n1/0')
const SWAP_MS = 400

/** An agent on a ledger that holds an entry with both members in sync. */
async function world(seed = 1) {
  const clock = new VirtualClock()
  const ledger = new SimLedger({ clock, random: new SeededRandom(seed) })
  ledger.put(shard, { ...change(1, ['a', 'b']), version: 5, featureLevel: 3, nonce: 'first' })
  const client = ledger.client()
  const agent = newAgent(clock, client, seed)
  await finish(clock, agent.read())
  return { clock, ledger, client, agent }
}

function newAgent(clock: VirtualClock, client: SimLedgerClient, seed = 1, seenVersion = 0): LedgerAgent {
  const random = new SeededRandom(seed + 50)
  return new LedgerAgent({ ledger: client, shard, clock, random, seenVersion, swapMs: SWAP_MS, onChange: () => {} })
}

function change(epoch: number, inSync: string[], primary = 'a'): Change {
  return { epoch: toEpoch(epoch), primary, inSync, replicas: [] }
}

async function finish<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false
  const marked = promise.finally(() => {
    done = true
  })
  await clock.until(() => done, 60_000)
  return marked
}

function sets(agent: LedgerAgent): string[] {
  return agent.mayHold.map((entry) => entry.inSync.join('+'))
}

test('LedgerAgent knows nothing before it has read', () => {
  const clock = new VirtualClock()
  const agent = newAgent(clock, new SimLedger({ clock, random: new SeededRandom(1) }).client())
  assert.deepEqual(agent.mayHold, [])
  assert.equal(agent.base, null)
})

test('LedgerAgent swaps from what it has read, one version up, and keeps the feature level', async () => {
  const { clock, ledger, agent } = await world()
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'ok')
  assert.equal(ledger.entry(shard)?.version, 6)
  assert.equal(ledger.entry(shard)?.featureLevel, 3)
  assert.deepEqual(sets(agent), ['a'])
  assert.equal(agent.settled, true)
})

test('LedgerAgent holds both contents for possible while a swap is under way', async () => {
  const { clock, agent } = await world()
  const swap = agent.swap(agent.base, change(1, ['a']))
  assert.deepEqual(sets(agent), ['a+b', 'a'])
  assert.equal(agent.swapping, true)
  assert.equal(await agent.swap(agent.base, change(1, ['a'])), 'busy')
  assert.equal(await finish(clock, swap), 'ok')
})

test('LedgerAgent that was too late sees who was faster', async () => {
  const { clock, ledger, agent } = await world()
  const other = newAgent(clock, ledger.client(), 9)
  await finish(clock, other.read())
  assert.equal(await finish(clock, other.swap(other.base, change(2, ['b'], 'b'))), 'ok')
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'conflict')
  await finish(clock, agent.read())
  assert.equal(agent.base?.primary, 'b')
  assert.deepEqual(sets(agent), ['b'])
})

test('LedgerAgent settles an answer that was lost by seeing its nonce', async () => {
  const { clock, client, agent } = await world()
  client.next = 'lost-answer'
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'unknown')
  assert.deepEqual(sets(agent), ['a+b', 'a'])
  assert.equal(agent.health, 'away')
  await finish(clock, agent.read())
  assert.deepEqual(sets(agent), ['a'])
  assert.equal(agent.health, 'good')
})

test('LedgerAgent does not take an old version for an answer: the swap may land later', async () => {
  const { clock, ledger, client, agent } = await world()
  client.next = 'late-swap'
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'unknown')
  const atOnce = await finish(clock, agent.read())
  assert.equal(atOnce, true)
  if (ledger.entry(shard)?.version === 5) assert.deepEqual(sets(agent), ['a+b', 'a'])
  await clock.pass(3_000)
  assert.equal(ledger.entry(shard)?.version, 6)
  await finish(clock, agent.read())
  assert.deepEqual(sets(agent), ['a'])
})

test('LedgerAgent settles by another swap from the version read, and the late one comes to nothing', async () => {
  const { clock, ledger, client, agent } = await world()
  client.faults.lateMs = 1e9
  client.next = 'late-swap'
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'unknown')
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a', 'b']))), 'ok')
  assert.deepEqual(sets(agent), ['a+b'])
  await clock.pass(2e9)
  assert.deepEqual(ledger.entry(shard)?.inSync, ['a', 'b'])
})

test('LedgerAgent says "settled" when the read before another swap shows that the first one landed', async () => {
  const { clock, client, agent } = await world()
  client.next = 'lost-answer'
  await finish(clock, agent.swap(agent.base, change(1, ['a'])))
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'settled')
  assert.equal(agent.base?.version, 6)
})

test('LedgerAgent collects every attempt that may land', async () => {
  const { clock, client, agent } = await world()
  for (const set of [['a'], ['b'], ['a', 'b']]) {
    client.next = 'lost-swap'
    assert.equal(await finish(clock, agent.swap(agent.base, change(1, set))), 'unknown')
  }
  assert.deepEqual(sets(agent), ['a+b', 'a', 'b', 'a+b'])
})

test('LedgerAgent uses an answer that comes after its bound', async () => {
  const { clock, client, agent } = await world()
  client.faults.latencyMs = 4_000
  const result = await finish(clock, agent.swap(agent.base, change(1, ['a'])))
  client.faults.latencyMs = 5
  if (result === 'unknown') await clock.pass(20_000)
  assert.deepEqual(sets(agent), ['a'])
})

test('LedgerAgent is away while nobody answers and believes nothing new', async () => {
  const { clock, client, agent } = await world()
  client.faults.unreachable = true
  assert.equal(await finish(clock, agent.read()), false)
  assert.equal(agent.health, 'away')
  assert.deepEqual(sets(agent), ['a+b'])
  client.faults.unreachable = false
  assert.equal(await finish(clock, agent.read()), true)
  assert.equal(agent.health, 'good')
})

test('LedgerAgent calls a ledger lost that has no entry any more, and swaps nothing', async () => {
  const { clock, ledger, agent } = await world()
  ledger.lose(shard)
  await finish(clock, agent.read())
  assert.equal(agent.health, 'lost')
  assert.deepEqual(sets(agent), ['a+b'])
  assert.equal(await finish(clock, agent.swap(agent.base, change(1, ['a']))), 'lost')
  assert.equal(ledger.entry(shard), null)
})

test('LedgerAgent calls a ledger lost that went back, by its own memory, its note or the peer', async () => {
  const { clock, ledger, agent } = await world()
  await finish(clock, agent.swap(agent.base, change(1, ['a'])))
  ledger.rollBack(shard, 1)
  await finish(clock, agent.read())
  assert.equal(agent.health, 'lost')
  const restarted = newAgent(clock, ledger.client(), 3, 6)
  await finish(clock, restarted.read())
  assert.equal(restarted.health, 'lost')
  assert.equal(restarted.base, null)
  const told = newAgent(clock, ledger.client(), 4)
  told.heardOf(6)
  await finish(clock, told.read())
  assert.equal(told.health, 'lost')
})

test('LedgerAgent calls a ledger lost that holds another entry under a version that is certain', async () => {
  const { clock, ledger, agent } = await world()
  ledger.put(shard, { ...change(9, ['b'], 'b'), version: 5, featureLevel: 3, nonce: 'forged' })
  await finish(clock, agent.read())
  assert.equal(agent.health, 'lost')
})

test('LedgerAgent makes a lost entry anew above all that was seen', async () => {
  for (const how of ['lose', 'rollBack'] as const) {
    const { clock, ledger, agent } = await world()
    await finish(clock, agent.swap(agent.base, change(1, ['a'])))
    await finish(clock, agent.swap(agent.base, change(1, ['a', 'b'])))
    if (how === 'lose') ledger.lose(shard)
    else ledger.rollBack(shard, 2)
    await finish(clock, agent.read())
    assert.equal(await finish(clock, agent.makeAnew(change(1, ['a', 'b']))), 'ok')
    assert.equal(ledger.entry(shard)?.version, 8)
    assert.equal(agent.health, 'good')
    assert.deepEqual(sets(agent), ['a+b'])
  }
})

test('LedgerAgent does not make anew what is not lost', async () => {
  const { clock, agent } = await world()
  assert.equal(await finish(clock, agent.makeAnew(change(1, ['a']))), 'settled')
})

test('LedgerAgent makes the first entry once, whoever else tries', async () => {
  const clock = new VirtualClock()
  const ledger = new SimLedger({ clock, random: new SeededRandom(1) })
  const agents = [newAgent(clock, ledger.client(), 1), newAgent(clock, ledger.client(), 2)]
  await finish(clock, Promise.all(agents.map((agent) => agent.read())))
  const results = await finish(clock, Promise.all(agents.map((agent) => agent.swap(null, change(1, ['a'])))))
  assert.deepEqual([...results].sort(), ['conflict', 'ok'])
})

test('LedgerAgent never leaves the true content out of what it holds for possible', async () => {
  const step = fc.record({
    who: fc.nat(1),
    do: fc.constantFrom<'read' | 'swap'>('read', 'swap'),
    fault: fc.constantFrom<'lost-answer' | 'lost-swap' | 'late-swap' | null>(
      null,
      null,
      'lost-answer',
      'lost-swap',
      'late-swap',
    ),
    waitMs: fc.nat(1_500),
  })
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(step, { minLength: 1, maxLength: 25 }), async (seed, steps) => {
      const { clock, ledger, client, agent } = await world(seed)
      const others = { client: ledger.client(), epoch: 1 }
      const other = newAgent(clock, others.client, seed + 1)
      await finish(clock, other.read())
      for (const [i, { who, do: what, fault, waitMs }] of steps.entries()) {
        const [one, its] = who === 0 ? ([agent, client] as const) : ([other, others.client] as const)
        its.next = fault
        const work: Promise<SwapResult | boolean> =
          what === 'read' ? one.read() : one.swap(one.base, change(1, who === 0 ? ['a'] : ['b'], `${who}-${i}`))
        await finish(clock, work)
        its.next = null
        await clock.pass(waitMs)
        const truth = ledger.entry(shard)
        for (const [each, prefix] of [
          [agent, '0-'],
          [other, '1-'],
        ] as const) {
          // Whoever wrote the newest entry knows that it may have; the other may not have heard of it.
          if (truth?.primary.startsWith(prefix)) assert.ok(each.mayHold.some(({ nonce }) => nonce === truth.nonce))
          if (each.settled && each.base !== null) {
            const inHistory = ledger.history.some(({ entry }) => entry.nonce === each.base?.nonce)
            assert.ok(inHistory, 'what is certain was in the ledger')
          }
        }
      }
    }),
    { numRuns: 150 },
  )
})
