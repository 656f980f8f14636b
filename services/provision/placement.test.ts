import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ShardName, toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { COUNT_AGE_MS, COUNT_REST_TIMES } from './limits.ts'
import { Placement } from './placement.ts'

const [A, B] = [toShardName('n1/0'), toShardName('n1/1')]

/** A directory whose counts come when the test lets them, and a clock that the test moves. */
function world() {
  let ms = 0
  const waiting: { give: (counts: Map<ShardName, number>) => void; fail: (error: Error) => void }[] = []
  const clock: Clock = { nowMs: () => ms, monotonicMs: () => ms, after: () => () => {} }
  const accounts = {
    shards: async () => [A, B].map((name) => ({ name, active: true })),
    countAccounts: () =>
      new Promise<Map<ShardName, number>>((give, fail) => {
        waiting.push({ give, fail })
      }),
  }
  return {
    placement: new Placement(accounts, clock),
    waiting,
    pass: (passed: number) => {
      ms += passed
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  }
}

test('choose() waits for the first count only, and all wait for one', async () => {
  const { placement, waiting, pass, turn } = world()
  const chosen = Promise.all([placement.choose(null), placement.choose(null), placement.choose(null)])
  await turn()
  assert.equal(waiting.length, 1)
  waiting[0]?.give(new Map([[A, 1]]))
  assert.deepEqual(await chosen, [B, A, B])
  pass(COUNT_AGE_MS + 1)
  assert.equal(await placement.choose(null), A, 'while the next count is under way')
  assert.equal(waiting.length, 2)
})

test('choose() does not forget what was chosen while it was counted', async () => {
  const { placement, waiting, pass, turn } = world()
  const first = placement.choose(null)
  await turn()
  waiting[0]?.give(new Map())
  assert.equal(await first, A)
  pass(COUNT_AGE_MS + 1)
  assert.deepEqual([await placement.choose(null), await placement.choose(null)], [B, A])
  waiting[1]?.give(new Map([[A, 1]])) // as it was when the count began
  await turn()
  assert.deepEqual([await placement.choose(null), await placement.choose(null)], [B, A], '2 and 1 were known')
})

test('choose() goes on with the old counts when counting fails, and counts slowly what is slow to count', async () => {
  const { placement, waiting, pass, turn } = world()
  const first = placement.choose(null)
  await turn()
  pass(10_000)
  waiting[0]?.give(new Map([[A, 5]]))
  assert.equal(await first, B)
  pass(COUNT_AGE_MS + 1)
  await placement.choose(null)
  assert.equal(waiting.length, 1, 'the first one took 10 s')
  pass(10_000 * COUNT_REST_TIMES)
  await placement.choose(null)
  assert.equal(waiting.length, 2)
  waiting[1]?.fail(new Error('away'))
  await turn()
  assert.equal(await placement.choose(null), B)
  assert.equal(waiting.length, 3)
})

test('choose() rejects when the first count does', async () => {
  const { placement, waiting, turn } = world()
  const first = placement.choose(null)
  await turn()
  waiting[0]?.fail(new Error('away'))
  await assert.rejects(first, /away/)
})
