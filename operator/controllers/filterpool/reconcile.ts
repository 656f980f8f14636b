/** Makes the cluster be as a FilterPool says, and tells how it is. Safe to call at any time and any number of times. */

import { identityUri } from '#lib/tls/roles.ts'
import type { FilterPool, FilterPoolStatus } from '#operator/api/filter-pool.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import { namesRequest } from '#operator/pki/certificates.ts'
import type { CertificateStore } from '#operator/pki/store.ts'
import { type ArrayContext, inApplyOrder } from '../array-context.ts'
import { certificateSecret, filterPoolObjects, poolSelector } from './build.ts'
import { filterPoolStatus, whyNoPods } from './decide.ts'
import { poolName } from './names.ts'

export interface FilterPoolPorts {
  readonly cluster: Cluster
  readonly certificates: CertificateStore
  readonly context: ArrayContext
  readonly imageHasFilter: boolean
}

export async function reconcileFilterPool(
  pool: FilterPool,
  { cluster, certificates, context, imageHasFilter }: FilterPoolPorts,
  nowMs: number,
): Promise<FilterPoolStatus> {
  const { namespace } = context
  const name = poolName(pool.metadata.name)
  const autoscaler = { kind: 'HorizontalPodAutoscaler', namespace, name } as const
  const workload = { kind: 'Deployment', namespace, name } as const
  const request = namesRequest(
    name,
    [name, `${name}.${namespace}.svc`, `*.${name}.${namespace}.svc`],
    [identityUri({ role: 'filter', owner: pool.metadata.name })],
  )
  const pair = await certificates.pair(name, request)
  const runnable = whyNoPods(pool, context, imageHasFilter) === null
  const objects = filterPoolObjects(pool, context, cluster.seen(workload)?.spec.replicas ?? null).filter(
    ({ kind }) => runnable || (kind !== workload.kind && kind !== autoscaler.kind),
  )
  for (const manifest of inApplyOrder([certificateSecret(pool, context, pair, certificates.ca), ...objects])) {
    await cluster.apply(manifest)
  }
  // An autoscaler that nobody wants any more would go on setting the number of pods.
  if (pool.spec.autoscaling === undefined && cluster.seen(autoscaler) !== null) await cluster.delete(autoscaler)
  const pods = (await cluster.pods(poolSelector(pool))).filter((pod) => pod.namespace === namespace)
  return filterPoolStatus(pool, context, { imageHasFilter, pods }, nowMs)
}
