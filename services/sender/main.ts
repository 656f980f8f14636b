/** The container command of a sender: wiring only. */
import { readFileSync } from 'node:fs'
import { type Sealing, sealingOf } from '#lib/directory/domain-sending.ts'
import { openResolver } from '#lib/dns/from-settings.ts'
import { openDirectory } from '#lib/ldap/client.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { createLogger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { readTlsMaterial, watchTlsMaterial } from '#lib/tls/material.ts'
import { TlsReports } from '#lib/tls-policy/tls-report.ts'
import { SenderConfig } from './config.ts'
import { LetterSigner } from './letter-signer.ts'
import { SEAL_KEPT_MS } from './limits.ts'
import { createSenderMetrics, type SenderMetrics } from './metrics.ts'
import { createPolicyFetch } from './policy-fetch.ts'
import { routeTo, routeVia } from './remote-route.ts'
import { Sender } from './sender.ts'
import { StsPolicies } from './sts-policies.ts'

const TLS_LOOK_MS = 10_000
const HTTPS_PORT = 443

const config = configure('sender', SenderConfig)
const logger = createLogger(config.logLevel, { service: 'sender', pod: config.pod })
exitOnBug(logger)

const resolve = createResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null)
let material = readTlsMaterial(config.tlsDir)
const tls = () => material
const directory = openDirectory({
  url: config.directoryUrl,
  baseDn: config.baseDn,
  service: 'edge',
  password: readFileSync(config.directoryPasswordFile, 'utf8').trim(),
  tls: () => ({ ca: config.directoryCaFile === null ? material.ca : readFileSync(config.directoryCaFile, 'utf8') }),
  resolve,
  clock: nodeClock,
  random: nodeRandom,
})
const router = createShardRouter({
  dialer: createDialer({ tls, resolve, clock: nodeClock }),
  addressing: { hostPattern: config.shardHostPattern, pod: config.pod, socketDir: config.socketDir },
  clock: nodeClock,
  caller: `sender ${config.pod}`,
})

const resolver = openResolver(config, nodeClock, nodeRandom, () => material.ca)
/** Authorities of other people's servers. */
const trusted = config.remoteCaFile === null ? null : readFileSync(config.remoteCaFile, 'utf8')
const routeOptions = {
  resolver,
  random: nodeRandom,
  ownNames: new Set([config.hostname]),
  port: config.remotePort,
  policies:
    config.tls === 'never'
      ? null
      : new StsPolicies({
          resolver,
          fetch: createPolicyFetch({ resolver, clock: nodeClock, port: HTTPS_PORT, ca: trusted }),
          clock: nodeClock,
          logger,
        }),
}
const tlsReports = new TlsReports(nodeClock, (reports) => {
  const failing = reports.filter(({ policies: [one] }) => (one?.summary['total-failure-session-count'] ?? 0) > 0)
  for (const report of failing) logger.info({ report }, 'TLS with a domain failed on this day')
})

const registry = createRegistry('sender')
let seal: { readonly sealing: Sealing | null; readonly untilMs: number } | null = null
const sealing = () => {
  const nowMs = nodeClock.monotonicMs()
  if (config.sealFile === null) return null
  if (seal === null || seal.untilMs < nowMs) {
    seal = { sealing: sealingOf(readFileSync(config.sealFile, 'utf8')), untilMs: nowMs + SEAL_KEPT_MS }
  }
  return seal.sealing
}
const metrics: SenderMetrics = createSenderMetrics(registry, () => sender)
const sender: Sender = new Sender({
  signer: new LetterSigner({ directory, sealing, clock: nodeClock, metrics }),
  shards: Array.from({ length: config.shards }, (_, index) => toShardName(`${config.mailNode}/${index}`)),
  router,
  directory,
  route: (domain) => routeTo(domain, routeOptions),
  routeVia: (smarthost) => routeVia(smarthost, resolver),
  connection: {
    hostname: config.hostname,
    tls: config.tls,
    localAddress: config.egressAddress,
    ca: trusted,
    clock: nodeClock,
  },
  tlsReports,
  lettersMax: config.lettersMax,
  clock: nodeClock,
  logger,
  metrics,
})

const stopWatching = watchTlsMaterial(
  config.tlsDir,
  nodeClock,
  TLS_LOOK_MS,
  (renewed) => {
    material = renewed
  },
  (err) => logger.warn({ err }, 'cannot read new certificates'),
)
let stopping = false
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => (stopping ? 'stopping' : null),
})
sender.start()
logger.info({ shards: config.shards, dns: config.zoneFile ?? config.dnsServers ?? 'system' }, 'sender works')

stopOnSignal(logger, (config.stopSeconds + 4) * 1_000, async () => {
  stopping = true
  await sender.stop(config.stopSeconds * 1_000)
  tlsReports.end()
  stopWatching()
  router.close()
  await directory.close()
  probes.close()
  logger.info('sender stopped')
})
