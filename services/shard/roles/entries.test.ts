import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import {
  abandoned,
  claimed,
  commitBound,
  grown,
  handedOver,
  kept,
  noteAgrees,
  promoted,
  requiredMembers,
  shrunk,
  surelyPrimary,
  surelySole,
} from './entries.ts'

const a: LedgerReplica = { id: 'a', member: 0, podUid: 'u0', incarnation: 'a', bootId: 'a1' }
const b: LedgerReplica = { id: 'b', member: 1, podUid: 'u1', incarnation: 'b', bootId: 'b1' }
const pair: LedgerEntry = {
  version: 7,
  epoch: toEpoch(3),
  primary: 'a',
  inSync: ['a', 'b'],
  replicas: [a, b],
  featureLevel: 1,
  nonce: 'x',
}
const alone: LedgerEntry = { ...pair, inSync: ['a'] }

test('shrunk() leaves the primary alone in sync and forgets no replica', () => {
  assert.deepEqual(shrunk(pair), { epoch: 3, primary: 'a', inSync: ['a'], replicas: [a, b] })
})

test('grown() adds the mirror as it is now and forgets its former directory', () => {
  const fresh = { ...b, id: 'b2', incarnation: 'b2' }
  assert.deepEqual(grown(alone, fresh), { epoch: 3, primary: 'a', inSync: ['a', 'b2'], replicas: [a, fresh] })
})

test('kept() changes nothing', () => {
  assert.deepEqual(kept(pair), { epoch: 3, primary: 'a', inSync: ['a', 'b'], replicas: [a, b] })
})

test('handedOver() raises the epoch, names the mirror and keeps both in sync', () => {
  assert.deepEqual(handedOver(pair, { ...b, bootId: 'b2' }), {
    epoch: 4,
    primary: 'b',
    inSync: ['a', 'b'],
    replicas: [a, { ...b, bootId: 'b2' }],
  })
})

test('abandoned() names the mirror alone', () => {
  assert.deepEqual(abandoned(pair, b).inSync, ['b'])
  assert.equal(abandoned(pair, b).epoch, 4)
})

test('promoted() raises the epoch and leaves the old primary out', () => {
  assert.deepEqual(promoted(pair, b), { epoch: 4, primary: 'b', inSync: ['b'], replicas: [a, b] })
})

test('claimed() raises the epoch for a new life and leaves the in-sync set as it is', () => {
  assert.deepEqual(claimed(pair, { ...a, bootId: 'a2' }), {
    epoch: 4,
    primary: 'a',
    inSync: ['a', 'b'],
    replicas: [{ ...a, bootId: 'a2' }, b],
  })
})

test('requiredMembers() is the union of what the ledger may hold and of a mirror that grows in', () => {
  assert.deepEqual(requiredMembers([alone], null), ['a'])
  assert.deepEqual(requiredMembers([pair, alone], null), ['a', 'b'])
  assert.deepEqual(requiredMembers([alone, pair], null), ['a', 'b'])
  assert.deepEqual(requiredMembers([alone], 'b'), ['a', 'b'])
  assert.deepEqual(requiredMembers([pair], 'b2'), ['a', 'b', 'b2'])
})

const lsn = (values: { [id: string]: number }) => new Map(Object.entries(values).map(([id, n]) => [id, toLsn(n)]))
const bounds: [
  name: string,
  required: string[],
  durable: { [id: string]: number },
  commit: number,
  expected: number,
][] = [
  ['is what all have', ['a', 'b'], { a: 9, b: 7 }, 5, 7],
  ['is what the primary has when it is alone', ['a'], { a: 9, b: 7 }, 5, 9],
  ['stays where it is while one is unknown', ['a', 'b'], { a: 9 }, 5, 5],
  ['never goes back', ['a', 'b'], { a: 9, b: 3 }, 5, 5],
  ['stays where it is when nobody is required', [], { a: 9 }, 5, 5],
]
for (const [name, required, durable, commit, expected] of bounds) {
  test(`commitBound() ${name}`, () => assert.equal(commitBound(required, lsn(durable), toLsn(commit)), expected))
}

test('surelyPrimary() and surelySole() hold only if every entry says so', () => {
  const other = { ...pair, primary: 'b' }
  assert.equal(surelyPrimary([pair, alone], 'a'), true)
  assert.equal(surelyPrimary([pair, other], 'a'), false)
  assert.equal(surelyPrimary([], 'a'), false)
  assert.equal(surelySole([alone], 'a'), true)
  assert.equal(surelySole([pair, alone], 'a'), false)
  assert.equal(surelySole([pair], 'a'), false)
})

const notes: [
  name: string,
  note: [promised: number, version: number, inSync: boolean],
  entry: Partial<LedgerEntry>,
  expected: boolean,
][] = [
  ['agrees at the same version', [3, 7, true], {}, true],
  ['agrees when the entry is the growth that it was written for', [3, 6, true], {}, true],
  ['does not agree after two changes of membership', [3, 5, true], {}, false],
  ['agrees after claims that left the set as it was', [3, 7, true], { version: 10, epoch: toEpoch(6) }, true],
  ['agrees after a growth and claims', [3, 6, true], { version: 10, epoch: toEpoch(6) }, true],
  ['does not agree after claims and two changes', [3, 5, true], { version: 10, epoch: toEpoch(6) }, false],
  ['does not agree when it says not in sync', [3, 7, false], {}, false],
  ['does not agree when the ledger leaves it out', [3, 7, true], { inSync: ['a'] }, false],
  ['does not agree when the ledger is older', [3, 8, true], {}, false],
  ['agrees when an epoch was promised that the ledger does not know yet', [4, 7, true], {}, true],
]
for (const [name, [promised, ledgerVersion, inSync], change, expected] of notes) {
  test(`noteAgrees() ${name}`, () => {
    const note = { promisedEpoch: toEpoch(promised), ledgerVersion, inSync }
    assert.equal(noteAgrees(note, { ...pair, ...change }, 'b'), expected)
  })
}
