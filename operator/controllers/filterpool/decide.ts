/** How a FilterPool is, from its pods. Pure: facts in, one word and its reason out. */
import type { FilterPool, FilterPoolStatus } from '#operator/api/filter-pool.ts'
import type { SeenPod } from '#operator/cluster/cluster.ts'
import type { ArrayContext } from '../array-context.ts'
import { conditionsOf, type Finding } from '../conditions.ts'
import { FILTER_PROGRAM, poolSelector, wantedReplicas } from './build.ts'

export interface PoolFacts {
  /** Whether the operator's own image, which is that of the pods unless the pool names one, holds the filter service. */
  readonly imageHasFilter: boolean
  readonly pods: readonly SeenPod[]
}

/** Why no pod of the pool could run, in words, or null. Then none is made: it would only restart for ever. */
export function whyNoPods(pool: FilterPool, context: ArrayContext, imageHasFilter: boolean): string | null {
  if (pool.spec.image !== undefined || imageHasFilter) return null
  return `No pod is made: the image ${context.image} holds no filter service (${FILTER_PROGRAM}). Name one that does in spec.image`
}

export function filterPoolStatus(
  pool: FilterPool,
  context: ArrayContext,
  { imageHasFilter, pods }: PoolFacts,
  nowMs: number,
): FilterPoolStatus {
  const { generation } = pool.metadata
  const problem = whyNoPods(pool, context, imageHasFilter)
  const ready = pods.filter((pod) => pod.ready).length
  const { phase, finding } =
    problem === null
      ? readiness(pods, ready, wantedReplicas(pool))
      : { phase: 'Pending' as const, finding: notReady('NoFilterService', problem) }
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    phaseReason: finding.message,
    replicas: pods.length,
    readyReplicas: ready,
    selector: Object.entries(poolSelector(pool))
      .map(([name, value]) => `${name}=${value}`)
      .join(','),
    conditions: conditionsOf([finding], pool.status?.conditions, generation, nowMs),
  }
}

function readiness(
  pods: readonly SeenPod[],
  ready: number,
  wanted: number,
): { readonly phase: 'Pending' | 'Starting' | 'Running' | 'Degraded'; readonly finding: Finding } {
  const count = ready >= wanted ? `${ready} pods are ready` : `${ready} of ${wanted} pods are ready`
  if (ready >= wanted) {
    const finding: Finding = { type: 'Ready', status: 'True', reason: 'PodsReady', message: count }
    return { phase: 'Running', finding }
  }
  const reasons = pods.flatMap((pod) =>
    pod.containers.flatMap(({ ready: isReady, reason }) => (isReady || reason === null ? [] : [firstWord(reason)])),
  )
  const why = [...new Set(reasons)].sort().join(', ')
  const message = why === '' ? count : `${count}: ${why}`
  if (pods.length === 0) return { phase: 'Pending', finding: notReady('NoPods', message) }
  return ready > 0
    ? { phase: 'Degraded', finding: notReady('SomePodsReady', message) }
    : { phase: 'Starting', finding: notReady('PodsStarting', message) }
}

/** `ErrImagePull` out of what the kubelet says: the rest changes from try to try and would be written each time. */
const firstWord = (reason: string): string => reason.split(',')[0] ?? reason

const notReady = (reason: string, message: string): Finding => ({ type: 'Ready', status: 'False', reason, message })
