/**
 * Carries out what decide-volumes.ts says: raises the requests of claims, and deletes the StatefulSet without its pods when only its claim
 * template is left to change; the next look makes it anew and it takes its pods back. Claims are read only while sizes differ or
 * something was waited for, so that a MailNode at rest costs no request.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { MailNode } from '#operator/api/mod.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { podNames } from '#operator/controllers/mailnode/build.ts'
import { decideVolumes, type SeenClaim } from '#operator/controllers/mailnode/decide-volumes.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { kubeErrorCode } from '#operator/runtime/api-error.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'

export const CLAIMS: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  namespaced: true,
}

export interface VolumeOutcome {
  /** The StatefulSet is on its way out to be made anew: it is not applied now, or it would come back as it was. */
  readonly renewing: boolean
  /** What the claim template must say as long as it cannot be changed; null: what the MailNode says. */
  readonly claimSize: string | null
  /** In words; null: nothing is waited for. */
  readonly waiting: string | null
  /** Why the storage refuses to grow; null: it does not. */
  readonly refused: string | null
}

const AS_SPECIFIED: VolumeOutcome = { renewing: false, claimSize: null, waiting: null, refused: null }

export async function growVolumes(
  node: MailNode,
  ports: { readonly client: ApiClient; readonly cluster: Cluster },
): Promise<VolumeOutcome> {
  const { client, cluster } = ports
  const { namespace, name } = node.metadata
  const { size } = node.spec.storage
  const set = cluster.seen({ kind: 'StatefulSet', namespace, name })
  const template = set?.spec.volumeClaimTemplates?.[0]?.spec.resources.requests.storage ?? null
  const waited = node.status?.conditions?.some(({ reason }) => reason === 'VolumesGrow') ?? false
  if (template === null || (template === size && !waited)) return AS_SPECIFIED
  if (set !== null && 'deletionTimestamp' in set.metadata) {
    return { renewing: true, claimSize: null, waiting: 'The StatefulSet is made anew', refused: null }
  }

  const claims = await claimsOf(client, node)
  const { grow, renewTemplate, waiting } = decideVolumes(size, template, claims)
  const claimSize = template === size ? null : template
  if (node.spec.paused) return { renewing: false, claimSize, waiting, refused: null }
  try {
    const patch = { spec: { resources: { requests: { storage: size } } } }
    for (const claim of grow) await client.mergePatch(CLAIMS, namespace, claim, patch)
  } catch (error) {
    // The server's own word on it: the StorageClass does not allow it, or a quota does not.
    const code = kubeErrorCode(error)
    if (code !== 'KUBE_FORBIDDEN' && code !== 'KUBE_INVALID') throw error
    const refused = `Volumes cannot grow to ${size}: ${errorMessage(error)}`
    return { renewing: false, claimSize, waiting: refused, refused }
  }
  if (renewTemplate && set !== null) {
    const uid = 'uid' in set.metadata && typeof set.metadata.uid === 'string' ? { uid: set.metadata.uid } : {}
    await client.delete(RESOURCE_TYPES.StatefulSet, namespace, name, { ...uid, propagation: 'Orphan' })
  }
  return { renewing: renewTemplate, claimSize, waiting, refused: null }
}

async function claimsOf(client: ApiClient, node: MailNode): Promise<SeenClaim[]> {
  const found = await Promise.all(
    podNames(node).map((pod) => client.get(CLAIMS, node.metadata.namespace, `data-${pod}`)),
  )
  return found.filter((claim) => claim !== null).map(seenClaim)
}

function seenClaim(claim: KubeObject): SeenClaim {
  const spec = claim['spec'] as { resources?: { requests?: { storage?: string } } } | undefined
  const status = claim['status'] as { capacity?: { storage?: string } } | undefined
  return {
    name: claim.metadata.name,
    requested: spec?.resources?.requests?.storage ?? '0',
    capacity: status?.capacity?.storage ?? null,
  }
}
