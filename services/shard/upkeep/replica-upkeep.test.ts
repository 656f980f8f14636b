import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FollowerFacts, followersOf } from './replica-upkeep.ts'

const BASE: FollowerFacts = {
  self: 'a',
  entry: { replicas: [{ id: 'a' }, { id: 'b' }], inSync: ['a', 'b'] },
  commit: 100,
  durableOf: () => null,
}

const table: [name: string, facts: Partial<FollowerFacts>, followers: ReturnType<typeof followersOf>][] = [
  [
    'waits for somebody as long as the ledger was not read',
    { entry: null },
    [{ name: 'ledger', lsn: null, awayMs: 0 }],
  ],
  ['believes that who is in sync holds all that is committed', {}, [{ name: 'b', lsn: 100, awayMs: 0 }]],
  [
    'knows of a replica that is out of sync what it acknowledged',
    { entry: { replicas: [{ id: 'a' }, { id: 'b' }], inSync: ['a'] }, durableOf: () => 70 },
    [{ name: 'b', lsn: 70, awayMs: 5 }],
  ],
  [
    'knows nothing of one that acknowledged nothing in this term',
    { entry: { replicas: [{ id: 'a' }, { id: 'b' }], inSync: ['a'] } },
    [{ name: 'b', lsn: null, awayMs: 5 }],
  ],
  ['waits for nobody when there is one replica', { entry: { replicas: [{ id: 'a' }], inSync: ['a'] } }, []],
]
for (const [name, facts, followers] of table) {
  test(`A replica that keeps its log ${name}`, () => {
    assert.deepEqual(
      followersOf({ ...BASE, ...facts }, (_, isAway) => (isAway ? 5 : 0)),
      followers,
    )
  })
}
