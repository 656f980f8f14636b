/**
 * `make sim SEEDS=n SEED=s`: runs `n` histories of WORLD=log|pair from seed `s` on (a chance seed if none is given), prints what they met, and
 * fails if a promise was broken or a fault never came up. With MUTANT=name a function of the code under test is replaced by a
 * wrong one, and the run fails unless a history notices.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { Coverage } from './coverage.ts'
import { installMutant, MUTANTS } from './mutants.ts'

const seeds = Number(process.env['SEEDS'] || 500)
const firstSeed = Number(process.env['SEED'] || Math.floor(nodeRandom.fraction() * 1e9))
const mutant = process.env['MUTANT'] || null
const world = process.env['WORLD'] || 'log'

if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(firstSeed)) {
  console.error('Cannot run: SEEDS and SEED must be whole numbers')
  process.exit(2)
}
if (world !== 'log' && world !== 'pair') {
  console.error('Cannot run: WORLD is log (one replica and its disk) or pair (two replicas, network and ledger)')
  process.exit(2)
}
if (mutant !== null && !installMutant(mutant)) {
  console.error(`Cannot run mutant ${mutant}: known are ${Object.keys(MUTANTS).join(', ')}`)
  process.exit(2)
}
// Loaded only now, so that a mutant is in place before the code under test.
const { LOG_COVERAGE_ROWS, runLogHistory } = await import('./log/history.ts')

const { runPairHistory, PairFailure } = await import('./pair/history.ts')

const TRACE_LINES = 60
const runHistory = world === 'pair' ? runPairHistory : runLogHistory
const coverage = new Coverage(world === 'pair' ? [] : LOG_COVERAGE_ROWS)
const startMs = nodeClock.monotonicMs()
for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
  try {
    coverage.add(await runHistory(seed))
  } catch (error) {
    if (mutant !== null) {
      console.log(`mutant ${mutant} caught at seed ${seed}: ${errorMessage(error)}`)
      process.exit(0)
    }
    if (error instanceof PairFailure) console.error(error.trace(TRACE_LINES))
    console.error(error)
    console.error(`SEED=${seed}`)
    process.exit(1)
  }
  // Lets signals through: histories themselves never leave the promise queue.
  await new Promise(setImmediate)
}
if (mutant !== null) {
  console.error(`mutant ${mutant} was not caught by ${seeds} histories from seed ${firstSeed} on`)
  process.exit(1)
}
const seconds = (nodeClock.monotonicMs() - startMs) / 1000
console.log(coverage.table())
console.log(`${seeds} histories from seed ${firstSeed} on, ${Math.round(seeds / seconds)} a second`)
const missing = coverage.zeroRows
if (missing.length > 0) {
  console.error(`never met: ${missing.join(', ')}`)
  process.exit(1)
}
