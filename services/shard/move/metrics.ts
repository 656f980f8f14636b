/** The series of moves; a mirror has none of it. */
import { Gauge, type Registry } from '#lib/metrics/metrics.ts'
import type { MoveCounts, Moves } from './moves.ts'

export function createMoveMetrics(registry: Registry, moves: () => Moves | null): void {
  const gauge = (name: string, help: string, read: (counts: MoveCounts) => number) =>
    new Gauge({
      name: `twinpost_shard_moves_${name}`,
      help,
      registers: [registry],
      collect() {
        const counts = moves()?.counts()
        this.set(counts === undefined ? 0 : read(counts))
      },
    })
  gauge('leaving', 'Accounts that are on their way to another shard.', ({ leaving }) => leaving)
  gauge('arriving', 'Accounts that are on their way to this shard.', ({ arriving }) => arriving)
  gauge('done', 'Accounts that have left since this replica became primary.', ({ done }) => done)
  gauge('failed', 'Moves that failed or were cancelled since this replica became primary.', ({ failed }) => failed)
  gauge('copied_bytes', 'Bytes that were copied by moves that are over.', ({ copiedBytes }) => copiedBytes)
  gauge(
    'freeze_seconds',
    'How long the last account that left was served nowhere for writes.',
    ({ freezeMs }) => (freezeMs ?? 0) / 1_000,
  )
}
