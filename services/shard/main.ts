/** The container command of one shard replica: wiring only. */
import { existsSync, readFileSync } from 'node:fs'
import { replicaAddress, SHARD_PORT_BASE, shardSocketPath } from '#lib/link/address.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { listenLinks } from '#lib/link/server.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { createLogger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createManyResolver, createResolver } from '#lib/platform/resolver.ts'
import { readTlsMaterial, watchTlsMaterial } from '#lib/tls/material.ts'
import { createBackupMetrics } from './backup/metrics.ts'
import { backupTarget } from './backup/replica-backup.ts'
import { ShardConfig } from './config.ts'
import { followFenceWish } from './fence-wish.ts'
import { createPoolTeacher } from './learning/pool-teacher.ts'
import { openLedger } from './ledger/open-ledger.ts'
import { SqliteLock } from './log/sqlite-lock.ts'
import { createShardMetrics } from './metrics.ts'
import { linkPeers } from './move/link-peers.ts'
import { createMoveMetrics } from './move/metrics.ts'
import { createQuarantineMetrics } from './quarantine/metrics.ts'
import { createQueueMetrics } from './queue/metrics.ts'
import { Replica } from './replica.ts'
import { LinkNetwork } from './replication/link-network.ts'
import { serveStream } from './server/streams.ts'
import { createSessionHost } from './sessions/host.ts'

const TLS_LOOK_MS = 10_000
/** Of the time for a clean stop; the rest is for closing. */
const HANDOVER_SHARE = 0.5
const EXIT_FAILED = 75 // EX_TEMPFAIL: the supervisor starts a new process life

const config = configure('shard', ShardConfig)
const shard = toShardName(`${config.mailNode}/${config.shardIndex}`)
const logger = createLogger(config.logLevel, { service: 'shard', pod: config.pod, shard })
exitOnBug(logger)

const folder = `shard-${config.shardIndex}`
const member = Number(config.pod.at(-1))
const peerMember = 1 - member
const resolve = createResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null)
const dialer = () => createDialer({ tls: () => readTlsMaterial(config.tlsDir), resolve, clock: nodeClock })
const network = new LinkNetwork({
  shard,
  pod: config.pod,
  peer: replicaAddress({ hostPattern: config.shardHostPattern, pod: null, socketDir: null }, shard, peerMember),
  dialers: { data: dialer(), beacon: dialer(), bulk: dialer() },
  clock: nodeClock,
  onBroken: (reason) => turnedAway({ reason }, 'replication channel closed'),
})
const moveRouter = createShardRouter({
  dialer: dialer(),
  // Never the unix socket of a shard in this pod: a move is between members, and says so by its certificate.
  addressing: { hostPattern: config.shardHostPattern, pod: null, socketDir: null },
  clock: nodeClock,
  caller: `member ${config.pod}`,
})
const { learnHost } = config
const replica = new Replica({
  shard,
  member,
  pod: config.pod,
  podUid: config.podUid,
  disk: new NodeDisk(config.dataDir),
  diskRoot: config.dataDir,
  folder,
  lock: new SqliteLock(config.dataDir),
  ledger: openLedger(config, nodeClock, process.env),
  network,
  clock: nodeClock,
  random: nodeRandom,
  logger,
  durability: {
    inbound:
      config.durabilityInbound === 'preferred'
        ? { mode: 'preferred' }
        : {
            mode: 'required',
            degradedAfterMs: config.degradedAfterSeconds < 0 ? 'never' : config.degradedAfterSeconds * 1_000,
          },
    users: config.durabilityUsers,
  },
  messageBytesMax: config.messageBytesMax,
  hostname: config.hostname,
  teacher:
    learnHost === null
      ? null
      : createPoolTeacher({
          host: learnHost,
          port: config.learnPort,
          resolve: createManyResolver(process.env['TWINPOST_HOSTS_FILE'] ?? null),
          tls: () => readTlsMaterial(config.tlsDir),
          logger,
          told: (outcome) => metrics.lessons.inc({ outcome }),
        }),
  backup: backupTarget(config, nodeRandom),
  quarantineMs: config.quarantineSeconds * 1_000,
  quarantineDigests: config.quarantineDigests,
  expungedRetentionMs: config.expungedRetentionSeconds * 1_000,
  movePeers: linkPeers(moveRouter),
  giveBackAfterMs: config.giveBackAfterSeconds < 0 ? null : config.giveBackAfterSeconds * 1_000,
  onPeerRefused: () => metrics.brokenStreams.inc(),
  onFailure: () => {
    nodeClock.after(100, () => process.exit(EXIT_FAILED)) // let refusals and the log line out
  },
})

function turnedAway(facts: Readonly<Record<string, unknown>>, message: string): void {
  metrics.brokenStreams.inc()
  logger.warn(facts, message)
}

const registry = createRegistry('shard')
const metrics = createShardMetrics(
  registry,
  () => replica.status(),
  () => replica.upkeepCounts,
  () => replica.textIndexLsn,
)
createQueueMetrics(registry, () => replica.queue, nodeClock)
createQuarantineMetrics(registry, () => replica.quarantine)
createMoveMetrics(registry, () => replica.moves)
createBackupMetrics(registry, () => replica.backup)
const openSession = createSessionHost({
  served: replica,
  clock: nodeClock,
  logger,
  metrics,
  sessionsMax: config.sessionsMax,
})
const context = {
  served: replica,
  clock: nodeClock,
  logger,
  metrics,
  openSession,
  peerPod: `${config.mailNode}-${peerMember}`,
  openReplica: network.take.bind(network),
}
const links = await listenLinks({
  unix: {
    path: shardSocketPath(config.socketDir, shard),
    identity: { role: 'edge', owner: config.pod },
  },
  tls: { host: config.listenHost, port: SHARD_PORT_BASE + config.shardIndex, material: readTlsMaterial(config.tlsDir) },
  clock: nodeClock,
  onStream: (stream, peer) => serveStream(stream, peer, context),
  onRejected: (reason, remoteAddress) => turnedAway({ reason, remoteAddress }, 'connection turned away'),
})
const stopWatching = watchTlsMaterial(
  config.tlsDir,
  nodeClock,
  TLS_LOOK_MS,
  (material) => links.renew(material),
  (err) => logger.warn({ err }, 'certificate could not be read again'),
)
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => (replica.settled ? null : replica.phase),
})

const { fenceFile } = config
const stopFollowing =
  fenceFile === null
    ? () => {}
    : followFenceWish({
        read: () => (existsSync(fenceFile) ? readFileSync(fenceFile, 'utf8') : null),
        command: (command) => replica.command(command),
        clock: nodeClock,
        logger,
      })

stopOnSignal(logger, config.stopSeconds * 1_000, async (signal) => {
  logger.info({ signal }, 'stopping')
  stopWatching()
  stopFollowing()
  await replica.retire('Server is shutting down', config.stopSeconds * HANDOVER_SHARE * 1_000)
  network.close()
  moveRouter.close()
  await links.close()
  probes.close()
})

await replica.start()
