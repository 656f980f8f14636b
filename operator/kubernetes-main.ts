/**
 * The operator in a cluster: wiring only. Finds the API server (kubeconfig or service account), keeps caches warm, takes part in the
 * election, and lets the queue work while it leads. One that loses the Lease ends: a new process begins without anything half done.
 * Read next: runtime/ (watches, queue, election), kubernetes/mail-node-controller.ts (what one look does), controllers/ (what is
 * rendered).
 */
import { KubeConfig } from '@kubernetes/client-node'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { createLogger } from '#lib/log/logger.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { ClusterCaches } from './cluster/kubernetes/cluster-caches.ts'
import { KubernetesCluster } from './cluster/kubernetes/kubernetes-cluster.ts'
import type { ArrayContext } from './controllers/array-context.ts'
import { openAuthority } from './kubernetes/authority.ts'
import { KubernetesOperatorConfig } from './kubernetes/config.ts'
import { createMailNodeController, MAIL_NODES, mailNodeOf } from './kubernetes/mail-node-controller.ts'
import type { KeyPair } from './pki/certificates.ts'
import { createApiClient } from './runtime/api-client.ts'
import { askedWaitMs } from './runtime/api-error.ts'
import { openConnection } from './runtime/connection.ts'
import { ELECTION_TIMES } from './runtime/election-state.ts'
import { Elector } from './runtime/elector.ts'
import { EventRecorder } from './runtime/event-recorder.ts'
import { createRuntimeMetrics } from './runtime/metrics.ts'
import { Reflector, sumOfCounts, whyStale } from './runtime/reflector.ts'
import { WorkQueue } from './runtime/work-queue.ts'

const ELECTION_LEASE = 'twinpost-operator'
/** An answer to a renewal must leave time for another try. */
const ELECTION_ANSWER_MS = ELECTION_TIMES.renewDeadlineMs / 3
const BACKOFF = { firstMs: 250, maxMs: 120_000 }
/** Twice what a watch without a word may last (REFLECTOR_TIMES). */
const STALE_MS = 240_000
const EXIT_FAILED = 75 // EX_TEMPFAIL: the kubelet starts a new process life

const config = configure('operator', KubernetesOperatorConfig)
const logger = createLogger(config.logLevel, { service: 'operator', pod: config.pod })
exitOnBug(logger)

const connection = openConnection({
  load() {
    const found = new KubeConfig()
    found.loadFromDefault()
    return found
  },
  clock: nodeClock,
  userAgent: 'twinpost-operator',
})
const reader = createApiClient({ connection })
const elector = new Elector({
  client: createApiClient({ connection, timeoutMs: ELECTION_ANSWER_MS }),
  namespace: config.namespace,
  name: ELECTION_LEASE,
  identity: `${config.pod}_${config.podUid}`,
  clock: nodeClock,
  started() {
    logger.info('this operator leads')
    // Before the caches are whole nothing is decided; then everything is looked at once.
    Promise.all([mailNodes.synced, caches.synced()]).then(() => queue.start(), exitWith)
  },
  lost(reason) {
    exitWith(new Error(`this operator leads no more: ${reason}`))
  },
  failed: (err) => logger.warn({ err }, 'the election could not be held'),
})
const writer = createApiClient({ connection, mayWrite: () => elector.leading })
const watchFailed = (err: unknown) => logger.warn({ err }, 'a watch failed and goes on')
const watched = {
  client: reader,
  namespace: config.watchNamespace,
  clock: nodeClock,
  random: nodeRandom,
  failed: watchFailed,
}
const caches = new ClusterCaches(watched)
const mailNodes = new Reflector({ ...watched, type: MAIL_NODES, changed: (key) => queue.add(key) })
const recorder = new EventRecorder({
  client: writer,
  controller: 'twinpost.io/operator',
  instance: config.pod,
  clock: nodeClock,
  random: nodeRandom,
  failed: (err) => logger.warn({ err }, 'an event could not be written'),
})

let authority: Promise<KeyPair> | null = null
const reconcile = createMailNodeController({
  client: writer,
  cluster: new KubernetesCluster({ client: writer, caches, clock: nodeClock }),
  caches,
  mailNodes: mailNodes.cache,
  authority() {
    authority ??= openAuthority({
      client: writer,
      namespace: config.namespace,
      clock: nodeClock,
      random: nodeRandom,
    }).catch((error: unknown) => {
      authority = null
      throw error
    })
    return authority
  },
  contextFor: (namespace): ArrayContext => ({
    namespace,
    image: config.image,
    mailHostname: config.mailHostname,
    baseDn: config.baseDn,
    directoryUrl: config.directoryUrl,
    natsUrl: config.natsUrl,
    publicCertificateSecret: config.publicCertificateSecret,
    postmaster: config.postmaster,
    ledger: { kind: 'lease' },
    serviceAddress: null,
    logLevel: config.logLevel,
  }),
  recorder,
  clock: nodeClock,
  random: nodeRandom,
  logger,
})
const registry = createRegistry('operator')
const metrics = createRuntimeMetrics(registry, () => ({
  leading: elector.leading,
  depth: queue.depth,
  failing: queue.failing,
  lostEvents: recorder.lost,
  counts: sumOfCounts([mailNodes.counts, ...caches.counts()]),
}))
const queue = new WorkQueue({
  async work(key) {
    try {
      const againMs = await reconcile(key)
      metrics.reconciled('ok')
      return againMs
    } catch (error) {
      metrics.reconciled(errorCode(error) ?? 'error')
      throw error
    }
  },
  clock: nodeClock,
  random: nodeRandom,
  workers: config.workers,
  backoff: BACKOFF,
  retryAfterMs: askedWaitMs,
  failed: (mailNode, error, retryMs) =>
    logger.warn({ mailNode, reason: errorMessage(error), code: errorCode(error), retryMs }, 'not done yet'),
})
caches.watch((object) => {
  const key = mailNodeOf(object)
  if (key !== null) queue.add(key)
})

function exitWith(err: unknown): void {
  logger.error({ err }, 'operator ends')
  nodeClock.after(100, () => process.exit(EXIT_FAILED)) // let the log line out
}

mailNodes.start()
caches.start()
elector.start()
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () => whyStale(mailNodes, MAIL_NODES, STALE_MS) ?? caches.whyStale(STALE_MS),
})
logger.info({ namespace: config.watchNamespace ?? 'all' }, 'operator runs')

stopOnSignal(logger, config.stopSeconds * 1_000, async (signal) => {
  logger.info({ signal }, 'operator stops')
  await queue.stop()
  await recorder.flush()
  await elector.stop() // last of all that writes: from here on another one leads
  await Promise.all([mailNodes.stop(), caches.stop()])
  await connection.close()
  probes.close()
  logger.info('operator stopped')
})
