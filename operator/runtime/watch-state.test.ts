import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterFact, FIRST_WATCH_STATE, type WatchFact, type WatchState } from './watch-state.ts'

const AT_7: WatchState = { resourceVersion: '7', failures: 0 }

test('afterFact() knows the next step for every ending', () => {
  const rows: [
    why: string,
    state: WatchState,
    fact: WatchFact,
    version: string | null,
    failures: number,
    next: string,
  ][] = [
    ['a list is followed by a watch', FIRST_WATCH_STATE, { kind: 'listed', resourceVersion: '5' }, '5', 0, 'watch 0'],
    ['a list heals no stream', { ...AT_7, failures: 3 }, { kind: 'listed', resourceVersion: '5' }, '5', 3, 'watch 0'],
    [
      'an event moves the version',
      { ...AT_7, failures: 3 },
      { kind: 'received', resourceVersion: '9' },
      '9',
      0,
      'watch 0',
    ],
    ['a stream that lived goes on', { ...AT_7, failures: 2 }, { kind: 'ended', livedMs: 1_000 }, '7', 0, 'watch 0'],
    ['one that ended at once waits', AT_7, { kind: 'ended', livedMs: 999 }, '7', 1, 'watch 100'],
    ['410 lists at once', AT_7, { kind: 'expired' }, null, 0, 'list 0'],
    ['410 on a list waits', FIRST_WATCH_STATE, { kind: 'expired' }, null, 1, 'list 100'],
    ['a failed first list waits', FIRST_WATCH_STATE, { kind: 'failed', retryAfterMs: null }, null, 1, 'list 100'],
    [
      'the second failure waits longer',
      { ...AT_7, failures: 1 },
      { kind: 'failed', retryAfterMs: null },
      '7',
      2,
      'watch 200',
    ],
    ['the server may ask for more', AT_7, { kind: 'failed', retryAfterMs: 9_000 }, '7', 1, 'watch 9000'],
    ['and not for less', { ...AT_7, failures: 2 }, { kind: 'failed', retryAfterMs: 1 }, '7', 3, 'watch 400'],
    ['five in a row list anew', { ...AT_7, failures: 4 }, { kind: 'failed', retryAfterMs: null }, null, 5, 'list 1600'],
    ['waits are bounded', { ...AT_7, failures: 40 }, { kind: 'ended', livedMs: 0 }, '7', 41, 'watch 5000'],
    ['a comparison lists', AT_7, { kind: 'relist' }, null, 0, 'list 0'],
  ]
  for (const [why, state, fact, version, failures, next] of rows) {
    const found = afterFact(state, fact, 0)
    assert.deepEqual(
      [found.resourceVersion, found.failures, `${found.next.do} ${found.next.afterMs}`],
      [version, failures, next],
      why,
    )
  }
})

test('afterFact() never comes back at once for ever while nothing works', () => {
  let state: WatchState = AT_7
  let waitedMs = 0
  for (let i = 0; i < 50; i++) {
    const { next, ...after } = afterFact(state, { kind: i % 7 === 0 ? 'expired' : 'ended', livedMs: 0 }, 0.5)
    state = after
    waitedMs += next.afterMs
  }
  assert.ok(waitedMs > 200_000, `50 attempts took ${waitedMs} ms`)
})
