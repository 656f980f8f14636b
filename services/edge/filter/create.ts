/** From settings to what an edge does with letters before it stores them. */
import { openResolver } from '#lib/dns/from-settings.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { ManyResolver } from '#lib/platform/resolver.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import { Authenticator } from '../authentication/authenticator.ts'
import { type EdgeConfig, FilterConfig } from '../config.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { FilterPool } from './filter-pool.ts'
import { LetterFilter } from './letter-filter.ts'

/** A pod that is there takes a connection within milliseconds; a letter waits for the next one no longer than this. */
const CONNECT_MS = 1_000
/** DNS of strangers may be slow; senders wait minutes for the reply to a letter (RFC 5321 section 4.5.3.2.6). */
const AUTHENTICATION_MS = 20_000
/** Rules where there is no pool: nothing is found that they could speak of. */
const NO_POOL = FilterConfig.parse({ host: 'none' })

/** @returns Null: letters are neither shown to a filter nor authenticated. */
export function createLetterFilter(
  config: EdgeConfig,
  options: {
    readonly resolve: ManyResolver
    readonly tls: () => TlsMaterial
    readonly clock: Clock
    readonly random: Random
    readonly logger: Logger
    readonly metrics: EdgeMetrics
  },
): LetterFilter | null {
  const { clock, random, logger, metrics } = options
  const off = config.authentication === 'off'
  if (config.filter === null && off) return null
  const { required, onVirus, onAttachment, onImage, onFailure, level, allow, deny } = config.filter ?? NO_POOL
  const authenticator = off
    ? null
    : new Authenticator({
        resolver: openResolver(config, clock, random, () => options.tls().ca),
        hostname: config.hostname,
        clock,
        logger,
        timeoutMs: AUTHENTICATION_MS,
      })
  return new LetterFilter({
    pool: config.filter === null ? null : createPool(config.filter, options),
    authenticator,
    enforceDmarc: config.authentication === 'enforce',
    rules: { required: new Set(required), onVirus, onAttachment, onImage },
    onFailure,
    system: { level, allow, deny },
    clock,
    logger,
    metrics,
  })
}

function createPool(
  { name, host, port, tls: secured, patienceMs }: FilterConfig,
  { resolve, tls, clock, logger, metrics }: Parameters<typeof createLetterFilter>[1],
): FilterPool {
  return new FilterPool({
    name,
    endpoints: async () => (await resolve(host)).map((address) => ({ host: address, port })),
    tls: secured ? tls : null,
    patienceMs,
    connectMs: CONNECT_MS,
    clock,
    logger,
    metrics,
  })
}
