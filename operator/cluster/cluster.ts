/**
 * The port through which controllers act: what they want applied, and what is seen of it. Adapters: `local/` runs rendered
 * pods as processes of this machine; one for the Kubernetes API comes with the chart. Controllers never know which one.
 */
import type { Manifest, ManifestKind, ManifestOf, ObjectRef, Secret } from './objects.ts'

/** A pod as it is seen, whoever runs it. */
export interface SeenPod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly ip: string
  readonly labels: Readonly<Record<string, string>>
  /** Hash of the template it was made from: differs from the workload's when the pod is outdated. */
  readonly templateHash: string
  readonly ready: boolean
  /** Why it has no place to run, in words; absent: it has one, or nobody says. */
  readonly unplaced?: string
  readonly containers: readonly SeenContainer[]
}

export interface SeenContainer {
  readonly name: string
  readonly state: 'starting' | 'running' | 'waiting' | 'stopped'
  readonly ready: boolean
  /** How many times it was started again after an exit. */
  readonly restarts: number
  /** Null while no process runs. */
  readonly pid: number | null
  readonly startedAtMs: number | null
  /** Why it is not ready, in words: the probe's answer or how the last process ended. */
  readonly reason: string | null
}

export interface Cluster {
  /** Makes the object be as `manifest` says. Applying the same again changes nothing and starts nothing anew. */
  apply(manifest: Manifest): Promise<'created' | 'changed' | 'unchanged'>
  /** Keeps a Secret that nothing can render again. @throws if there is one of its name, which the caller did not know. */
  create(secret: Secret): Promise<void>
  /** Writes the whole of such a Secret as it was seen and changed. @throws if somebody else changed it since. */
  replace(secret: Secret): Promise<void>
  /** What is there now; null only if there is surely none. */
  get<Kind extends ManifestKind>(ref: ObjectRef<Kind>): Promise<ManifestOf<Kind> | null>
  /** What was last seen of one of our objects, at no cost; null also if it was not seen yet. */
  seen<Kind extends ManifestKind>(ref: ObjectRef<Kind>): ManifestOf<Kind> | null
  list<Kind extends ManifestKind>(kind: Kind, labels?: Readonly<Record<string, string>>): Promise<ManifestOf<Kind>[]>
  /** Resolves when the object and the pods made from it are gone; volumes stay. Deleting what is not there is fine. */
  delete(ref: ObjectRef): Promise<void>
  pods(labels?: Readonly<Record<string, string>>): Promise<SeenPod[]>
  /** Stops one pod and, if its workload still wants it, starts it anew from the present template. */
  deletePod(name: string, namespace: string): Promise<void>
  /** Calls `changed` when a pod's readiness or containers changed; returns how to stop. */
  watchPods(changed: (pod: SeenPod) => void): () => void
}
