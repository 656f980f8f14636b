import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideRestore, type ReplicaEvidence, type RestoreFacts } from './restore-ledger.ts'

const self: ReplicaEvidence = {
  pod: 'n1-0',
  promisedEpoch: 5,
  ledgerVersion: 9,
  inSync: true,
  logEpoch: 5,
  lastLsn: 100,
}
const other: ReplicaEvidence = { ...self, pod: 'n1-1' }
const facts: RestoreFacts = { role: 'standby', ledger: 'lost', fenced: false, self, other, otherPod: 'n1-1' }

const mine = (change: Partial<ReplicaEvidence>) => ({ self: { ...self, ...change } })
const theirs = (change: Partial<ReplicaEvidence>) => ({ other: { ...other, ...change } })

const cases: readonly [words: string, change: Partial<RestoreFacts>, expected: 'restore' | RegExp][] = [
  ['two equal notes: the first member', {}, 'restore'],
  [
    'two equal notes, asked at the second member',
    { self: other, other: self, otherPod: 'n1-0' },
    /n1-0 holds everything/,
  ],
  ['the other one left earlier', theirs({ inSync: false, ledgerVersion: 8, lastLsn: 60 }), 'restore'],
  ['this one left earlier', mine({ inSync: false, ledgerVersion: 8, lastLsn: 60 }), /n1-1 holds everything/],
  ['this one took over last', mine({ promisedEpoch: 6, ledgerVersion: 10, lastLsn: 90 }), 'restore'],
  [
    'the other one took over last, and lacks only what was not acknowledged',
    theirs({ promisedEpoch: 6, ledgerVersion: 10, lastLsn: 90 }),
    /n1-1 holds everything/,
  ],
  ['this one went on alone, and ended before its note said so', mine({ lastLsn: 120 }), 'restore'],
  [
    'within one epoch the longer log counts, not the version',
    { ...mine({ lastLsn: 120 }), ...theirs({ ledgerVersion: 10 }) },
    'restore',
  ],
  [
    'a later epoch in the log counts more than its length',
    { ...mine({ logEpoch: 5, lastLsn: 80 }), ...theirs({ logEpoch: 4, lastLsn: 120 }) },
    'restore',
  ],
  ['neither is in sync', { ...mine({ inSync: false }), ...theirs({ inSync: false }) }, /neither note/],
  [
    'this one calls itself in sync and has not seen the last epoch',
    theirs({ inSync: false, promisedEpoch: 6 }),
    /n1-0 knows 5 only.*older state/,
  ],
  [
    'this one calls itself in sync and has missed two versions',
    theirs({ inSync: false, ledgerVersion: 11 }),
    /n1-0 only 9.*older state/,
  ],
  ['a note that is one version late', theirs({ inSync: false, ledgerVersion: 10 }), 'restore'],
  ['the other one does not answer', { other: null }, /n1-1 does not answer.*start it/],
  [
    'the directory of the other one is new',
    theirs({ ledgerVersion: 0, inSync: false, promisedEpoch: 0, logEpoch: 0, lastLsn: 0 }),
    /n1-1 is new/,
  ],
  [
    'this directory is new',
    mine({ ledgerVersion: 0, inSync: false, promisedEpoch: 0, logEpoch: 0, lastLsn: 0 }),
    /n1-0 is new/,
  ],
  ['the ledger is there', { ledger: 'good' }, /nothing contradicts/],
  ['the ledger is away', { ledger: 'away' }, /cannot be read/],
  ['somebody serves', { role: 'primary' }, /by itself/],
  ['this replica has stopped', { role: 'ended' }, /stopped/],
  ['this one is fenced', { fenced: true }, /unfence/],
]
for (const [words, change, expected] of cases) {
  test(`a lost ledger is ${expected === 'restore' ? 'made anew' : 'left alone'}: ${words}`, () => {
    const decision = decideRestore({ ...facts, ...change })
    if (expected === 'restore') assert.equal(decision.kind, 'restore', JSON.stringify(decision))
    else assert.match(decision.kind === 'refuse' ? decision.reason : decision.words, expected)
  })
}

test('the two members never both make it anew', () => {
  const notes: ReplicaEvidence[] = []
  for (const inSync of [true, false])
    for (const promisedEpoch of [4, 5])
      for (const ledgerVersion of [8, 9, 11])
        for (const lastLsn of [90, 100]) notes.push({ ...self, inSync, promisedEpoch, ledgerVersion, lastLsn })
  for (const one of notes) {
    for (const two of notes) {
      const b = { ...two, pod: 'n1-1' }
      const here = decideRestore({ ...facts, self: one, other: b })
      const there = decideRestore({ ...facts, self: b, other: one, otherPod: 'n1-0' })
      assert.ok(here.kind === 'refuse' || there.kind === 'refuse', JSON.stringify([one, b]))
    }
  }
})
