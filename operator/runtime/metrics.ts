/** Series of the operator's runtime: who leads, how much waits, how well the watches do. */
import { Counter, Gauge, type Registry } from '#lib/metrics/metrics.ts'
import type { ReflectorCounts } from './reflector.ts'

export interface RuntimeFacts {
  readonly leading: boolean
  /** Keys that wait for a worker. */
  readonly depth: number
  /** Keys whose last run failed. */
  readonly failing: number
  readonly lostEvents: number
  /** Of all reflectors together. */
  readonly counts: ReflectorCounts
}

export interface RuntimeMetrics {
  /** @param outcome `ok`, or the code of what was thrown. */
  reconciled(outcome: string): void
}

export function createRuntimeMetrics(registry: Registry, facts: () => RuntimeFacts): RuntimeMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string, read: (facts: RuntimeFacts) => number) =>
    new Gauge({
      name: `twinpost_operator_${name}`,
      help,
      registers,
      collect() {
        this.set(read(facts()))
      },
    })
  gauge('leading', '1 on the operator that leads, 0 on the others.', (f) => (f.leading ? 1 : 0))
  gauge('queue_depth', 'Resources that wait to be looked at.', (f) => f.depth)
  gauge('queue_failing', 'Resources at which the last look failed.', (f) => f.failing)
  gauge(
    'watch_missed',
    'Changes that only a comparison with a whole list found, since the start.',
    (f) => f.counts.missed,
  )
  gauge('watch_lists', 'Whole lists read since the start.', (f) => f.counts.lists)
  gauge('watch_streams', 'Watches begun since the start.', (f) => f.counts.watches)
  gauge('watch_failures', 'Lists and watches that failed since the start.', (f) => f.counts.failures)
  gauge('events_lost', 'Kubernetes Events that could not be written, since the start.', (f) => f.lostEvents)
  const reconciles = new Counter({
    name: 'twinpost_operator_reconciles_total',
    help: 'Looks at resources, by what came of them: ok, or the code of the error.',
    labelNames: ['outcome'],
    registers,
  })
  return { reconciled: (outcome) => reconciles.inc({ outcome }) }
}
