import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkTimes,
  decideElection,
  ELECTION_TIMES,
  type LeaseRecord,
  mayCreate,
  observe,
  tenureLeftMs,
} from './election-state.ts'

const record = (holder: string, renewTime = 't1', transitions = 1): LeaseRecord => ({
  holder,
  leaseMs: 15_000,
  renewTime,
  transitions,
})

test('decideElection() takes what is free, ours, or was still for the whole duration, and nothing else', () => {
  const rows: [why: string, holder: string, seenForMs: number, wanted: string][] = [
    ['released', '', 0, 'free'],
    ['ours: the answer to our own write was lost', 'me', 0, 'ours'],
    ['another, just seen', 'other', 0, 'wait'],
    ['another, still for almost long enough', 'other', 14_999, 'wait'],
    ['another, still for the whole duration', 'other', 15_000, 'abandoned'],
  ]
  for (const [why, holder, seenForMs, wanted] of rows) {
    const step = decideElection({ record: record(holder), sinceMs: 1_000 }, 'me', 1_000 + seenForMs)
    assert.equal(step.kind === 'wait' ? 'wait' : step.why, wanted, why)
  }
})

test('observe() starts anew with every change of the record, whatever time stands in it', () => {
  const first = observe(null, record('other', '2026-01-01T00:00:00.000000Z'), 0)
  assert.equal(observe(first, record('other', '2026-01-01T00:00:00.000000Z'), 9_000).sinceMs, 0)
  // A time in the past is a change as any other: clocks are not believed.
  assert.equal(observe(first, record('other', '1999-01-01T00:00:00.000000Z'), 9_000).sinceMs, 9_000)
  assert.equal(observe(first, record('third', '2026-01-01T00:00:00.000000Z'), 9_000).sinceMs, 9_000)
  assert.equal(observe(first, record('other', '2026-01-01T00:00:00.000000Z', 2), 9_000).sinceMs, 9_000)
})

test('mayCreate() makes a first Lease at once and one that was deleted only when its holder must have stopped', () => {
  assert.equal(mayCreate(null, 0, 0), true)
  assert.equal(mayCreate({ record: record(''), sinceMs: 0 }, 0, 0), true)
  assert.equal(mayCreate({ record: record('other'), sinceMs: 0 }, 20_000, 34_999), false)
  assert.equal(mayCreate({ record: record('other'), sinceMs: 0 }, 20_000, 35_000), true)
})

test('tenureLeftMs() counts from the sending, and a machine that was suspended does not lead', () => {
  const tenure = { sentAtMs: 100, sentAtWallMs: 5_000 }
  const rows: [nowMs: number, wallMs: number, wanted: number][] = [
    [100, 5_000, 10_000],
    [4_100, 9_000, 6_000],
    [10_100, 15_000, 0],
    [30_100, 35_000, -20_000],
    [4_100, 9_500, 6_000],
    [4_100, 9_501, 0], // the monotonic clock stood still in between
    [4_100, 8_499, 0], // or the wall clock was set back: better once too often
  ]
  for (const [nowMs, wallMs, wanted] of rows) {
    assert.equal(tenureLeftMs(tenure, ELECTION_TIMES, nowMs, wallMs), wanted, `${nowMs} ${wallMs}`)
  }
})

test('checkTimes() refuses times by which two could lead', () => {
  checkTimes(ELECTION_TIMES)
  assert.throws(() => checkTimes({ leaseMs: 10_000, renewDeadlineMs: 10_000, retryMs: 2_000 }))
  assert.throws(() => checkTimes({ leaseMs: 15_000, renewDeadlineMs: 2_000, retryMs: 2_000 }))
  assert.throws(() => checkTimes({ leaseMs: 15_500, renewDeadlineMs: 10_000, retryMs: 2_000 }))
})
