import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decideFences,
  decidePhase,
  decideRollout,
  decideServing,
  type RolloutAction,
  type SeenMember,
} from './decide.ts'
import type { ShardFacts } from './shard-facts.ts'

const member = (pod: string, what: Partial<SeenMember> = {}): SeenMember => ({
  pod,
  outdated: false,
  ready: true,
  running: true,
  serving: true,
  fenced: null,
  problem: null,
  ...what,
})
const shard = (index: number, primary: string, ...inSync: string[]): ShardFacts => ({
  shard: `n/${index}`,
  epoch: 1,
  primary,
  inSync,
})
const synced = [shard(0, 'a', 'a', 'b'), shard(1, 'b', 'a', 'b')]
const old = { outdated: true }

const rollouts: [name: string, members: SeenMember[], shards: ShardFacts[] | null, want: RolloutAction][] = [
  ['does nothing when both are up to date', [member('a'), member('b')], synced, { kind: 'none' }],
  [
    'does nothing about a member that is down but up to date',
    [member('a', { ready: false }), member('b')],
    [shard(0, 'b', 'b')],
    { kind: 'none' },
  ],
  [
    'replaces one of two outdated members while both are ready and in sync',
    [member('a', old), member('b', old)],
    synced,
    { kind: 'replace', pod: 'a', reason: 'Outdated' },
  ],
  [
    'begins with the member that has fewer primaries to hand over',
    [member('a', old), member('b', old)],
    [shard(0, 'a', 'a', 'b'), shard(1, 'a', 'a', 'b')],
    { kind: 'replace', pod: 'b', reason: 'Outdated' },
  ],
  [
    'waits while a shard has one copy, although both members are ready',
    [member('a', old), member('b')],
    [shard(0, 'a', 'a', 'b'), shard(1, 'a', 'a')],
    { kind: 'wait', reason: 'ShardOutOfSync', message: 'n/1 has one copy only' },
  ],
  [
    'waits while a ledger cannot be read',
    [member('a', old), member('b')],
    [{ shard: 'n/0', epoch: 0, primary: null, inSync: [] }],
    { kind: 'wait', reason: 'ShardOutOfSync', message: 'n/0 has one copy only' },
  ],
  [
    'waits while the other is not ready',
    [member('a', old), member('b', { ready: false })],
    synced,
    { kind: 'wait', reason: 'PeerNotReady', message: 'b is not ready' },
  ],
  [
    'waits while the other is missing',
    [member('a', old)],
    synced,
    { kind: 'wait', reason: 'MemberMissing', message: '1 of 2 members are there' },
  ],
  [
    'replaces an outdated member that is down and is not needed',
    [member('a', old), member('b', { outdated: true, ready: false })],
    [shard(0, 'a', 'a'), shard(1, 'a', 'a')],
    { kind: 'replace', pod: 'b', reason: 'OutdatedAndDown' },
  ],
  [
    'leaves an outdated member alone that is not ready and runs the only copy',
    [member('a', { outdated: true, ready: false }), member('b', { ready: false })],
    [shard(0, 'a', 'a'), shard(1, 'b', 'b')],
    { kind: 'wait', reason: 'LastCopy', message: 'a holds the only copy of n/0 and is not ready' },
  ],
  [
    'replaces an outdated member with the only copy that never runs: its volume stays',
    [member('a', { outdated: true, ready: false, running: false }), member('b', { ready: false })],
    [shard(0, 'a', 'a')],
    { kind: 'replace', pod: 'a', reason: 'OutdatedAndDown' },
  ],
  [
    'goes by readiness alone where the ledgers are not seen',
    [member('a', old), member('b', old)],
    null,
    { kind: 'replace', pod: 'a', reason: 'Outdated' },
  ],
]
for (const [name, members, shards, want] of rollouts) {
  test(`decideRollout() ${name}`, () => assert.deepEqual(decideRollout(members, shards, 2), want))
}

const servings: [name: string, members: SeenMember[], shards: ShardFacts[], want: object[]][] = [
  ['leaves members alone that are in sync', [member('a'), member('b')], synced, []],
  [
    'takes the label off a member that every ledger leaves out',
    [member('a'), member('b')],
    [shard(0, 'b', 'b'), shard(1, 'b', 'b')],
    [{ pod: 'a', serving: false }],
  ],
  [
    'leaves it where one shard still counts the member in',
    [member('a'), member('b')],
    [shard(0, 'b', 'b'), shard(1, 'b', 'a', 'b')],
    [],
  ],
  [
    'never takes it off the last edge',
    [member('a'), member('b', { ready: false })],
    [shard(0, 'b', 'b'), shard(1, 'b', 'b')],
    [],
  ],
  [
    'does not take it off while the peer has none',
    [member('a'), member('b', { serving: false })],
    [shard(0, 'b', 'b'), shard(1, 'b', 'b')],
    [{ pod: 'b', serving: true }],
  ],
  [
    'puts it back as soon as a shard counts the member in again',
    [member('a', { serving: false }), member('b')],
    [shard(0, 'b', 'b'), shard(1, 'b', 'a', 'b')],
    [{ pod: 'a', serving: true }],
  ],
  [
    'decides nothing from ledgers that cannot be read',
    [member('a'), member('b')],
    [{ shard: 'n/0', epoch: 0, primary: null, inSync: [] }],
    [],
  ],
]
for (const [name, members, shards, want] of servings) {
  test(`decideServing() ${name}`, () => assert.deepEqual(decideServing(members, shards), want))
}

test('decideFences() labels those that shall be fenced, and says so when one no longer shall', () => {
  const members = [member('a'), member('b', { fenced: true })]
  assert.deepEqual(decideFences(members, ['b']), [])
  assert.deepEqual(decideFences(members, ['a']), [
    { pod: 'a', fenced: true },
    { pod: 'b', fenced: false },
  ])
  assert.deepEqual(decideFences([member('a', { fenced: false })], []), [])
})

const phases: [members: SeenMember[], wanted: number, phase: string, ready: boolean, message: string][] = [
  [[], 2, 'Pending', false, '0 of 2 members are ready'],
  [
    [member('a', { ready: false, problem: 'ImagePullBackOff' })],
    2,
    'Starting',
    false,
    '0 of 2 members are ready; a: ImagePullBackOff',
  ],
  [[member('a'), member('b', { ready: false })], 2, 'Degraded', false, '1 of 2 members are ready'],
  [[member('a'), member('b')], 2, 'Running', true, '2 of 2 members are ready'],
  [[member('a')], 0, 'Stopped', false, 'Hibernated: 1 members are stopping'],
  [[], 0, 'Stopped', false, 'Hibernated: volumes and ledgers are kept'],
]
for (const [members, wanted, phase, ready, message] of phases) {
  test(`decidePhase() says ${phase}: ${message}`, () => {
    assert.deepEqual(decidePhase(members, wanted), { phase, ready, message })
  })
}
