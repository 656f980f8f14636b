/** Series of the quarantine. */
import { Gauge, type Registry } from '#lib/metrics/metrics.ts'
import type { Quarantine } from './quarantine.ts'

/** @param quarantine Null: this replica is not primary. */
export function createQuarantineMetrics(registry: Registry, quarantine: () => Pick<Quarantine, 'count'> | null): void {
  new Gauge({
    name: 'twinpost_shard_quarantine_letters',
    help: 'Letters in quarantine; 0 where this replica is not primary.',
    registers: [registry],
    collect() {
      this.set(quarantine()?.count ?? 0)
    },
  })
}
