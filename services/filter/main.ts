/** Wiring of a filter: engines, the milter port, metrics, clean stop. */
import { createLogger } from '#lib/log/logger.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createManyResolver } from '#lib/platform/resolver.ts'
import { readTlsMaterial, watchTlsMaterial } from '#lib/tls/material.ts'
import { BayesMemory } from './bayes/memory.ts'
import { FilterConfig } from './config.ts'
import { buildEngine } from './engines/build.ts'
import { MemoryKeeper } from './learning/keeper.ts'
import { LearningRequests } from './learning/requests.ts'
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
const learned = new BayesMemory(config.learnedSignsLog2)
const learns = config.engines.some(({ kind }) => kind === 'bayes')
const engines = config.engines.map((engine) => buildEngine(engine, learned))
const scanner = new Scanner({ engines, clock: nodeClock, logger, metrics })
const lessons = new LearningRequests({ memory: learns ? learned : null, logger, metrics })
const tls = config.tlsDir === null ? null : readTlsMaterial(config.tlsDir)
const resolvePeers = createManyResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null)
const { peersHost } = config
const keeper = learns
  ? new MemoryKeeper({
      memory: learned,
      file: config.learnedFile,
      peers: peersHost === null ? null : () => resolvePeers(peersHost),
      ownAddress: config.listenHost,
      port: config.port,
      tls,
      clock: nodeClock,
      logger,
    })
  : null
const listener = new FilterListener({
  host: config.listenHost,
  port: config.port,
  tls,
  others: (socket) => lessons.accept(socket),
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
await keeper?.begin()
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
  lessons.close()
  keeper?.stop()
  probes.close()
})
