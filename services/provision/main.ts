/** Wiring of provisioning: directory, NATS, links to shards, the command queue, metrics, clean stop. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectNats } from '#lib/events/nats.ts'
import { createEventPublisher } from '#lib/events/publisher.ts'
import { startWorkQueue, type WorkQueue } from '#lib/events/work-queue.ts'
import { openDirectoryAdmin } from '#lib/ldap/admin.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { createLogger } from '#lib/log/logger.ts'
import { Counter, createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { readTlsMaterial } from '#lib/tls/material.ts'
import { ProvisionConfig } from './config.ts'
import { Expiry } from './expiry.ts'
import { CommandHandler } from './handler.ts'
import { PROBE_EVERY_MS } from './limits.ts'
import { createShards } from './shard-accounts.ts'

const config = configure('provision', ProvisionConfig)
const logger = createLogger(config.logLevel, { service: 'provision', pod: config.pod })
exitOnBug(logger)

const registry = createRegistry('provision')
const commands = new Counter({
  name: 'twinpost_provision_commands_total',
  help: 'Provisioning commands by kind and ending; one that waits counts at each try.',
  labelNames: ['kind', 'ending'],
  registers: [registry],
})

const resolve = createResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null)
const tls = () => readTlsMaterial(config.tlsDir)
const caFile = join(config.tlsDir, 'ca.crt')
const directory = openDirectoryAdmin({
  url: config.directoryUrl,
  baseDn: config.baseDn,
  service: 'provision',
  password: readFileSync(config.directoryPasswordFile, 'utf8').trim(),
  tls: () => ({ ca: readFileSync(config.directoryCaFile ?? caFile, 'utf8') }),
  resolve,
})
const router = createShardRouter({
  dialer: createDialer({ tls, resolve, clock: nodeClock }),
  addressing: { hostPattern: config.shardHostPattern, pod: null, socketDir: null },
  clock: nodeClock,
  caller: `provision ${config.pod}`,
})
const link = connectNats({
  url: config.natsUrl,
  user: 'provision',
  passwordFile: config.natsPasswordFile,
  caFile: config.natsCaFile ?? caFile,
  name: `provision ${config.pod}`,
  resolve,
  clock: nodeClock,
  logger,
})
const events = createEventPublisher(link, { source: 'provision', clock: nodeClock, random: nodeRandom })

const handler = new CommandHandler({
  ports: {
    accounts: directory,
    shards: createShards(router, config.shardPatienceMs),
    events,
    storedResult: (commandId) => queue.result(commandId),
    random: nodeRandom,
  },
  clock: nodeClock,
  logger,
  ended: (kind, ending) => commands.inc({ kind, ending }),
})
const queue: WorkQueue = startWorkQueue({
  link,
  replicas: config.natsReplicas,
  clock: nodeClock,
  logger,
  handle: (delivery) => handler.handle(delivery),
})

const expiry = new Expiry({
  ports: { accounts: directory },
  clock: nodeClock,
  logger,
  expire: (account) => handler.expire(account),
})

let directoryProblem: string | null = 'the directory was not asked yet'
let stopping = false
function probe(): void {
  directory
    .probe()
    .then(
      () => {
        directoryProblem = null
      },
      (error: unknown) => {
        directoryProblem = String(error)
      },
    )
    .finally(() => {
      if (!stopping) nodeClock.after(directoryProblem === null ? PROBE_EVERY_MS : PROBE_EVERY_MS / 10, probe)
    })
}
probe()

const metrics = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => {
    if (stopping) return 'stopping'
    return directoryProblem ?? (queue.working ? null : 'commands are not being consumed')
  },
})
logger.info({ host: config.listenHost, metricsPort: config.metricsPort }, 'provision started')

stopOnSignal(logger, config.stopSeconds * 1000, async (signal) => {
  logger.info({ signal }, 'provision stops')
  stopping = true
  await expiry.close()
  await queue.close()
  events.close()
  await link.close()
  router.close()
  await directory.close()
  metrics.close()
})
