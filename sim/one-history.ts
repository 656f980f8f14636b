/**
 * One history of one of the worlds, with a result that can be sent to another thread. Worlds are loaded only when the first history is run, so that
 * a mutant is in place before the code under test.
 */
import { inspect } from 'node:util'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { CoverageCount } from './coverage.ts'
import type { Weakness } from './pair/damage.ts'

export type WorldName = 'log' | 'pair' | 'moves'

export type HistoryResult =
  | { readonly kind: 'kept'; readonly counts: readonly CoverageCount[] }
  /** `report`: for whoever must understand it, with the last lines of the trace. */
  | { readonly kind: 'broken'; readonly message: string; readonly report: string }

export interface HistorySettings {
  /** How many lines of a trace are reported. */
  readonly traceLines: number
  /** What is wrong with a disk of a pair; without it chance decides. */
  readonly weakness?: Weakness
}

/** Never rejects: a broken promise of the code under test is a result. */
export async function runHistory(world: WorldName, seed: number, settings: HistorySettings): Promise<HistoryResult> {
  const run = await runOf(world, settings)
  return run(seed)
}

type Run = (seed: number) => Promise<HistoryResult>

function runOf(world: WorldName, settings: HistorySettings): Promise<Run> {
  switch (world) {
    case 'log':
      return logHistory()
    case 'pair':
      return pairHistory(settings)
    case 'moves':
      return movesHistory()
    default:
      return world satisfies never
  }
}

async function movesHistory(): Promise<Run> {
  const { runMovesHistory } = await import('./moves/history.ts')
  return (seed) =>
    runMovesHistory(seed).then(
      ({ counts }): HistoryResult => ({ kind: 'kept', counts }),
      (error: unknown): HistoryResult => ({ kind: 'broken', message: errorMessage(error), report: inspect(error) }),
    )
}

async function logHistory(): Promise<Run> {
  const { runLogHistory } = await import('./log/history.ts')
  return (seed) =>
    runLogHistory(seed).then(
      ({ counts }): HistoryResult => ({ kind: 'kept', counts }),
      (error: unknown): HistoryResult => ({ kind: 'broken', message: errorMessage(error), report: inspect(error) }),
    )
}

async function pairHistory({ traceLines, weakness }: HistorySettings): Promise<Run> {
  const { PairFailure, runPairHistory } = await import('./pair/history.ts')
  return (seed) =>
    runPairHistory(seed, weakness === undefined ? {} : { weakness }).then(
      ({ counts }): HistoryResult => ({ kind: 'kept', counts }),
      (error: unknown): HistoryResult => {
        const report =
          error instanceof PairFailure ? `${error.trace(traceLines)}\n${inspect(error.cause)}` : inspect(error)
        return { kind: 'broken', message: errorMessage(error), report }
      },
    )
}
