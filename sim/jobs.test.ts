import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Jobs } from './jobs.ts'
import type { HistoryResult, WorldName } from './one-history.ts'

const FIRST_SEED = 1

async function resultsOf(jobs: Jobs, world: WorldName, count: number): Promise<HistoryResult[]> {
  const results: HistoryResult[] = []
  for await (const result of jobs.results(world, FIRST_SEED, count)) results.push(result)
  await jobs.end()
  return results
}

for (const [world, count] of [
  ['log', 12],
  ['pair', 2],
] as const) {
  test(`Two threads tell of the same histories of ${world} as one, in the order of seeds`, async () => {
    const settings = { mutant: null, traceLines: 0 }
    const alone = await resultsOf(new Jobs(1, settings), world, count)
    assert.equal(alone.length, count)
    const told = alone.map((result) => (result.kind === 'kept' ? result.counts : result.message))
    const threads = await resultsOf(new Jobs(2, settings), world, count)
    assert.deepEqual(
      threads.map((result) => (result.kind === 'kept' ? result.counts : result.message)),
      told,
    )
  })
}

test('A mutant stands in every thread', async () => {
  const results = await resultsOf(new Jobs(2, { mutant: 'ignore-checksum', traceLines: 0 }), 'log', 40)
  const broken = results.flatMap(({ kind }, i) => (kind === 'broken' ? [i % 2] : []))
  assert.deepEqual(new Set(broken), new Set([0, 1]))
})
