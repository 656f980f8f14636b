import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch } from '#lib/mail/types.ts'
import type { LedgerEntry } from '../ledger/types.ts'
import { clockJumped, type ReadFacts, readRight } from './read-right.ts'
import { checkTimes, ROLE_TIMES as times } from './times.ts'

const pair: LedgerEntry = {
  version: 7,
  epoch: toEpoch(3),
  primary: 'a',
  inSync: ['a', 'b'],
  replicas: [],
  featureLevel: 1,
  nonce: 'x',
}
const alone: LedgerEntry = { ...pair, inSync: ['a'] }
const facts: ReadFacts = { self: 'a', serving: true, mayHold: [pair], nowMs: 10_000, ackedBeaconSentMs: 9_000, times }

const cases: [name: string, change: Partial<ReadFacts>, expected: string][] = [
  ['lasts for the lease from the sending of the beacon', { ackedBeaconSentMs: 8_201 }, 'may'],
  ['ends with the lease', { ackedBeaconSentMs: 8_200 }, 'lease-lost'],
  ['is not there before a beacon was acknowledged', { ackedBeaconSentMs: null }, 'lease-lost'],
  ['needs no lease when nobody else can be promoted', { mayHold: [alone], ackedBeaconSentMs: null }, 'may'],
  ['needs the lease while a shrink is not certain', { mayHold: [pair, alone], ackedBeaconSentMs: null }, 'lease-lost'],
  ['needs the lease while a growth is not certain', { mayHold: [alone, pair], ackedBeaconSentMs: null }, 'lease-lost'],
  ['is there with a lease while a shrink is not certain', { mayHold: [pair, alone] }, 'may'],
  [
    'is not there while a handover may have landed',
    { mayHold: [pair, { ...pair, primary: 'b' }] },
    'authority-in-doubt',
  ],
  ['is not there before the ledger was read', { mayHold: [] }, 'authority-in-doubt'],
  ['is not there for a mirror', { serving: false }, 'not-primary'],
]
for (const [name, change, expected] of cases) {
  test(`readRight() ${name}`, () => {
    const right = readRight({ ...facts, ...change })
    assert.equal(right.kind === 'may' ? 'may' : right.reason, expected)
  })
}

const looks: [name: string, wallMs: number, monotonicMs: number, expected: boolean][] = [
  ['sees nothing when both went on alike', 5_000, 5_000, false],
  ['forgives half a second', 5_500, 5_000, false],
  ['sees a machine that was frozen while its monotonic clock stood', 8_000, 10, true],
  ['sees a wall clock that was set back', -4_000, 10, true],
  ['sees a wall clock that was set forward', 700, 10, true],
]
for (const [name, wallMs, monotonicMs, expected] of looks) {
  test(`clockJumped() ${name}`, () => {
    const before = { wallMs: 1_000_000, monotonicMs: 50 }
    const now = { wallMs: 1_000_000 + wallMs, monotonicMs: 50 + monotonicMs }
    assert.equal(clockJumped(before, now, times), expected)
  })
}

test('checkTimes() refuses times with which two could serve', () => {
  assert.equal(checkTimes(times), times)
  assert.throws(() => checkTimes({ ...times, leaseMs: times.graceMs }))
  assert.throws(() => checkTimes({ ...times, removeMs: 1_500 }))
})
