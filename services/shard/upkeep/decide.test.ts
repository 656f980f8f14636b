import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decideUpkeep,
  policyOf,
  type SegmentFacts,
  scrubDue,
  UPKEEP_POLICY,
  type UpkeepAction,
  type UpkeepFacts,
} from './decide.ts'
import { RETENTION_MS, RETENTION_WHEN_FULL_MS } from './limits.ts'

const HOUR_MS = 3_600_000
const NOW_MS = 1_767_225_600_000
const MIB = 1024 * 1024

const BASE: UpkeepFacts = {
  policy: UPKEEP_POLICY,
  nowMs: NOW_MS,
  wallMs: NOW_MS,
  freeShare: 0.5,
  freeBytes: 1e9,
  horizon: 1_000,
  mark: { atMs: NOW_MS - HOUR_MS, horizon: 1_000 },
  segments: [],
  scrub: { lastFullMs: NOW_MS - HOUR_MS, underWay: false },
  reserveMissingBytes: 0,
  reserveFileBytes: 1,
}

function segment(firstLsn: number, deadShare: number, sizeBytes = 64 * MIB): SegmentFacts {
  return { firstLsn, nextLsn: firstLsn + 100, sizeBytes, deadBytes: deadShare * sizeBytes }
}

test('policyOf() keeps what was expunged as long as it is told, on a full disk an hour at most', () => {
  const shares = [0.5, 0.1, 0.05]
  const kept = (retentionMs: number) =>
    shares.map((freeShare) => {
      const action = decideUpkeep({ ...BASE, policy: policyOf(retentionMs), freeShare, mark: null })
      return action.kind === 'mark' ? action.retentionMs : null
    })
  assert.deepEqual(kept(5 * HOUR_MS), [5 * HOUR_MS, 5 * HOUR_MS, HOUR_MS])
  assert.deepEqual(kept(60_000), [60_000, 60_000, 60_000])
})

const table: [name: string, facts: Partial<UpkeepFacts>, action: UpkeepAction][] = [
  ['rests when nothing is due', {}, { kind: 'rest' }],
  ['marks first of all in a life', { mark: null }, { kind: 'mark', retentionMs: RETENTION_MS }],
  ['does not mark an empty log', { mark: null, horizon: 0 }, { kind: 'rest' }],
  ['does not mark again as long as the horizon stands', { mark: { atMs: 0, horizon: 1_000 } }, { kind: 'rest' }],
  [
    'marks every six hours',
    { mark: { atMs: NOW_MS - 6 * HOUR_MS, horizon: 1 } },
    { kind: 'mark', retentionMs: RETENTION_MS },
  ],
  [
    'marks more often when space is short',
    { mark: { atMs: NOW_MS - HOUR_MS, horizon: 1 }, freeShare: 0.14 },
    { kind: 'mark', retentionMs: RETENTION_MS },
  ],
  [
    'brings retention forward when the disk is nearly full',
    { mark: { atMs: NOW_MS - HOUR_MS, horizon: 1 }, freeShare: 0.06 },
    { kind: 'mark', retentionMs: RETENTION_WHEN_FULL_MS },
  ],
  ['leaves a segment alone that is less than half dead', { segments: [segment(1, 0.49)] }, { kind: 'rest' }],
  ['compacts one that is half dead', { segments: [segment(1, 0.5)] }, { kind: 'compact', firstLsn: 1 }],
  [
    'takes the one that frees most for its cost',
    { segments: [segment(1, 0.6), segment(101, 0.9), segment(201, 0.7)] },
    { kind: 'compact', firstLsn: 101 },
  ],
  [
    'takes less when space is short',
    { segments: [segment(1, 0.2)], freeShare: 0.14 },
    { kind: 'compact', firstLsn: 1 },
  ],
  [
    'takes little when the disk is nearly full',
    { segments: [segment(1, 0.05)], freeShare: 0.06 },
    { kind: 'compact', firstLsn: 1 },
  ],
  [
    'takes a segment whose rest fits on the disk',
    { segments: [segment(1, 0.5), segment(101, 0.4, 2 * MIB)], freeShare: 0.001, freeBytes: 4 * MIB },
    { kind: 'compact', firstLsn: 101 },
  ],
  [
    'takes none that reaches beyond what was marked',
    { segments: [segment(950, 0.9)], mark: { atMs: NOW_MS, horizon: 1_048 } },
    { kind: 'rest' },
  ],
  ['scrubs once a week', { scrub: { lastFullMs: NOW_MS - 168 * HOUR_MS, underWay: false } }, { kind: 'scrub' }],
  ['goes on with a scrub', { scrub: { lastFullMs: NOW_MS, underWay: true } }, { kind: 'scrub' }],
  [
    'fills the reserve before it scrubs',
    { scrub: { lastFullMs: null, underWay: false }, reserveMissingBytes: 1 },
    { kind: 'refill-reserve' },
  ],
  ['does not fill the reserve of a disk that is short', { freeShare: 0.1, reserveMissingBytes: 1 }, { kind: 'rest' }],
  [
    'fills no file of it that would leave too little beside it',
    { freeShare: 0.2, freeBytes: 200 * MIB, reserveMissingBytes: 128 * MIB, reserveFileBytes: 101 * MIB },
    { kind: 'rest' },
  ],
  [
    'fills one that leaves enough',
    { freeShare: 0.2, freeBytes: 200 * MIB, reserveMissingBytes: 128 * MIB, reserveFileBytes: 99 * MIB },
    { kind: 'refill-reserve' },
  ],
  ['does not fill it when space is unknown', { freeShare: null, reserveMissingBytes: 1 }, { kind: 'rest' }],
]
for (const [name, facts, action] of table) {
  test(`Upkeep ${name}`, () => assert.deepEqual(decideUpkeep({ ...BASE, ...facts }), action))
}

test('A scrub is due when there was none, or a week has gone by; a clock that went back makes none due', () => {
  assert.equal(scrubDue(null, NOW_MS, 168 * HOUR_MS), true)
  assert.equal(scrubDue(NOW_MS - 167 * HOUR_MS, NOW_MS, 168 * HOUR_MS), false)
  assert.equal(scrubDue(NOW_MS + HOUR_MS, NOW_MS, 168 * HOUR_MS), false)
})
