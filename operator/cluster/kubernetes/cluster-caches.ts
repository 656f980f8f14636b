/**
 * What the API server holds of the objects that this operator made, by kind, and the pods made from them: one reflector each, for
 * objects with our label only, so that no other Secret of a namespace is ever read.
 */
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import { Reflector, type ReflectorCounts, whyStale } from '#operator/runtime/reflector.ts'
import type { ManifestKind } from '../objects.ts'
import { MANIFEST_KINDS, PODS, RESOURCE_TYPES } from './kinds.ts'

/** Every object of ours carries it (controllers/array-context.ts). */
export const MANAGED_LABELS = { 'app.kubernetes.io/managed-by': 'twinpost-operator' } as const
type CachedKind = ManifestKind | 'Pod'

export interface ClusterCachesOptions {
  readonly client: ApiClient
  /** null: all namespaces. */
  readonly namespace: string | null
  readonly clock: Clock
  readonly random: Random
  readonly failed: (error: unknown) => void
}

export class ClusterCaches {
  readonly #reflectors = new Map<CachedKind, Reflector>()
  readonly #watchers = new Set<(object: KubeObject) => void>()

  constructor(options: ClusterCachesOptions) {
    for (const kind of [...MANIFEST_KINDS, 'Pod'] as const) {
      const changed = (_key: string, object: KubeObject) => {
        for (const watcher of this.#watchers) watcher(object)
      }
      const type = kind === 'Pod' ? PODS : RESOURCE_TYPES[kind]
      this.#reflectors.set(kind, new Reflector({ ...options, type, changed, selection: { labels: MANAGED_LABELS } }))
    }
  }

  start(): void {
    for (const reflector of this.#reflectors.values()) reflector.start()
  }

  /** Resolves when everything was listed once. */
  async synced(): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.synced))
  }

  /** Calls `changed` with every object of ours that changed or, as it last was, that is gone; returns how to stop. */
  watch(changed: (object: KubeObject) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  get(kind: CachedKind, namespace: string, name: string): KubeObject | null {
    return this.#reflectors.get(kind)?.cache.get(`${namespace}/${name}`) ?? null
  }

  list(kind: CachedKind): KubeObject[] {
    return this.#reflectors.get(kind)?.cache.list() ?? []
  }

  /** Why the caches cannot be relied on, in words, or null. */
  whyStale(ageMsMax: number): string | null {
    for (const [kind, reflector] of this.#reflectors) {
      const reason = whyStale(reflector, kind === 'Pod' ? PODS : RESOURCE_TYPES[kind], ageMsMax)
      if (reason !== null) return reason
    }
    return null
  }

  counts(): ReflectorCounts[] {
    return [...this.#reflectors.values()].map((reflector) => reflector.counts)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.stop()))
  }
}
