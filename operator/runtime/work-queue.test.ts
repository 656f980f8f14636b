import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SeededRandom } from '#shard/replication/testing/seeded-random.ts'
import { VirtualClock } from '#shard/replication/testing/virtual-clock.ts'
import { backoffMs } from './backoff.ts'
import { WorkQueue } from './work-queue.ts'

const BACKOFF = { firstMs: 100, maxMs: 1_600 }

/** A queue whose work takes as long as `takesMs` says and fails while `fails` does. */
function world(options: { workers?: number; takesMs?: number; retryAfterMs?: number } = {}) {
  const clock = new VirtualClock()
  const runs: { key: string; atMs: number }[] = []
  const retries: number[] = []
  const state = { fails: new Set<string>(), againMs: null as number | null, most: 0, active: new Map<string, number>() }
  const queue = new WorkQueue({
    clock,
    random: new SeededRandom(1),
    workers: options.workers ?? 2,
    backoff: BACKOFF,
    retryAfterMs: () => options.retryAfterMs ?? null,
    failed: (_key, _error, retryMs) => retries.push(retryMs),
    async work(key) {
      runs.push({ key, atMs: clock.monotonicMs() })
      state.active.set(key, (state.active.get(key) ?? 0) + 1)
      assert.equal(state.active.get(key), 1, 'a key never runs twice at a time')
      state.most = Math.max(
        state.most,
        [...state.active.values()].reduce((a, b) => a + b, 0),
      )
      await new Promise<void>((resolve) => clock.after(options.takesMs ?? 10, resolve))
      state.active.set(key, 0)
      if (state.fails.has(key)) throw new Error('no')
      return state.againMs
    },
  })
  const times = (key: string) => runs.filter((run) => run.key === key).map((run) => run.atMs)
  return { clock, queue, runs, retries, state, times }
}

test('backoffMs() doubles up to its bound and spreads over the upper half', () => {
  const rows: [failures: number, fraction: number, wanted: number][] = [
    [1, 0, 50],
    [1, 0.999, 99.95],
    [2, 0, 100],
    [5, 0, 800],
    [6, 0, 800],
    [60, 0, 800],
    [0, 0, 50],
  ]
  for (const [failures, fraction, wanted] of rows) {
    assert.equal(Math.round(backoffMs(BACKOFF, failures, fraction) * 100) / 100, wanted)
  }
})

test('WorkQueue runs a key once however often it is added, and keeps it until it starts', async () => {
  const { clock, queue, runs } = world()
  for (let i = 0; i < 10; i++) queue.add('a')
  await clock.pass(100)
  assert.deepEqual(runs, [])
  assert.equal(queue.depth, 1)
  queue.start()
  await clock.pass(100)
  assert.equal(runs.length, 1)
})

test('WorkQueue runs a key again that was added while it ran, and never twice at a time', async () => {
  const { clock, queue, times } = world({ takesMs: 100 })
  queue.start()
  queue.add('a')
  await clock.pass(50)
  for (let i = 0; i < 5; i++) queue.add('a')
  await clock.pass(500)
  assert.deepEqual(times('a'), [0, 100])
})

test('WorkQueue runs as many keys at a time as it has workers, in order', async () => {
  const { clock, queue, runs, state } = world({ workers: 3, takesMs: 100 })
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) queue.add(key)
  queue.start()
  await clock.pass(1_000)
  assert.equal(state.most, 3)
  assert.equal(runs.map((run) => run.key).join(''), 'abcdefg')
})

test('WorkQueue tries a failed key later and later, apart from the others, and forgets after a success', async () => {
  const { clock, queue, retries, state, times } = world({ takesMs: 0 })
  state.fails.add('a')
  queue.start()
  queue.add('a')
  queue.add('b')
  await clock.pass(10_000)
  assert.equal(times('b').length, 1)
  assert.ok(retries.length >= 7)
  for (const [i, retryMs] of retries.entries()) {
    const full = Math.min(100 * 2 ** i, BACKOFF.maxMs)
    assert.ok(retryMs >= full / 2 && retryMs <= full, `${retryMs} of ${full}`)
  }
  assert.equal(queue.failing, 1)
  state.fails.clear()
  await clock.pass(2_000)
  assert.equal(queue.failing, 0)
  const before = times('a').length
  await clock.pass(10_000)
  assert.equal(times('a').length, before, 'a key that succeeded rests')
})

test('WorkQueue looks at a change at once though the key waits for its next try', async () => {
  const { clock, queue, state, times } = world({ takesMs: 0 })
  state.fails.add('a')
  queue.start()
  queue.add('a')
  await clock.pass(10)
  queue.add('a')
  await clock.pass(1)
  assert.equal(times('a').length, 2)
})

test('WorkQueue waits at least as long as the error asks', async () => {
  const { clock, queue, state, times } = world({ takesMs: 0, retryAfterMs: 5_000 })
  state.fails.add('a')
  queue.start()
  queue.add('a')
  await clock.pass(4_900)
  assert.equal(times('a').length, 1)
  await clock.pass(200)
  assert.equal(times('a').length, 2)
})

test('WorkQueue comes back when the work asks for it, at the earliest of all wishes', async () => {
  const { clock, queue, state, times } = world({ takesMs: 0 })
  state.againMs = 1_000
  queue.start()
  queue.addAfter('a', 700)
  queue.addAfter('a', 300)
  queue.addAfter('a', 900)
  await clock.pass(2_500)
  assert.deepEqual(times('a'), [300, 1_300, 2_300])
})

test('WorkQueue stops: what runs ends, nothing else begins', async () => {
  const { clock, queue, times } = world({ workers: 1, takesMs: 100 })
  queue.start()
  queue.add('a')
  queue.add('b')
  queue.addAfter('c', 10)
  await clock.pass(50)
  let stopped = false
  const done = queue.stop().then(() => {
    stopped = true
  })
  await clock.pass(20)
  assert.equal(stopped, false)
  await clock.pass(500)
  await done
  assert.deepEqual([times('b'), times('c')], [[], []])
})

test('WorkQueue runs every key after its last change, whatever happens in between', async () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat(60), fails: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const { clock, queue, state, times } = world({ workers: 2, takesMs: 25 })
      queue.start()
      const changed = new Map<string, number>()
      for (const { key, afterMs, fails } of steps) {
        await clock.pass(afterMs)
        if (fails) state.fails.add(key)
        else state.fails.delete(key)
        queue.add(key)
        changed.set(key, clock.monotonicMs())
      }
      state.fails.clear()
      await clock.pass(10_000)
      for (const [key, atMs] of changed) assert.ok((times(key).at(-1) ?? -1) >= atMs, `${key} ran after its change`)
      assert.deepEqual([queue.depth, queue.running, queue.failing], [0, 0, 0])
    }),
    { numRuns: 100 },
  )
})
