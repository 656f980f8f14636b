/**
 * One look at one MailNode in a cluster: reads it from the cache, makes the cluster be as it says, writes what was seen into its
 * status. What is wanted comes from controllers/mailnode, the same that runs on one machine; here is only what a cluster adds.
 */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { MailNode, mailNodeKind } from '#operator/api/mail-node.ts'
import { GROUP, VERSION } from '#operator/api/resource.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { FIELD_MANAGER } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import type { ArrayContext } from '#operator/controllers/array-context.ts'
import { COMPONENT } from '#operator/controllers/mailnode/build.ts'
import { reconcileMailNode } from '#operator/controllers/mailnode/reconcile.ts'
import { memberCertificates } from '#operator/local/material.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { nodeCertificates, secretText } from './authority.ts'
import { saysAlready, statusOf } from './mail-node-status.ts'

export const MAIL_NODES: ResourceType = {
  group: GROUP,
  version: VERSION,
  kind: mailNodeKind.kind,
  plural: mailNodeKind.plural,
  namespaced: true,
}

/** Nothing has to happen for so long: certificates are looked at, and what no watch told of is found. */
const LOOK_AGAIN_MS = 600_000

export interface MailNodeControllerOptions {
  /** Changes nothing while this operator does not lead. */
  readonly client: ApiClient
  readonly cluster: Cluster
  readonly caches: ClusterCaches
  readonly mailNodes: ObjectCache
  readonly authority: () => Promise<KeyPair>
  readonly contextFor: (namespace: string) => ArrayContext
  readonly recorder: EventRecorder
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The work of a queue of MailNodes by `namespace/name`. @returns When to look again. */
export function createMailNodeController(options: MailNodeControllerOptions): (key: string) => Promise<number | null> {
  const { client, cluster, caches, mailNodes, authority, contextFor, recorder, clock, random, logger } = options

  const certificatesOf = async (node: MailNode, context: ArrayContext) => {
    const present = (name: string): KeyPair | null => {
      const [, pod = '', role = ''] = /^(.*)-(member|edge)$/.exec(name) ?? []
      const secret = caches.get('Secret', context.namespace, `${node.metadata.name}-${role}-tls`)
      const [cert, key] = [secretText(secret, `${pod}.crt`), secretText(secret, `${pod}.key`)]
      return cert === null || key === null ? null : { cert, key }
    }
    const store = nodeCertificates({ authority: await authority(), present, clock, random, logger })
    return memberCertificates(node, context, store, null)
  }

  return async (key) => {
    const object = mailNodes.get(key)
    // What it owned goes with it; volumes and ledgers are not owned and stay.
    if (object === null || object.metadata.deletionTimestamp !== undefined) return null
    const parsed = MailNode.safeParse(object)
    if (!parsed.success) {
      const [problem] = parsed.error.issues
      const note = `Cannot read the resource: ${problem?.path.join('.')}: ${problem?.message}; is this operator older than its CRDs?`
      recorder.record(object, { type: 'Warning', reason: 'NotUnderstood', action: 'Read', note })
      logger.error({ mailNode: key, problem }, 'a MailNode that passed the API server is not understood')
      return LOOK_AGAIN_MS
    }
    const node = parsed.data
    const context = contextFor(node.metadata.namespace)
    const { phase, action } = await reconcileMailNode(node, context, await certificatesOf(node, context), cluster)
    if (action.kind === 'replace') {
      const note = `Replaced ${action.pod}: ${action.reason === 'outdated' ? 'it was' : 'it was down and'} made from an older template`
      recorder.record(object, { type: 'Normal', reason: 'MemberReplaced', action: 'Replace', note })
      logger.info({ mailNode: key, ...action }, 'replaced a member')
    }
    const status = statusOf(node, phase, clock.nowMs())
    if (!saysAlready(node, status)) {
      const { name, namespace } = node.metadata
      const wanted = { metadata: { name, namespace }, status }
      await client.apply(MAIL_NODES, wanted, { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' })
    }
    return LOOK_AGAIN_MS
  }
}

/** Key of the MailNode that an object was made for, or null. */
export function mailNodeOf(object: KubeObject): string | null {
  const { namespace, labels = {} } = object.metadata
  const instance = labels['app.kubernetes.io/instance']
  if (labels['app.kubernetes.io/component'] !== COMPONENT || instance === undefined) return null
  return `${namespace}/${instance}`
}
