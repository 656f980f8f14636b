/** The container command of a sender: wiring only. */
import { getServers } from 'node:dns'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type NameServer, udpResolver } from '#lib/dns/udp-resolver.ts'
import { zoneFileResolver } from '#lib/dns/zone-file.ts'
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
import { SenderConfig } from './config.ts'
import { createSenderMetrics } from './metrics.ts'
import { routeTo } from './remote-route.ts'
import { Sender } from './sender.ts'

const TLS_LOOK_MS = 10_000
const DNS_PORT = 53

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

/** As `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`. */
function nameServer(text: string): NameServer {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT }
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? []
  return { address: bracketed ?? plain ?? text, port: Number(port ?? DNS_PORT) }
}

const resolver =
  config.zoneFile === null
    ? udpResolver({
        servers: (config.dnsServers?.split(',').map((one) => one.trim()) ?? getServers()).map(nameServer),
        trustAd: false, // until a validating resolver comes with the chart
        clock: nodeClock,
        random: nodeRandom,
      })
    : zoneFileResolver(config.zoneFile)
const routeOptions = {
  resolver,
  random: nodeRandom,
  ownNames: new Set([config.hostname]),
  port: config.remotePort,
}

const registry = createRegistry('sender')
const sender: Sender = new Sender({
  shards: Array.from({ length: config.shards }, (_, index) => toShardName(`${config.mailNode}/${index}`)),
  router,
  directory,
  route: (domain) => routeTo(domain, routeOptions),
  connection: {
    hostname: config.hostname,
    tls: config.tls,
    localAddress: config.egressAddress,
    clock: nodeClock,
  },
  lettersMax: config.lettersMax,
  clock: nodeClock,
  logger,
  metrics: createSenderMetrics(registry, () => sender),
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
  stopWatching()
  router.close()
  await directory.close()
  probes.close()
  logger.info('sender stopped')
})
