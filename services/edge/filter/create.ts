/** From settings to the filter of an edge. */
import type { Logger } from '#lib/log/logger.ts'
import type { ManyResolver } from '#lib/platform/resolver.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import type { FilterConfig } from '../config.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { FilterPool } from './filter-pool.ts'
import { LetterFilter } from './letter-filter.ts'

/** A pod that is there takes a connection within milliseconds; a letter waits for the next one no longer than this. */
const CONNECT_MS = 1_000

export function createLetterFilter(
  config: FilterConfig,
  {
    resolve,
    tls,
    clock,
    logger,
    metrics,
  }: {
    readonly resolve: ManyResolver
    readonly tls: () => TlsMaterial
    readonly clock: Clock
    readonly logger: Logger
    readonly metrics: EdgeMetrics
  },
): LetterFilter {
  const { name, host, port, patienceMs, onFailure, level, onVirus, onAttachment, onImage } = config
  const pool = new FilterPool({
    name,
    endpoints: async () => (await resolve(host)).map((address) => ({ host: address, port })),
    tls: config.tls ? tls : null,
    patienceMs,
    connectMs: CONNECT_MS,
    clock,
    logger,
    metrics,
  })
  const rules = { required: new Set(config.required), onVirus, onAttachment, onImage }
  return new LetterFilter({ pool, rules, onFailure, level, clock, logger, metrics })
}
