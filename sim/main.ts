/**
 * `make sim`: runs histories from seeds, prints what they met, and fails if a promise was broken or a fault never came up. With
 * MUTANT=name a function of the code under test is replaced by a wrong one, and the run fails unless a history notices.
 */
import { availableParallelism } from 'node:os'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { Coverage } from './coverage.ts'
import { Jobs } from './jobs.ts'
import { installMutant, MUTANTS } from './mutants.ts'
import type { HistoryResult, WorldName } from './one-history.ts'

const HELP = `Simulates a shard on a clock, disk, network and ledger that come from one seed.

  make sim                  500 histories of one log, 150 of a pair of replicas, 100 of accounts that move
  SEEDS=n                   so many of each world
  SEED=s                    from seed s on; a chance seed if none is given
  WORLD=log|pair|moves|all  the log of one replica and its disk; two replicas, network and ledger; accounts between
                            three shards; all of them (default)
  TRACE=n                   lines of the trace that a failure of a pair prints (default 80)
  JOBS=n                    threads (default: one for each processor); what is printed does not depend on it
  MUTANT=name               a wrong function in place; succeeds only if a history notices. Known:
                            ${Object.keys(MUTANTS).join(', ')}

A failure prints SEED=s and WORLD=w, which replay it with SEEDS=1.`

const SEEDS_DEFAULT: Readonly<Record<WorldName, number>> = { log: 500, pair: 150, moves: 100 }
/** From so many histories on each row of coverage must have come up. */
const COMPLETE_FROM = 200

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(HELP)
  process.exit(0)
}
const seedsAsked = Number(process.env['SEEDS'] || 0)
const firstSeed = Number(process.env['SEED'] || Math.floor(nodeRandom.fraction() * 1e9))
const traceLines = Number(process.env['TRACE'] || 80)
const threads = Number(process.env['JOBS'] || availableParallelism())
const mutantName = process.env['MUTANT'] || null
const asked = process.env['WORLD'] || 'all'

if (!Number.isSafeInteger(seedsAsked) || seedsAsked < 0 || !Number.isSafeInteger(firstSeed)) {
  fail(2, 'Cannot run: SEEDS and SEED must be whole numbers')
}
if (!Number.isSafeInteger(threads) || threads < 1) fail(2, 'Cannot run: JOBS must be a whole number from 1 on')
if (asked !== 'log' && asked !== 'pair' && asked !== 'moves' && asked !== 'all') {
  fail(2, 'Cannot run: WORLD is log (one replica and its disk), pair (two replicas, network and ledger), moves or all')
}
const mutant = mutantName === null ? null : installMutant(mutantName)
if (mutantName !== null && mutant === null) {
  fail(2, `Cannot run mutant ${mutantName}: known are ${Object.keys(MUTANTS).join(', ')}`)
}
// Loaded only now, so that a mutant is in place before the code under test.
const { LOG_COVERAGE_ROWS } = await import('./log/history.ts')
const { PAIR_COVERAGE_ROWS } = await import('./pair/rows.ts')
const { MOVES_COVERAGE_ROWS } = await import('./moves/rows.ts')
const ROWS: Readonly<Record<WorldName, readonly string[]>> = {
  log: LOG_COVERAGE_ROWS,
  pair: PAIR_COVERAGE_ROWS,
  moves: MOVES_COVERAGE_ROWS,
}

const jobs = new Jobs(threads, { mutant: mutantName, traceLines })
const worlds: readonly WorldName[] =
  mutant !== null ? [mutant.world] : asked === 'all' ? ['log', 'pair', 'moves'] : [asked]
let complete = true
for (const world of worlds) complete = (await runWorld(world)) && complete
if (mutant !== null) fail(1, `mutant ${mutantName} was not caught from seed ${firstSeed} on`)
process.exit(complete ? 0 : 1)

/** @returns Whether every row came up that had to. */
async function runWorld(world: WorldName): Promise<boolean> {
  const seeds = seedsAsked || SEEDS_DEFAULT[world]
  const coverage = new Coverage(ROWS[world])
  const startMs = nodeClock.monotonicMs()
  let seed = firstSeed
  for await (const result of jobs.results(world, firstSeed, seeds)) {
    if (result.kind === 'broken') told(world, seed, result)
    coverage.add(result)
    seed++
  }
  if (mutant !== null) return true
  const seconds = (nodeClock.monotonicMs() - startMs) / 1000
  console.log(coverage.table())
  console.log(`${world}: ${seeds} histories from seed ${firstSeed} on, ${(seeds / seconds).toFixed(1)} a second`)
  const missing = coverage.zeroRows
  if (missing.length === 0) return true
  console.error(`${world}: never met: ${missing.join(', ')}`)
  return world !== 'log' && seeds < COMPLETE_FROM
}

/** A history failed: the end, with or without success. */
function told(world: WorldName, seed: number, { message, report }: Extract<HistoryResult, { kind: 'broken' }>): never {
  if (mutant !== null) {
    console.log(`mutant ${mutantName} caught at seed ${seed}: ${message}`)
    process.exit(0)
  }
  console.error(report)
  fail(1, `SEED=${seed} WORLD=${world}`)
}

function fail(code: number, words: string): never {
  console.error(words)
  process.exit(code)
}
