/** The series of the outgoing queue; a mirror has none of it. */
import { Gauge, type Registry } from '#lib/metrics/metrics.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { QueueTotals } from '../index/queue-rows.ts'
import type { OutgoingQueue } from './outgoing-queue.ts'

/** Counting walks over indexes: not at every scrape of every curious reader. */
const TOTALS_MEMORY_MS = 5_000

export function createQueueMetrics(registry: Registry, queue: () => OutgoingQueue | null, clock: Clock): void {
  const registers = [registry]
  let known: { readonly totals: QueueTotals | null; readonly untilMs: number } = { totals: null, untilMs: 0 }
  const totals = () => {
    if (clock.monotonicMs() >= known.untilMs) {
      known = { totals: queue()?.totals() ?? null, untilMs: clock.monotonicMs() + TOTALS_MEMORY_MS }
    }
    return known.totals
  }
  new Gauge({
    name: 'twinpost_shard_queue_recipients',
    help: 'Recipients in the outgoing queue, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const now = totals()
      this.set({ state: 'waiting' }, now?.waiting ?? 0)
      this.set({ state: 'attempting' }, now?.attempting ?? 0)
      this.set({ state: 'held' }, now?.held ?? 0)
    },
  })
  new Gauge({
    name: 'twinpost_shard_queue_oldest_timestamp_seconds',
    help: 'When the oldest letter of the outgoing queue was put there; 0: the queue is empty.',
    registers,
    collect() {
      this.set((totals()?.oldestMs ?? 0) / 1000)
    },
  })
  new Gauge({
    name: 'twinpost_shard_queue_attempts_in_doubt',
    help: 'Attempts whose sender has gone without a word: tried again when the doubt is over.',
    registers,
    collect() {
      this.set(queue()?.counts().attemptsInDoubt ?? 0)
    },
  })
  new Gauge({
    name: 'twinpost_shard_queue_results',
    help: 'Recipients since this replica became primary, by what came of an attempt; stale: told too late to count.',
    labelNames: ['result'],
    registers,
    collect() {
      for (const [result, count] of Object.entries(queue()?.counts().results ?? {})) this.set({ result }, count)
    },
  })
  new Gauge({
    name: 'twinpost_shard_queue_notifications',
    help: 'Notifications sent to authors of letters since this replica became primary.',
    registers,
    collect() {
      this.set(queue()?.counts().notifications ?? 0)
    },
  })
}
