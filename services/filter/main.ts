/** Wiring of a filter: engines, the milter port, metrics, clean stop. */
import { createLogger } from '#lib/log/logger.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { readTlsMaterial, watchTlsMaterial } from '#lib/tls/material.ts'
import { FilterConfig } from './config.ts'
import { buildEngine } from './engines/build.ts'
import { TLS_LOOK_MS } from './limits.ts'
import { Memory } from './memory.ts'
import { createFilterMetrics } from './metrics.ts'
import { FilterListener } from './milter/listener.ts'
import { Scanner } from './scan/scanner.ts'

const config = configure('filter', FilterConfig)
const logger = createLogger(config.logLevel, { service: 'filter', pod: config.pod })
exitOnBug(logger)

const registry = createRegistry('filter')
const metrics = createFilterMetrics(registry)
const memory = new Memory(config.memoryBytesMax)
metrics.watchMemory(() => memory.used)
const scanner = new Scanner({ engines: config.engines.map(buildEngine), clock: nodeClock, logger, metrics })
const listener = new FilterListener({
  host: config.listenHost,
  port: config.port,
  tls: config.tlsDir === null ? null : readTlsMaterial(config.tlsDir),
  connectionsMax: config.connectionsMax,
  letterBytesMax: config.letterBytesMax,
  scan: (letter) => scanner.scan(letter),
  memory,
  clock: nodeClock,
  logger,
  metrics,
})
const stopWatching =
  config.tlsDir === null
    ? () => {}
    : watchTlsMaterial(
        config.tlsDir,
        nodeClock,
        TLS_LOOK_MS,
        (material) => listener.renew(material),
        (err) => logger.warn({ err }, 'cannot read the certificate'),
      )

let stopping = false
await listener.listen()
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => (stopping ? 'stopping' : null),
})
logger.info(
  {
    host: config.listenHost,
    port: config.port,
    metricsPort: config.metricsPort,
    engines: config.engines.map(({ name }) => name),
  },
  'filter started',
)

stopOnSignal(logger, config.stopSeconds * 1000, async (signal) => {
  logger.info({ signal }, 'filter stops')
  stopping = true
  stopWatching()
  await listener.close()
  probes.close()
})
