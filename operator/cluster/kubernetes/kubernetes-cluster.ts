/**
 * The port `Cluster` on the real API: server-side apply under one field manager, reads from caches.
 *
 * Invariants: what is applied and there already costs no request at all: the object must be in the cache in the very version that
 * our last apply of the same bytes returned. Whatever else changed it makes a new version and with it a new apply, which takes the
 * fields that we mean back and leaves all others alone. A read that fails is an error, never an absence.
 */
import { assert } from '#lib/errors/assert.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { KubeError } from '#operator/runtime/api-error.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import type { Cluster, SeenPod } from '../cluster.ts'
import {
  type Manifest,
  type ManifestKind,
  type ManifestOf,
  type ObjectRef,
  refOf,
  refText,
  type Secret,
} from '../objects.ts'
import type { ClusterCaches } from './cluster-caches.ts'
import { PODS, RESOURCE_TYPES } from './kinds.ts'
import { fromApi, seenPod, toApi } from './translation.ts'

export const FIELD_MANAGER = 'twinpost-operator'
const GONE_LOOK_MS = 250
/** Longer than a pod may take to stop. */
const GONE_TIMEOUT_MS = 120_000

export interface KubernetesClusterOptions {
  readonly client: ApiClient
  readonly caches: ClusterCaches
  readonly clock: Clock
}

export class KubernetesCluster implements Cluster {
  readonly #options: KubernetesClusterOptions
  /** What was last applied, as bytes, and the version that came of it. */
  readonly #applied = new Map<string, { readonly text: string; readonly resourceVersion: string }>()

  constructor(options: KubernetesClusterOptions) {
    this.#options = options
  }

  async apply(manifest: Manifest): Promise<'created' | 'changed' | 'unchanged'> {
    const { client, caches } = this.#options
    const { namespace, name } = manifest.metadata
    const key = refText(refOf(manifest))
    const wanted = toApi(manifest)
    const text = JSON.stringify(wanted)
    const before = caches.get(manifest.kind, namespace, name)
    const last = this.#applied.get(key)
    if (before && last?.text === text && last.resourceVersion === before.metadata.resourceVersion) return 'unchanged'
    const type = RESOURCE_TYPES[manifest.kind]
    const { apiVersion: _, kind: __, ...object } = wanted
    const after = await client.apply(type, object, { fieldManager: FIELD_MANAGER, force: true })
    const resourceVersion = after.metadata.resourceVersion ?? ''
    this.#applied.set(key, { text, resourceVersion })
    if (resourceVersion === before?.metadata.resourceVersion || resourceVersion === last?.resourceVersion)
      return 'unchanged'
    return before === null && last === undefined ? 'created' : 'changed'
  }

  async create(secret: Secret): Promise<void> {
    await this.#options.client.create(RESOURCE_TYPES.Secret, toApi(secret))
  }

  async replace(secret: Secret): Promise<void> {
    const object = toApi(secret)
    assert(object.metadata.resourceVersion !== undefined, 'a replace names the version it was made from')
    await this.#options.client.replace(RESOURCE_TYPES.Secret, object)
  }

  seen<Kind extends ManifestKind>(ref: ObjectRef<Kind>): ManifestOf<Kind> | null {
    const found = this.#options.caches.get(ref.kind, ref.namespace, ref.name)
    return found === null ? null : (fromApi(found) as ManifestOf<Kind>)
  }

  async get<Kind extends ManifestKind>(ref: ObjectRef<Kind>): Promise<ManifestOf<Kind> | null> {
    const found = await this.#options.client.get(RESOURCE_TYPES[ref.kind], ref.namespace, ref.name)
    return found === null ? null : (fromApi(found) as ManifestOf<Kind>)
  }

  async list<Kind extends ManifestKind>(
    kind: Kind,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<ManifestOf<Kind>[]> {
    const found = this.#options.caches.list(kind).filter((object) => hasLabels(object, labels))
    return found.map((object) => fromApi(object) as ManifestOf<Kind>)
  }

  async delete(ref: ObjectRef): Promise<void> {
    const { client, caches, clock } = this.#options
    const type = RESOURCE_TYPES[ref.kind]
    const found = await client.get(type, ref.namespace, ref.name)
    this.#applied.delete(refText(ref))
    if (found === null) return
    const uid = found.metadata.uid ?? ''
    await client.delete(type, ref.namespace, ref.name, { uid })
    const endAtMs = clock.monotonicMs() + GONE_TIMEOUT_MS
    const isThere = async () => {
      const now = await client.get(type, ref.namespace, ref.name)
      return now?.metadata.uid === uid || caches.list('Pod').some((pod) => isOwnedBy(pod, uid))
    }
    while (await isThere()) {
      if (clock.monotonicMs() > endAtMs) {
        const message = `Cannot delete ${refText(ref)}: it or its pods are still there after ${GONE_TIMEOUT_MS / 1_000} s`
        throw new KubeError('KUBE_TIMEOUT', `${message}; look for finalizers`)
      }
      await sleep(clock, GONE_LOOK_MS)
    }
  }

  async pods(labels: Readonly<Record<string, string>> = {}): Promise<SeenPod[]> {
    return this.#options.caches
      .list('Pod')
      .filter((pod) => hasLabels(pod, labels))
      .map(seenPod)
  }

  async deletePod(name: string, namespace: string): Promise<void> {
    const { client, caches } = this.#options
    const pod = caches.get('Pod', namespace, name)
    if (pod === null || pod.metadata.deletionTimestamp !== undefined) return
    // By UID: a pod that took the name in between was made from the present template and must live.
    const { uid } = pod.metadata
    await client.delete(PODS, namespace, name, uid === undefined ? {} : { uid })
  }

  watchPods(changed: (pod: SeenPod) => void): () => void {
    return this.#options.caches.watch((object) => {
      if (object.kind === 'Pod') changed(seenPod(object))
    })
  }
}

function hasLabels(object: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value)
}

function isOwnedBy(pod: KubeObject, uid: string): boolean {
  return (pod.metadata.ownerReferences ?? []).some((owner) => 'uid' in owner && owner.uid === uid)
}
