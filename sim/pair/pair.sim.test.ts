import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MUTANTS } from '../mutants.ts'
import { runPairHistory } from './history.ts'

const SEEDS = 40

test('A pair without faults serves, mirrors and keeps everything', async () => {
  await runPairHistory(1, { faults: false })
})

test(`A pair keeps its promises in ${SEEDS} histories of faults`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runPairHistory(seed).catch((cause: unknown) => {
      throw new Error(`Replay with: make sim WORLD=pair SEEDS=1 SEED=${seed}`, { cause })
    })
  }
})

describe('Histories of a pair notice', () => {
  for (const [name, { world }] of Object.entries(MUTANTS)) {
    if (world !== 'pair') continue
    test(`the mutant ${name}`, () => {
      const env = { ...process.env, MUTANT: name, SEEDS: '300', SEED: '1' }
      const run = spawnSync(process.execPath, [join(import.meta.dirname, '../main.ts')], { env, encoding: 'utf8' })
      assert.equal(run.status, 0, run.stderr)
      assert.match(run.stdout, new RegExp(`^mutant ${name} caught at seed [0-9]+`))
    })
  }
})
