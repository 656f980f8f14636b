/**
 * Domains and FilterPools from the watch to the work: wiring only. Each kind has a queue of its own, so that a directory that hangs
 * delays no MailNode and no pool.
 */
import type { Sealing } from '#lib/directory/domain-sending.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import type { ArrayContext } from '#operator/controllers/array-context.ts'
import { KeyWatch, type TxtLookup } from '#operator/controllers/domain/key-watch.ts'
import type { DkimKeyPair } from '#operator/controllers/domain/keys.ts'
import type { DomainDirectory } from '#operator/controllers/domain/reconcile.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { Backoff } from '#operator/runtime/backoff.ts'
import type { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { ResourceLoop } from '#operator/runtime/resource-loop.ts'
import { createDomainController, DOMAINS, domainOf, LEFT_BEHIND } from './domain-controller.ts'
import { createFilterPoolController, FILTER_POOLS, filterPoolOf } from './filter-pool-controller.ts'

export interface ResourceLoopsOptions {
  /** Reads, also while another operator leads. */
  readonly reader: ApiClient
  /** Changes nothing while this operator does not lead. */
  readonly writer: ApiClient
  readonly cluster: Cluster
  readonly caches: ClusterCaches
  /** null: all namespaces. */
  readonly watchNamespace: string | null
  readonly workers: number
  readonly backoff?: Backoff
  readonly authority: () => Promise<KeyPair>
  readonly contextFor: (namespace: string) => ArrayContext
  readonly mailHostname: string
  readonly directory: DomainDirectory | null
  readonly domainChanged: (name: string) => void
  readonly lookupTxt: TxtLookup
  readonly makeKeys: () => Promise<DkimKeyPair>
  readonly sealing: () => Promise<Sealing>
  readonly imageHasFilter: boolean
  /** Told of each change of a FilterPool, by `namespace/name`: edges that ask it may need other settings. */
  readonly poolChanged: (key: string) => void
  readonly recorder: EventRecorder
  readonly reconciled: (outcome: string) => void
  readonly watchFailed: (error: unknown) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface ResourceLoops {
  readonly all: readonly ResourceLoop[]
  /** FilterPools that there are. */
  readonly filterPools: ObjectCache
  /** Begins to watch. */
  start(): void
  /** This operator leads and all caches are whole: the work begins. */
  lead(): void
  /** No more work begins; resolves when what runs is done. */
  rest(): Promise<void>
  /** Ends the watches. */
  stop(): Promise<void>
}

export function createResourceLoops(options: ResourceLoopsOptions): ResourceLoops {
  const { reader, writer, cluster, caches, recorder, clock, random, logger, watchFailed, reconciled, workers } = options
  const namespace = options.watchNamespace
  const common = {
    client: reader,
    namespace,
    clock,
    random,
    logger,
    workers,
    reconciled,
    failed: watchFailed,
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
  }
  const { mailHostname, directory, domainChanged, lookupTxt, makeKeys, sealing } = options
  const keyWatch = new KeyWatch({ lookup: lookupTxt, clock, random, published: (key) => domains.queue.add(key) })
  const ports = { cluster, directory, keyWatch, makeKeys, domainChanged, mailHostname, sealing }
  const domainController = createDomainController({ client: writer, ports, recorder, clock, logger })
  const domains = new ResourceLoop({
    ...common,
    type: DOMAINS,
    reconcile: (key, cache) => domainController.reconcile(key, cache),
    affected: (key, cache) => domainController.changed(key, cache),
  })
  const pools = new ResourceLoop({
    ...common,
    type: FILTER_POOLS,
    reconcile: createFilterPoolController({ ...options, client: writer }),
    affected: (key) => {
      options.poolChanged(key)
      return [key]
    },
  })
  const all = [domains, pools]
  const unwatch = caches.watch((object) => {
    const [domain, pool] = [domainOf(object), filterPoolOf(object)]
    if (domain !== null) domains.queue.add(domain)
    if (pool !== null) pools.queue.add(pool)
  })

  return {
    all,
    filterPools: pools.cache,
    start() {
      for (const loop of all) loop.start()
    },
    lead() {
      for (const loop of all) loop.queue.start()
      domains.queue.add(LEFT_BEHIND)
    },
    async rest() {
      await Promise.all([...all.map((loop) => loop.queue.stop()), keyWatch.stop()])
    },
    async stop() {
      unwatch()
      await Promise.all(all.map((loop) => loop.stop()))
    },
  }
}
