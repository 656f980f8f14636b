/**
 * The operator in a cluster: wiring only. Finds the API server (kubeconfig or service account), keeps caches warm, takes part in the
 * election, and lets the queue work while it leads. One that loses the Lease ends: a new process begins without anything half done.
 * Read next: runtime/ (watches, queue, election), kubernetes/mail-node-controller.ts (what one look does), controllers/ (what is
 * rendered).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { createLogger } from '#lib/log/logger.ts'
import { createRegistry, serveMetrics } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { ClusterCaches } from './cluster/kubernetes/cluster-caches.ts'
import { PODS } from './cluster/kubernetes/kinds.ts'
import { KubernetesCluster } from './cluster/kubernetes/kubernetes-cluster.ts'
import { DIRECTORY } from './controllers/array/build.ts'
import { CLUSTER_SERVICES } from './controllers/array/cluster-services.ts'
import { type ArrayContext, selectorOf } from './controllers/array-context.ts'
import { generateDkimKeys } from './controllers/domain/generate-keys.ts'
import { FILTER_PROGRAM } from './controllers/filterpool/build.ts'
import { openArrayAccess } from './kubernetes/array-access.ts'
import { createArrayController } from './kubernetes/array-controller.ts'
import { openAuthority } from './kubernetes/authority.ts'
import { KubernetesOperatorConfig } from './kubernetes/config.ts'
import { createMailNodeController, MAIL_NODES, mailNodeOf, mailNodesAsking } from './kubernetes/mail-node-controller.ts'
import { createResourceLoops } from './kubernetes/resource-loops.ts'
import type { KeyPair } from './pki/certificates.ts'
import { createApiClient } from './runtime/api-client.ts'
import { askedWaitMs } from './runtime/api-error.ts'
import { openConnection } from './runtime/connection.ts'
import { ELECTION_TIMES } from './runtime/election-state.ts'
import { Elector } from './runtime/elector.ts'
import { EventRecorder } from './runtime/event-recorder.ts'
import { createRuntimeMetrics } from './runtime/metrics.ts'
import { Reflector, sumOfCounts, whyStale } from './runtime/reflector.ts'
import { createTxtLookup } from './runtime/txt-lookup.ts'
import { WorkQueue } from './runtime/work-queue.ts'

/** Key of the queue for what an array has once; those of resources have a slash. */
const ARRAY = 'array'
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
    const synced = [mailNodes.synced, directoryPods?.synced, caches.synced(), ...loops.all.map((loop) => loop.synced)]
    Promise.all(synced).then(() => {
      queue.start()
      loops.lead()
    }, exitWith)
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
const mailNodes = new Reflector({ ...watched, type: MAIL_NODES, changed: resourceChanged })
function resourceChanged(key: string): void {
  queue.add(key)
  queue.add(ARRAY) // shards of the directory
}
/** OpenLDAP's pods come with the chart and do not carry our label. */
const directoryPods = config.directoryPods
  ? new Reflector({
      ...watched,
      namespace: config.namespace,
      type: PODS,
      selection: { labels: selectorOf(DIRECTORY, CLUSTER_SERVICES.directory) },
      changed: () => queue.add(ARRAY),
    })
  : null
const recorder = new EventRecorder({
  client: writer,
  controller: 'twinpost.io/operator',
  instance: config.pod,
  clock: nodeClock,
  random: nodeRandom,
  failed: (err) => logger.warn({ err }, 'an event could not be written'),
})

let opened: Promise<KeyPair> | null = null
function authority(): Promise<KeyPair> {
  const options = { client: writer, namespace: config.namespace, clock: nodeClock, random: nodeRandom }
  opened ??= openAuthority(options).catch((error: unknown) => {
    opened = null
    throw error
  })
  return opened
}
const contextFor = (namespace: string): ArrayContext => ({
  namespace,
  image: config.image,
  mailHostname: config.mailHostname,
  outside: null,
  baseDn: config.baseDn,
  directoryUrl: config.directoryUrl,
  natsUrl: config.natsUrl,
  publicCertificateSecret: config.publicCertificateSecret,
  postmaster: config.postmaster,
  ledger: { kind: 'lease' },
  serviceAddress: null,
  otherAuthorities: config.otherAuthorities,
  imagePullSecrets: config.imagePullSecrets,
  ...(config.dnsServers === null ? {} : { dnsServers: config.dnsServers }),
  logLevel: config.logLevel,
})
const cluster = new KubernetesCluster({ client: writer, caches, clock: nodeClock })
const access = openArrayAccess({
  client: writer,
  namespace: config.namespace,
  authority,
  directoryUrl: config.directoryWriterUrl ?? config.directoryUrl,
  baseDn: config.baseDn,
  natsUrl: config.natsUrl,
  otherAuthorities: config.otherAuthorities,
  clock: nodeClock,
  random: nodeRandom,
  logger,
})
const reconcileArray = createArrayController({
  client: writer,
  cluster,
  caches,
  directoryPods: directoryPods?.cache ?? null,
  mailNodes: mailNodes.cache,
  directory: access.directory,
  authority,
  context: contextFor(config.namespace),
  ownPublicCertificate: config.ownPublicCertificate,
  clock: nodeClock,
  random: nodeRandom,
  logger,
})
const loops = createResourceLoops({
  reader,
  writer,
  cluster,
  caches,
  watchNamespace: config.watchNamespace,
  workers: config.workers,
  authority,
  contextFor,
  mailHostname: config.mailHostname,
  directory: access.directory,
  domainChanged: access.domainChanged,
  lookupTxt: createTxtLookup(),
  makeKeys: generateDkimKeys,
  sealing: access.sealing,
  // The services come in the operator's own image.
  imageHasFilter: existsSync(join(import.meta.dirname, '..', FILTER_PROGRAM)),
  poolChanged(key) {
    for (const asking of mailNodesAsking(key, mailNodes.cache)) queue.add(asking)
  },
  recorder,
  reconciled: (outcome) => metrics.reconciled(outcome),
  watchFailed,
  clock: nodeClock,
  random: nodeRandom,
  logger,
})
const reconcile = createMailNodeController({
  client: writer,
  cluster,
  caches,
  mailNodes: mailNodes.cache,
  filterPools: loops.filterPools,
  authority,
  contextFor,
  recorder,
  clock: nodeClock,
  random: nodeRandom,
  logger,
})
const registry = createRegistry('operator')
const metrics = createRuntimeMetrics(registry, () => ({
  leading: elector.leading,
  depth: sum([queue, ...loops.all.map((loop) => loop.queue)].map(({ depth }) => depth)),
  failing: sum([queue, ...loops.all.map((loop) => loop.queue)].map(({ failing }) => failing)),
  lostEvents: recorder.lost,
  counts: sumOfCounts([
    mailNodes.counts,
    ...(directoryPods ? [directoryPods.counts] : []),
    ...loops.all.map((loop) => loop.counts),
    ...caches.counts(),
  ]),
}))
const queue = new WorkQueue({
  async work(key) {
    try {
      const againMs = key === ARRAY ? await reconcileArray() : await reconcile(key)
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
  else if (object.metadata.namespace === config.namespace) queue.add(ARRAY)
})
queue.add(ARRAY)

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function exitWith(err: unknown): void {
  logger.error({ err }, 'operator ends')
  nodeClock.after(100, () => process.exit(EXIT_FAILED)) // let the log line out
}

mailNodes.start()
directoryPods?.start()
loops.start()
caches.start()
elector.start()
const probes = await serveMetrics({
  registry,
  host: config.listenHost,
  port: config.metricsPort,
  ready: () =>
    whyStale(mailNodes, MAIL_NODES, STALE_MS) ??
    caches.whyStale(STALE_MS) ??
    loops.all.map((loop) => loop.whyStale(STALE_MS)).find((reason) => reason !== null) ??
    null,
})
logger.info({ namespace: config.watchNamespace ?? 'all' }, 'operator runs')

stopOnSignal(logger, config.stopSeconds * 1_000, async (signal) => {
  logger.info({ signal }, 'operator stops')
  await Promise.all([queue.stop(), loops.rest()])
  await recorder.flush()
  await elector.stop() // last of all that writes: from here on another one leads
  await Promise.all([mailNodes.stop(), directoryPods?.stop(), caches.stop(), loops.stop(), access.close()])
  await connection.close()
  probes.close()
  logger.info('operator stopped')
})
