import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MUTANTS } from '../mutants.ts'
import { runMovesHistory } from './history.ts'

const SEEDS = 25

test(`accounts keep everything through ${SEEDS} histories of moves, deaths and lost messages`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runMovesHistory(seed).catch((cause: unknown) => {
      throw new Error(`Replay with: make sim WORLD=moves SEEDS=1 SEED=${seed}`, { cause })
    })
  }
})

describe('The simulator notices', () => {
  for (const [name, { world }] of Object.entries(MUTANTS)) {
    if (world !== 'moves') continue
    test(`the mutant ${name}`, () => {
      const env = { ...process.env, MUTANT: name, SEEDS: '50', SEED: '1', JOBS: '1' }
      const run = spawnSync(process.execPath, [join(import.meta.dirname, '../main.ts')], { env, encoding: 'utf8' })
      assert.equal(run.status, 0, run.stderr)
      assert.match(run.stdout, new RegExp(`^mutant ${name} caught at seed [0-9]+`))
    })
  }
})
