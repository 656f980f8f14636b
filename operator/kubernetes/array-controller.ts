/**
 * One look at what an array has once in a cluster: certificates and passwords of its services are there and young enough, one directory
 * server takes the writes, and the directory knows the shards. The pods themselves come with the chart; they wait for these Secrets.
 *
 * Invariants: a password or a certificate that serves is never replaced; nothing here has an owner, so that removing the chart
 * takes none of it away; a Secret for mail clients that somebody else made is left alone.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import type { Logger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { MailNode } from '#operator/api/mail-node.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { seenPod } from '#operator/cluster/kubernetes/translation.ts'
import { tlsSecret } from '#operator/controllers/array/build.ts'
import {
  CLUSTER_SERVICES,
  type ClusterService,
  certificateRequest,
  certificateSecretOf,
  DIRECTORY_WRITER,
  decideWriter,
  directoryWriter,
  passwordSecrets,
  publicCertificateRequest,
  writerOf,
} from '#operator/controllers/array/cluster-services.ts'
import type { ArrayContext } from '#operator/controllers/array-context.ts'
import { shardNames } from '#operator/controllers/mailnode/build.ts'
import type { KeyPair, LeafRequest } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { keyPairOf, nodeCertificates } from './authority.ts'
import { openAuthorities, openPasswords } from './passwords.ts'

/** Nothing has to happen for so long: certificates age without an event. */
const LOOK_AGAIN_MS = 600_000
/** It comes with the chart, at the same time as the operator. */
const DIRECTORY_AGAIN_MS = 3_000
/** A restart of the writer is over sooner; until then accounts are not created or changed, and nothing else is missing. */
const WRITER_PATIENCE_MS = 15_000

export interface ArrayControllerOptions {
  /** Changes nothing while this operator does not lead. */
  readonly client: ApiClient
  readonly cluster: Cluster
  readonly caches: ClusterCaches
  /** Pods of the directory servers; null where the directory is not ours. */
  readonly directoryPods: ObjectCache | null
  /** All MailNodes that there are: their shards get accounts. */
  readonly mailNodes: ObjectCache
  readonly directory: Pick<DirectoryAdmin, 'ensureShards'>
  readonly authority: () => Promise<KeyPair>
  readonly context: ArrayContext
  /** Whether the certificate for mail clients is made here. */
  readonly ownPublicCertificate: boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** @returns The work of a queue: resolves with the delay until it wants to look again. */
export function createArrayController(options: ArrayControllerOptions): () => Promise<number> {
  const { client, cluster, caches, directoryPods, mailNodes, directory, authority, context, clock, random, logger } =
    options
  let downSinceMs: number | null = null
  /** What the directory was last told, as text: nothing is asked of it while nothing changed. */
  let directoryHas = ''

  const certificates = async () => {
    const ca = await authority()
    const present = (name: string) => keyPairOf(caches.get('Secret', context.namespace, name))
    const store = nodeCertificates({ authority: ca, present, clock, random, logger })
    const keep = async (name: string, request: LeafRequest) => {
      await cluster.apply(tlsSecret(context, name, await store.pair(name, request), ca.cert))
    }
    for (const service of Object.keys(CLUSTER_SERVICES) as ClusterService[]) {
      await keep(certificateSecretOf(service), certificateRequest(service, context.namespace))
    }
    const { publicCertificateSecret: name } = context
    if (options.ownPublicCertificate && !(await isSomebodyElses(name))) {
      await keep(name, publicCertificateRequest(context.mailHostname))
    }
  }

  /** The caches hold what is labelled as ours; what is there without being in them is not. */
  const isSomebodyElses = async (name: string): Promise<boolean> =>
    caches.get('Secret', context.namespace, name) === null &&
    (await client.get(RESOURCE_TYPES.Secret, context.namespace, name)) !== null

  const writer = async (): Promise<number> => {
    if (directoryPods === null) return LOOK_AGAIN_MS
    const pods = directoryPods.list().map(seenPod)
    const present = writerOf(await client.get(RESOURCE_TYPES.Service, context.namespace, DIRECTORY_WRITER))
    const isReady = pods.some((pod) => pod.name === present && pod.ready)
    const nowMs = clock.monotonicMs()
    downSinceMs = isReady ? null : (downSinceMs ?? nowMs)
    const decision = decideWriter(present, pods, nowMs - (downSinceMs ?? nowMs), WRITER_PATIENCE_MS)
    if (decision.kind === 'wait') return decision.ms
    if (decision.kind === 'choose') {
      logger.info({ from: present, to: decision.pod }, 'writes to the directory go to another server now')
      await cluster.apply(directoryWriter(context, decision.pod))
    }
    return LOOK_AGAIN_MS
  }

  /** @returns Whether the directory has them. */
  const shards = async (): Promise<boolean> => {
    const nodes = mailNodes.list().map((object) => ({ object, parsed: MailNode.safeParse(object) }))
    // One that is not understood would lose its place for new accounts: then nothing is said at all.
    if (nodes.some(({ parsed }) => !parsed.success)) return true
    const wanted = nodes.flatMap(({ object, parsed }) => {
      const active = object.metadata.deletionTimestamp === undefined
      return parsed.success ? shardNames(parsed.data).map((name) => ({ name: toShardName(name), active })) : []
    })
    const text = JSON.stringify(wanted)
    if (text === directoryHas) return true
    try {
      await directory.ensureShards(wanted)
    } catch (error) {
      if (errorCode(error) !== 'DIRECTORY_UNAVAILABLE') throw error
      logger.info({ reason: errorMessage(error) }, 'the directory cannot be told of shards yet')
      return false
    }
    directoryHas = text
    logger.info({ shards: wanted.length }, 'the directory has the shards')
    return true
  }

  return async () => {
    const passwords = await openPasswords({ client, namespace: context.namespace, random })
    const servers = context.otherAuthorities ?? []
    const authorities = await openAuthorities({ client, namespace: context.namespace, servers })
    for (const secret of passwordSecrets(context, passwords, authorities)) await cluster.apply(secret)
    await certificates()
    const againMs = await writer()
    return (await shards()) ? againMs : Math.min(againMs, DIRECTORY_AGAIN_MS)
  }
}
