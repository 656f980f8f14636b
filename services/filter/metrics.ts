/** The series of a filter. Labels are closed lists: engines of the pool, states, kinds of findings. */
import { Counter, Gauge, Histogram, type Registry } from '#lib/metrics/metrics.ts'

export interface FilterMetrics {
  readonly connections: Gauge
  readonly letters: Counter<'ending'>
  readonly letterBytes: Counter
  readonly engineLetters: Counter<'engine' | 'state'>
  readonly engineSeconds: Histogram<'engine'>
  readonly findings: Counter<'engine' | 'kind'>
  readonly verdictsReused: Counter<'engine'>
  readonly lessons: Counter<'kind' | 'outcome'>
  /** Asks `used` at each scrape. */
  watchMemory(used: () => number): void
}

export function createFilterMetrics(registry: Registry): FilterMetrics {
  const registers = [registry]
  return {
    connections: new Gauge({
      name: 'twinpost_filter_connections',
      help: 'Open connections of mail servers.',
      registers,
    }),
    letters: new Counter({
      name: 'twinpost_filter_letters_total',
      help: 'Letters by how they ended: judged, abandoned by the mail server, refused for want of memory.',
      labelNames: ['ending'],
      registers,
    }),
    letterBytes: new Counter({
      name: 'twinpost_filter_letter_bytes_total',
      help: 'Bytes of letters that were judged.',
      registers,
    }),
    lessons: new Counter({
      name: 'twinpost_filter_lessons_total',
      help: 'Letters that users have sorted, by kind (junk, other) and whether they were new (learned, known).',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    engineLetters: new Counter({
      name: 'twinpost_filter_engine_letters_total',
      help: 'Letters by engine and by what became of the question.',
      labelNames: ['engine', 'state'],
      registers,
    }),
    engineSeconds: new Histogram({
      name: 'twinpost_filter_engine_seconds',
      help: 'Time until an engine answered, or until it was given up.',
      labelNames: ['engine'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2, 10],
      registers,
    }),
    findings: new Counter({
      name: 'twinpost_filter_findings_total',
      help: 'What engines found, by kind.',
      labelNames: ['engine', 'kind'],
      registers,
    }),
    verdictsReused: new Counter({
      name: 'twinpost_filter_verdicts_reused_total',
      help: 'Answers that were kept from an earlier copy of the same letter.',
      labelNames: ['engine'],
      registers,
    }),
    watchMemory(used) {
      new Gauge({
        name: 'twinpost_filter_memory_used_bytes',
        help: 'Bytes of letters held in memory.',
        registers,
        collect() {
          this.set(used())
        },
      })
    },
  }
}
