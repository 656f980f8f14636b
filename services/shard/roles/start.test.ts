import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch } from '#lib/mail/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { claimedEntry, decideAtStart, firstEntry, type StartFacts } from './start.ts'

const self: LedgerReplica = { id: 'n1/0@0#new', member: 0, podUid: 'u0', incarnation: 'new', bootId: 'b2' }
const former: LedgerReplica = { ...self, id: 'n1/0@0#old', incarnation: 'old' }
const peer: LedgerReplica = { id: 'n1/0@1#peer', member: 1, podUid: 'u1', incarnation: 'peer', bootId: 'b1' }

function entry(primary: LedgerReplica, version = 5, replicas = [primary]): LedgerEntry {
  return {
    version,
    epoch: toEpoch(3),
    primary: primary.id,
    inSync: [primary.id],
    replicas,
    featureLevel: 1,
    nonce: 'x',
  }
}

const facts: StartFacts = { self, entry: null, newDirectory: true, seenVersion: 0, preferred: true }
const cases: [name: string, facts: StartFacts, kind: string, words?: RegExp][] = [
  ['makes the first entry on a new directory of the preferred member', facts, 'create'],
  ['waits on the other member for the first entry', { ...facts, preferred: false }, 'wait', /first ledger entry/],
  [
    'makes the first entry after a crash between making the directory and swapping',
    { ...facts, newDirectory: false, seenVersion: 0 },
    'create',
  ],
  ['stops when the entry vanished', { ...facts, newDirectory: false, seenVersion: 5 }, 'stop', /restore the ledger/],
  [
    'stops when the ledger went back',
    { ...facts, entry: entry(self, 4), seenVersion: 5 },
    'stop',
    /went back to version 4/,
  ],
  ['claims the next epoch as primary of the ledger', { ...facts, entry: entry(self), seenVersion: 5 }, 'claim'],
  ['claims when the ledger is newer than what it saw', { ...facts, entry: entry(self, 9), seenVersion: 5 }, 'claim'],
  ['waits when the peer is primary', { ...facts, entry: entry(peer), preferred: true }, 'wait', /another replica/],
  ['stops on an emptied disk of the only primary', { ...facts, entry: entry(former) }, 'stop', /former directory old/],
]
for (const [name, given, kind, words] of cases) {
  test(`decideAtStart() ${name}`, () => {
    const decision = decideAtStart(given)
    assert.equal(decision.kind, kind)
    if (words) assert.match('phase' in decision ? decision.phase : '', words)
  })
}

test('claimedEntry() takes the next epoch and version for this process life and leaves the in-sync set', () => {
  const first = firstEntry({ ...self, bootId: 'b1' }, nodeRandom)
  const claimed = claimedEntry(first, self, nodeRandom)
  assert.equal(claimed.epoch, 2)
  assert.equal(claimed.version, 2)
  assert.deepEqual(claimed.inSync, [self.id])
  assert.deepEqual(claimed.replicas, [self])
  assert.notEqual(claimed.nonce, first.nonce)
})
