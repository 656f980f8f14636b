/**
 * One look at one MailNode in a cluster: reads it from the cache, makes the cluster be as it says, writes what was seen into its
 * status. What is wanted comes from controllers/mailnode, the same that runs on one machine; here is only what a cluster adds.
 */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { FilterPool } from '#operator/api/filter-pool.ts'
import { MailNode, mailNodeKind } from '#operator/api/mail-node.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { PODS } from '#operator/cluster/kubernetes/kinds.ts'
import { FIELD_MANAGER } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import type { ArrayContext } from '#operator/controllers/array-context.ts'
import { saysAlready } from '#operator/controllers/conditions.ts'
import { COMPONENT, FENCED_LABEL, SERVING_LABEL } from '#operator/controllers/mailnode/build.ts'
import type { ReplaceReason } from '#operator/controllers/mailnode/decide.ts'
import { filterProblem } from '#operator/controllers/mailnode/edge-filter.ts'
import { type MailNodeOutcome, reconcileMailNode } from '#operator/controllers/mailnode/reconcile.ts'
import { memberCertificates } from '#operator/local/material.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { OwnWrites } from '#operator/runtime/own-writes.ts'
import { keyPairOf, nodeCertificates } from './authority.ts'
import { statusOf } from './mail-node-status.ts'
import { resourceTypeOf, unreadable } from './resource-types.ts'
import { growVolumes, type VolumeOutcome } from './volume-growth.ts'

export const MAIL_NODES: ResourceType = resourceTypeOf(mailNodeKind)

/** Nothing has to happen for so long: certificates are looked at, and what no watch told of is found. */
const LOOK_AGAIN_MS = 600_000
/** Claims are not watched: while they grow they are looked at. */
const VOLUMES_LOOK_MS = 10_000

const REPLACE_WORDS: Readonly<Record<ReplaceReason, string>> = {
  Outdated: 'it was made from an older template; its shards hand over first',
  OutdatedAndDown: 'it was made from an older template and does not serve',
}

export interface MailNodeControllerOptions {
  /** Changes nothing while this operator does not lead. */
  readonly client: ApiClient
  readonly cluster: Cluster
  readonly caches: ClusterCaches
  readonly mailNodes: ObjectCache
  /** Pools that edges may ask. */
  readonly filterPools: ObjectCache
  readonly authority: () => Promise<KeyPair>
  readonly contextFor: (namespace: string) => ArrayContext
  readonly recorder: EventRecorder
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The work of a queue of MailNodes by `namespace/name`. @returns When to look again. */
export function createMailNodeController(options: MailNodeControllerOptions): (key: string) => Promise<number | null> {
  const { client, cluster, caches, mailNodes, filterPools, authority, contextFor, recorder, clock, random, logger } =
    options

  const certificatesOf = async (node: MailNode, context: ArrayContext) => {
    const present = (name: string) => {
      const [, pod = '', role = ''] = /^(.*)-(member|edge)$/.exec(name) ?? []
      return keyPairOf(caches.get('Secret', context.namespace, `${node.metadata.name}-${role}-tls`), pod)
    }
    const store = nodeCertificates({ authority: await authority(), present, clock, random, logger })
    return memberCertificates(node, context, store, null)
  }

  const report = (object: KubeObject, outcome: MailNodeOutcome, volumes: VolumeOutcome): void => {
    const { action } = outcome
    if (action.kind === 'replace') {
      const note = `Replaces ${action.pod}: ${REPLACE_WORDS[action.reason]}`
      recorder.record(object, { type: 'Normal', reason: 'MemberReplaced', action: 'Replace', note })
      logger.info({ mailNode: object.metadata.name, ...action }, 'replaces a member')
    }
    if (action.kind === 'wait') {
      recorder.record(object, { type: 'Normal', reason: action.reason, action: 'WaitToRoll', note: action.message })
    }
    if (volumes.refused !== null) {
      recorder.record(object, { type: 'Warning', reason: 'VolumesCannotGrow', action: 'Grow', note: volumes.refused })
    }
  }

  const label = async (object: KubeObject, namespace: string, outcome: MailNodeOutcome): Promise<void> => {
    for (const { pod, serving } of outcome.serving) {
      await client.mergePatch(PODS, namespace, pod, { metadata: { labels: { [SERVING_LABEL]: String(serving) } } })
      const note = serving
        ? `${pod} is counted in again: its edge is back in the Services`
        : `Every ledger goes on without ${pod}: its edge left the Services`
      recorder.record(object, {
        type: serving ? 'Normal' : 'Warning',
        reason: serving ? 'EdgeServes' : 'EdgeTakenOut',
        action: 'Label',
        note,
      })
      logger.info({ pod, serving }, 'changed whether an edge is in the Services')
    }
    for (const { pod, fenced } of outcome.fences) {
      await client.mergePatch(PODS, namespace, pod, { metadata: { labels: { [FENCED_LABEL]: String(fenced) } } })
      const note = fenced ? `${pod} must not be primary: it hands over` : `${pod} may be primary again`
      recorder.record(object, { type: 'Normal', reason: fenced ? 'Fenced' : 'Unfenced', action: 'Fence', note })
    }
  }

  const own = new OwnWrites()
  return async (key) => {
    const cached = mailNodes.get(key)
    const object = cached === null ? null : own.newest(cached)
    // What it owned goes with it; volumes and ledgers are not owned and stay.
    if (object === null || object.metadata.deletionTimestamp !== undefined) return null
    const parsed = MailNode.safeParse(object)
    if (!parsed.success) {
      recorder.record(object, unreadable(parsed.error))
      logger.error({ mailNode: key }, 'a MailNode that passed the API server is not understood')
      return LOOK_AGAIN_MS
    }
    const node = parsed.data
    const { name, namespace } = node.metadata
    const context = contextFor(namespace)
    const volumes = await growVolumes(node, { client, cluster })
    const certificates = await certificatesOf(node, context)
    const pool = poolOf(node, filterPools)
    const problem = filterProblem(node, pool)
    if (problem !== null) {
      recorder.record(object, { type: 'Warning', reason: 'FilterUnusable', action: 'Filter', note: problem })
    }
    const outcome = await reconcileMailNode(node, context, certificates, cluster, volumes, pool)
    report(object, outcome, volumes)
    await label(object, namespace, outcome)
    const status = statusOf(node, { ...outcome, volumes: volumes.waiting }, clock.nowMs())
    if (!saysAlready(node.status, status)) {
      const wanted = { metadata: { name, namespace }, status }
      const options = { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const
      own.note(await client.apply(MAIL_NODES, wanted, options))
    }
    return volumes.waiting === null ? LOOK_AGAIN_MS : VOLUMES_LOOK_MS
  }
}

/** The FilterPool that the edges of a MailNode ask; null: none, or there is none of that name. */
function poolOf(node: MailNode, filterPools: ObjectCache): FilterPool | null {
  const { filter } = node.spec.edge
  const object = filter === undefined ? null : filterPools.get(`${node.metadata.namespace}/${filter.pool}`)
  return FilterPool.safeParse(object).data ?? null
}

/** Keys of MailNodes whose edges ask the FilterPool `key`. */
export function mailNodesAsking(key: string, mailNodes: ObjectCache): string[] {
  return mailNodes.list().flatMap((object) => {
    const node = MailNode.safeParse(object).data
    const { filter } = node?.spec.edge ?? {}
    if (node === undefined || filter === undefined) return []
    const { namespace, name } = node.metadata
    return `${namespace}/${filter.pool}` === key ? [`${namespace}/${name}`] : []
  })
}

/** Key of the MailNode that an object was made for, or null. */
export function mailNodeOf(object: KubeObject): string | null {
  const { namespace, labels = {} } = object.metadata
  const instance = labels['app.kubernetes.io/instance']
  if (labels['app.kubernetes.io/component'] !== COMPONENT || instance === undefined) return null
  return `${namespace}/${instance}`
}
