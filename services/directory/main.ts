/** Wiring of the embedded directory: configuration, store, LDAP over TLS, metrics, clean stop. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '#lib/log/logger.ts'
import { Counter, createRegistry, Gauge, Histogram, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { readTlsMaterial, watchTlsMaterial } from '#lib/tls/material.ts'
import { parseCredentials } from './access.ts'
import { DirectoryConfig } from './config.ts'
import { createLdapServer } from './ldap-server.ts'
import { DirectoryStore } from './store.ts'
import { ensureTree } from './tree.ts'

const TLS_LOOK_MS = 60_000

const config = configure('directory', DirectoryConfig)
const logger = createLogger(config.logLevel, { service: 'directory' })
exitOnBug(logger)

const registry = createRegistry('directory')
const requests = new Counter({
  name: 'twinpost_directory_requests_total',
  help: 'LDAP requests by operation and result.',
  labelNames: ['operation', 'result'],
  registers: [registry],
})
const seconds = new Histogram({
  name: 'twinpost_directory_request_seconds',
  help: 'Time to answer an LDAP request.',
  labelNames: ['operation'],
  buckets: [0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2],
  registers: [registry],
})

mkdirSync(config.dataDir, { recursive: true })
const store = new DirectoryStore(join(config.dataDir, 'directory.sqlite'), config.baseDn)
ensureTree(store, config.baseDn)

const server = createLdapServer({
  store,
  baseDn: config.baseDn,
  credentials: parseCredentials(readFileSync(config.credentialsFile, 'utf8')),
  tls: readTlsMaterial(config.tlsDir),
  clock: nodeClock,
  logger,
  observe(operation, result, took) {
    requests.inc({ operation, result })
    seconds.observe({ operation }, took)
  },
})
new Gauge({
  name: 'twinpost_directory_connections',
  help: 'Open LDAP connections.',
  registers: [registry],
  collect() {
    this.set(server.connectionCount)
  },
})
new Gauge({
  name: 'twinpost_directory_entries',
  help: 'Entries in the tree.',
  registers: [registry],
  collect() {
    this.set(store.entryCount)
  },
})

let notReady: string | null = 'starting'
const metrics = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => notReady,
})
await server.listen(config.port, config.listenHost)
notReady = null
logger.info({ host: config.listenHost, port: config.port, entries: store.entryCount }, 'directory listens')

const unwatch = watchTlsMaterial(
  config.tlsDir,
  nodeClock,
  TLS_LOOK_MS,
  (material) => server.renew(material),
  (err) => logger.warn({ err }, 'cannot read the new certificate'),
)

stopOnSignal(logger, config.stopSeconds * 1000, async (signal) => {
  logger.info({ signal }, 'directory stops')
  notReady = 'stopping'
  unwatch()
  await server.close()
  store.close()
  metrics.close()
})
