/** The container command of an edge: wiring only. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openResolver } from '#lib/dns/from-settings.ts'
import { connectNats } from '#lib/events/nats.ts'
import { createEventPublisher } from '#lib/events/publisher.ts'
import { openDirectory } from '#lib/ldap/client.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { createLogger } from '#lib/log/logger.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createManyResolver, createResolver } from '#lib/platform/resolver.ts'
import { readServerCertificate, readTlsMaterial, watchCertificate, watchTlsMaterial } from '#lib/tls/material.ts'
import { loginAudit } from './auth/login-audit.ts'
import { OidcVerifier } from './auth/oidc.ts'
import { EdgeConfig } from './config.ts'
import { Edge } from './edge.ts'
import { createLetterFilter } from './filter/create.ts'
import { TLS_LOOK_MS } from './limits.ts'
import { createEdgeMetrics } from './metrics.ts'
import { followNews } from './news.ts'
import { ClientPolicy } from './policy/client-policy.ts'

const config = configure('edge', EdgeConfig)
const logger = createLogger(config.logLevel, { service: 'edge', pod: config.pod })
exitOnBug(logger)

const resolve = createResolver(process.env.TWINPOST_HOSTS_FILE ?? null)
let internalTls = readTlsMaterial(config.tlsDir)
const tls = () => internalTls
const registry = createRegistry('edge')
const caFile = join(config.tlsDir, 'ca.crt')
const directory = openDirectory({
  url: config.directoryUrl,
  baseDn: config.baseDn,
  service: 'edge',
  password: readFileSync(config.directoryPasswordFile, 'utf8').trim(),
  tls: () => ({ ca: readFileSync(config.directoryCaFile ?? caFile, 'utf8') }),
  resolve,
  clock: nodeClock,
  random: nodeRandom,
})
const router = createShardRouter({
  dialer: createDialer({ tls, resolve, clock: nodeClock }),
  addressing: { hostPattern: config.shardHostPattern, pod: config.pod, socketDir: config.socketDir },
  clock: nodeClock,
  caller: `edge ${config.pod}`,
})
const metrics = createEdgeMetrics(registry)
const resolveAll = createManyResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null)
const policy =
  config.clientPolicy === null
    ? null
    : new ClientPolicy({
        config: config.clientPolicy,
        hostname: config.hostname,
        resolver: openResolver(config, nodeClock, nodeRandom, () => tls().ca),
        clock: nodeClock,
        metrics,
      })
const filter = createLetterFilter(config, {
  resolve: resolveAll,
  tls,
  clock: nodeClock,
  random: nodeRandom,
  logger,
  metrics,
})
const { oidcIssuer, oidcAudience, oidcAddressClaim } = config
const tokens =
  oidcIssuer === null
    ? null
    : new OidcVerifier({ issuer: oidcIssuer, audience: oidcAudience, addressClaim: oidcAddressClaim, clock: nodeClock })
const { natsUrl, natsPasswordFile } = config
const nats =
  natsUrl === null || natsPasswordFile === null
    ? null
    : connectNats({
        url: natsUrl,
        user: 'edge',
        passwordFile: natsPasswordFile,
        caFile: config.natsCaFile ?? caFile,
        name: `edge ${config.pod}`,
        resolve,
        clock: nodeClock,
        logger,
      })
const events =
  nats && createEventPublisher(nats, { source: `edge ${config.pod}`, clock: nodeClock, random: nodeRandom })
const edge = new Edge({
  policy,
  ...(tokens && { tokens }),
  ...(events && { onLogin: loginAudit(events) }),
  config,
  directory,
  router,
  filter,
  publicTls: readServerCertificate(config.publicTlsDir),
  clock: nodeClock,
  random: nodeRandom,
  logger,
  metrics,
})

if (nats) {
  followNews(nats, {
    directory,
    endSessions(account, text) {
      const ended = edge.endSessions(account, text)
      if (ended > 0) logger.info({ account, ended, reason: text }, 'sessions ended by news')
    },
  })
}

const failed = (err: unknown) => logger.warn({ err }, 'cannot read new certificates')
const stopWatching = [
  watchCertificate(
    config.publicTlsDir,
    nodeClock,
    TLS_LOOK_MS,
    () => edge.renewTls(readServerCertificate(config.publicTlsDir)),
    failed,
  ),
  watchTlsMaterial(
    config.tlsDir,
    nodeClock,
    TLS_LOOK_MS,
    (material) => {
      internalTls = material
    },
    failed,
  ),
]

let listening = false
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => (edge.stopping ? 'stopping' : listening ? null : 'starting'),
})
await edge.listen()
listening = true
logger.info({ host: config.listenHost, service: config.serviceAddress }, 'edge listens')

// One second more than the edge gives its letters: the rest is quick.
stopOnSignal(logger, (config.stopSeconds + 1) * 1000, async () => {
  await edge.stop()
  filter?.close()
  for (const stop of stopWatching) stop()
  router.close()
  events?.close()
  await Promise.all([directory.close(), nats?.close()])
  probes.close()
  logger.info('edge stopped')
})
