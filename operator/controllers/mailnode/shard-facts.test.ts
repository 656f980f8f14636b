import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { KubernetesLedger, LEDGER_ANNOTATION as WRITTEN } from '#shard/ledger/kubernetes-ledger.ts'
import { mailNode } from '../testing/contexts.ts'
import { hasTwoCopies, LEDGER_ANNOTATION, shardFacts } from './shard-facts.ts'

const node = mailNode('n1')

test('shardFacts() reads what a member writes into its Lease', async () => {
  let written = ''
  const ledger = new KubernetesLedger({
    namespace: 'mail',
    clock: nodeClock,
    api: {
      async send(method, _path, body) {
        if (method === 'GET')
          return { status: 200, body: '{"kind":"Lease","metadata":{"name":"n1-1","resourceVersion":"1"}}' }
        written = JSON.parse(body ?? '{}').metadata.annotations[WRITTEN]
        return { status: 200, body: body ?? '' }
      },
    },
  })
  const replica = (member: number) => ({
    id: `n1/1@${member}#inc`,
    member,
    podUid: 'u',
    incarnation: 'inc',
    bootId: 'b',
  })
  const outcome = await ledger.compareAndSwap(toShardName('n1/1'), null, {
    version: 1,
    epoch: toEpoch(7),
    primary: 'n1/1@1#inc',
    inSync: ['n1/1@1#inc', 'n1/1@0#inc'],
    replicas: [replica(0), replica(1)],
    featureLevel: 1,
    nonce: 'n',
  })
  assert.equal(outcome.kind, 'ok')
  assert.equal(LEDGER_ANNOTATION, WRITTEN)
  const facts = shardFacts(node, 1, written)
  assert.deepEqual(facts, { shard: 'n1/1', epoch: 7, primary: 'n1-1', inSync: ['n1-1', 'n1-0'] })
  assert.ok(hasTwoCopies(facts))
})

test('shardFacts() takes what is missing or not understood for not in sync', () => {
  for (const text of [undefined, '', '{', '{"epoch":0}', '[]']) {
    const facts = shardFacts(node, 0, text)
    assert.deepEqual(facts, { shard: 'n1/0', epoch: 0, primary: null, inSync: [] })
    assert.equal(hasTwoCopies(facts), false)
  }
})
