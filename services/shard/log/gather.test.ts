import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GATHER_MS, type GatherFacts, Gathering, gatherMs, UNCOMMITTED_MS } from './gather.ts'
import { ManualClock } from './testing.ts'

const usual: GatherFacts = { waiting: 1, before: 5, sinceDurableMs: 0, sinceCommitMs: 0 }
const table: readonly [string, Partial<GatherFacts>, number][] = [
  ['the first of several waits for the others', {}, GATHER_MS],
  ['but not for long', { sinceCommitMs: GATHER_MS }, 0],
  ['as many as before are enough', { waiting: 5 }, 0],
  ['one client alone never waits', { before: 1 }, 0],
  ['nor does the first batch of all', { before: 0 }, 0],
  ['nobody comes back before the commit', { sinceCommitMs: null, sinceDurableMs: 1 }, UNCOMMITTED_MS - 1],
  ['a slow mirror is not waited for', { sinceCommitMs: null, sinceDurableMs: UNCOMMITTED_MS }, 0],
]
for (const [name, facts, expected] of table) {
  test(`gatherMs(): ${name}`, () => assert.equal(gatherMs({ ...usual, ...facts }), expected))
}

/** A batch of `count` was written and committed. */
function after(count: number, clock: ManualClock): Gathering {
  const gathering = new Gathering(clock)
  for (let i = 0; i < count; i++) gathering.appended()
  gathering.begun()
  gathering.durable()
  gathering.committed()
  return gathering
}

async function isOver(promise: Promise<void>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), new Promise<false>((done) => setImmediate(() => done(false)))])
}

test('enough() ends when as many came as before', async () => {
  const gathering = after(2, new ManualClock())
  gathering.appended()
  const enough = gathering.enough()
  assert.equal(await isOver(enough), false)
  gathering.appended()
  assert.equal(await isOver(enough), true)
})

test('enough() ends by the clock when they do not come', async () => {
  const clock = new ManualClock()
  const gathering = after(3, clock)
  gathering.appended()
  const enough = gathering.enough()
  clock.advance(GATHER_MS)
  assert.equal(await isOver(enough), true)
})
