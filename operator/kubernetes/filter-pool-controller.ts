/** One look at one FilterPool in a cluster: the cache says what is wanted, controllers/filterpool makes it so, the status tells. */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { FilterPool, filterPoolKind } from '#operator/api/filter-pool.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { FIELD_MANAGER } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import type { ArrayContext } from '#operator/controllers/array-context.ts'
import { saysAlready } from '#operator/controllers/conditions.ts'
import { COMPONENT } from '#operator/controllers/filterpool/build.ts'
import { reconcileFilterPool } from '#operator/controllers/filterpool/reconcile.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { OwnWrites } from '#operator/runtime/own-writes.ts'
import { keyPairOf, nodeCertificates } from './authority.ts'
import { resourceTypeOf, unreadable } from './resource-types.ts'

export const FILTER_POOLS: ResourceType = resourceTypeOf(filterPoolKind)

/** Nothing has to happen for so long: certificates age without an event. */
const LOOK_AGAIN_MS = 600_000

export interface FilterPoolControllerOptions {
  /** Changes nothing while this operator does not lead. */
  readonly client: ApiClient
  readonly cluster: Cluster
  readonly caches: ClusterCaches
  readonly authority: () => Promise<KeyPair>
  readonly contextFor: (namespace: string) => ArrayContext
  /** Whether the image in the context holds the filter service. */
  readonly imageHasFilter: boolean
  readonly recorder: EventRecorder
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The work of a queue of FilterPools by `namespace/name`. @returns When to look again. */
export function createFilterPoolController(
  options: FilterPoolControllerOptions,
): (key: string, pools: ObjectCache) => Promise<number | null> {
  const { client, cluster, caches, authority, contextFor, imageHasFilter, recorder, clock, random, logger } = options

  const certificatesIn = async (namespace: string) => {
    const present = (name: string) => keyPairOf(caches.get('Secret', namespace, `${name}-tls`))
    return nodeCertificates({ authority: await authority(), present, clock, random, logger })
  }

  const own = new OwnWrites()
  return async (key, pools) => {
    const cached = pools.get(key)
    const object = cached === null ? null : own.newest(cached)
    // What it owned goes with it.
    if (object === null || object.metadata.deletionTimestamp !== undefined) return null
    const parsed = FilterPool.safeParse(object)
    if (!parsed.success) {
      recorder.record(object, unreadable(parsed.error))
      return LOOK_AGAIN_MS
    }
    const pool = parsed.data
    const { name, namespace } = pool.metadata
    const certificates = await certificatesIn(namespace)
    const ports = { cluster, certificates, context: contextFor(namespace), imageHasFilter }
    const status = await reconcileFilterPool(pool, ports, clock.nowMs())
    if (!saysAlready(pool.status, status)) {
      const wanted = { metadata: { name, namespace }, status }
      const options = { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const
      own.note(await client.apply(FILTER_POOLS, wanted, options))
    }
    return LOOK_AGAIN_MS
  }
}

/** Key of the FilterPool that an object was made for, or null. */
export function filterPoolOf(object: KubeObject): string | null {
  const { namespace, labels = {} } = object.metadata
  const instance = labels['app.kubernetes.io/instance']
  if (labels['app.kubernetes.io/component'] !== COMPONENT || instance === undefined) return null
  return `${namespace}/${instance}`
}
