/**
 * The port `Cluster` on one machine: rendered StatefulSets and Deployments become processes on loopback addresses.
 * It plays the parts of the API server, the workload controllers, the kubelet and DNS, as far as Twinpost needs them:
 * objects live in memory (the YAML files are their store), OnDelete and rolling updates, retained claims, probes.
 * Invariants: a pod keeps address and volume for life; no name is looked up before the hosts file has it (pods start in the
 * next turn of the event loop, when all that was applied in this one is known).
 */
import { assert } from '#lib/errors/assert.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { Cluster, SeenPod } from '../cluster.ts'
import {
  type Deployment,
  type Manifest,
  type ManifestKind,
  type ManifestOf,
  type ObjectRef,
  refOf,
  refText,
  type Secret,
  type StatefulSet,
} from '../objects.ts'
import { templateHash } from '../template-hash.ts'
import { AddressPlan, serviceAddress } from './addresses.ts'
import { LocalClusterError } from './container-plan.ts'
import { hostsText } from './hosts.ts'
import { matchesLabels } from './labels.ts'
import { LocalPod, type PodEnvironment } from './pod.ts'
import { writeWhole } from './state-files.ts'

type Workload = StatefulSet | Deployment

export interface LocalClusterOptions {
  readonly network: number
  /** Numbers of workloads of the last start; `numbersChanged` is told when there are new ones. */
  readonly workloadNumbers: Readonly<Record<string, number>>
  readonly numbersChanged: (numbers: Readonly<Record<string, number>>) => void
  /** Pods that stay stopped, as `<namespace>/<pod>`: those of the last start; `heldChanged` is told of each change. */
  readonly held: readonly string[]
  readonly heldChanged: (held: readonly string[]) => void
  /** Secrets of the last start that nothing can render again; `secretKept` is told of each new one and of each change. */
  readonly keptSecrets: readonly Secret[]
  readonly secretKept: (secret: Secret) => void
  readonly hostsFile: string
  readonly environment: Omit<PodEnvironment, 'objects' | 'hostsFile'>
  readonly random: Random
  readonly clock: Clock
  /** Told about errors in work that nobody waits for. */
  readonly failed: (error: unknown) => void
}

export class LocalCluster implements Cluster {
  readonly #options: LocalClusterOptions
  readonly #environment: PodEnvironment
  readonly #addresses: AddressPlan
  readonly #objects = new Map<string, Manifest>()
  /** By `<namespace>/<pod>`. */
  readonly #pods = new Map<string, LocalPod>()
  readonly #watchers = new Set<(pod: SeenPod) => void>()
  readonly #toStart = new Set<LocalPod>()
  readonly #held: Set<string>
  #stopping = false

  constructor(options: LocalClusterOptions) {
    this.#options = options
    this.#addresses = new AddressPlan(options.network, options.workloadNumbers)
    this.#held = new Set(options.held)
    for (const secret of options.keptSecrets) this.#objects.set(refText(refOf(secret)), secret)
    this.#environment = {
      ...options.environment,
      hostsFile: options.hostsFile,
      objects: {
        secret: (namespace, name) => this.#find({ kind: 'Secret', namespace, name }),
        configMap: (namespace, name) => this.#find({ kind: 'ConfigMap', namespace, name }),
      },
    }
  }

  /** Address that pod `ordinal` of a workload has or will have, for certificates that must name it. */
  addressOf(namespace: string, workload: string, ordinal: number): string {
    const before = JSON.stringify(this.#addresses.numbers())
    const address = this.#addresses.address(`${namespace}/${workload}`, ordinal)
    if (JSON.stringify(this.#addresses.numbers()) !== before) this.#options.numbersChanged(this.#addresses.numbers())
    return address
  }

  async apply(manifest: Manifest): Promise<'created' | 'changed' | 'unchanged'> {
    assert(!this.#stopping, 'nothing is applied while the cluster stops')
    const key = refText(refOf(manifest))
    const before = this.#objects.get(key)
    if (before && JSON.stringify(before) === JSON.stringify(manifest)) return 'unchanged'
    this.#objects.set(key, manifest)
    switch (manifest.kind) {
      case 'StatefulSet':
      case 'Deployment':
        this.#applyWorkload(manifest)
        break
      case 'Service':
        this.#writeHosts()
        break
      case 'Secret':
      case 'ConfigMap':
        for (const pod of this.#pods.values()) if (!this.#toStart.has(pod)) pod.refreshFiles()
        break
      case 'ServiceAccount':
      case 'Role':
      case 'RoleBinding':
      case 'PodDisruptionBudget':
      case 'HorizontalPodAutoscaler':
      case 'NetworkPolicy':
      case 'Lease':
        break // one user, one machine: kept, with no effect
      default:
        manifest satisfies never
    }
    return before ? 'changed' : 'created'
  }

  async create(secret: Secret): Promise<void> {
    const ref = refOf(secret)
    if (this.#find(ref) !== null) {
      throw new LocalClusterError('LOCAL_EXISTS', `Cannot create ${refText(ref)}: there is one already`)
    }
    await this.replace(secret)
  }

  async replace(secret: Secret): Promise<void> {
    this.#options.secretKept(secret) // first: what is not on disk is not used
    await this.apply(secret)
  }

  seen<Kind extends ManifestKind>(ref: ObjectRef<Kind>): ManifestOf<Kind> | null {
    return this.#find(ref)
  }

  async get<Kind extends ManifestKind>(ref: ObjectRef<Kind>): Promise<ManifestOf<Kind> | null> {
    return this.#find(ref)
  }

  async list<Kind extends ManifestKind>(
    kind: Kind,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<ManifestOf<Kind>[]> {
    return this.#all(kind).filter((manifest) => matchesLabels(manifest.metadata.labels, labels))
  }

  async delete(ref: ObjectRef): Promise<void> {
    const found = this.#find(ref)
    if (!found) return
    this.#objects.delete(refText(ref))
    if (found.kind === 'StatefulSet' || found.kind === 'Deployment') {
      await Promise.all(this.#podsOf(found).map((pod) => this.#remove(pod)))
    }
    this.#writeHosts()
  }

  async pods(labels: Readonly<Record<string, string>> = {}): Promise<SeenPod[]> {
    return [...this.#pods.values()].filter((pod) => matchesLabels(pod.labels, labels)).map((pod) => pod.seen())
  }

  async deletePod(name: string, namespace: string): Promise<void> {
    const pod = this.#pods.get(`${namespace}/${name}`)
    if (!pod) return
    await this.#remove(pod)
    for (const workload of this.#workloads()) this.#fill(workload)
  }

  /** Stops a pod and keeps it so, also over a restart of the operator: what draining its node is elsewhere. */
  async holdPod(name: string, namespace: string): Promise<void> {
    const key = `${namespace}/${name}`
    this.#held.add(key)
    this.#options.heldChanged([...this.#held])
    const pod = this.#pods.get(key)
    if (pod) await this.#remove(pod)
  }

  /** The pod may run again, if its workload wants it. */
  releasePod(name: string, namespace: string): void {
    this.#held.delete(`${namespace}/${name}`)
    this.#options.heldChanged([...this.#held])
    for (const workload of this.#workloads()) this.#fill(workload)
  }

  /** Names of pods that are held and of which nothing runs any more. */
  stoppedPods(namespace: string): string[] {
    const prefix = `${namespace}/`
    return [...this.#held]
      .filter((key) => key.startsWith(prefix) && !this.#pods.has(key))
      .map((key) => key.slice(prefix.length))
  }

  watchPods(changed: (pod: SeenPod) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** Stops every pod, those with `first` among their labels before the others. */
  async shutdown(first: Readonly<Record<string, string>>): Promise<void> {
    this.#stopping = true
    const pods = [...this.#pods.values()]
    await Promise.all(pods.filter((pod) => matchesLabels(pod.labels, first)).map((pod) => this.#remove(pod)))
    await Promise.all([...this.#pods.values()].map((pod) => this.#remove(pod)))
  }

  #applyWorkload(workload: Workload): void {
    this.#fill(workload)
    const hash = templateHash(workload)
    const outdated = this.#podsOf(workload).filter((pod) => pod.templateHash !== hash)
    const onDelete = workload.kind === 'StatefulSet' && workload.spec.updateStrategy.type === 'OnDelete'
    if (outdated.length === 0 || onDelete) return
    const roll = async () => {
      for (const pod of outdated) await this.deletePod(pod.identity.name, pod.identity.namespace)
    }
    roll().catch(this.#options.failed)
  }

  /** Makes the pods that the workload wants and that are not there; ends those beyond its number. */
  #fill(workload: Workload): void {
    const { name, namespace } = workload.metadata
    const wanted = Array.from({ length: workload.spec.replicas ?? 1 }, (_, ordinal) => `${name}-${ordinal}`)
    for (const pod of this.#podsOf(workload)) {
      if (!wanted.includes(pod.identity.name)) this.#remove(pod).catch(this.#options.failed)
    }
    wanted.forEach((podName, ordinal) => {
      const key = `${namespace}/${podName}`
      if (this.#stopping || this.#pods.has(key) || this.#held.has(key)) return
      const pod = new LocalPod(
        {
          name: podName,
          namespace,
          uid: uuid(this.#options.random),
          ip: this.addressOf(namespace, name, ordinal),
        },
        {
          template: workload.spec.template,
          templateHash: templateHash(workload),
          claims: workload.kind === 'StatefulSet' ? (workload.spec.volumeClaimTemplates ?? []) : [],
        },
        this.#environment,
        (changed) => this.#tell(changed),
      )
      this.#pods.set(key, pod)
      this.#startSoon(pod)
    })
    this.#writeHosts()
  }

  #startSoon(pod: LocalPod): void {
    this.#toStart.add(pod)
    if (this.#toStart.size > 1) return
    this.#options.clock.after(0, () => {
      const pods = [...this.#toStart]
      this.#toStart.clear()
      for (const one of pods) {
        try {
          one.start()
        } catch (error) {
          this.#options.failed(error)
        }
      }
    })
  }

  async #remove(pod: LocalPod): Promise<void> {
    this.#toStart.delete(pod)
    await pod.stop()
    const key = `${pod.identity.namespace}/${pod.identity.name}`
    if (this.#pods.get(key) === pod) this.#pods.delete(key)
  }

  #podsOf(workload: Workload): LocalPod[] {
    const { namespace } = workload.metadata
    return [...this.#pods.values()].filter(
      (pod) => pod.identity.namespace === namespace && matchesLabels(pod.labels, workload.spec.selector.matchLabels),
    )
  }

  #workloads(): Workload[] {
    return [...this.#all('StatefulSet'), ...this.#all('Deployment')]
  }

  #all<Kind extends ManifestKind>(kind: Kind): ManifestOf<Kind>[] {
    return [...this.#objects.values()].filter((manifest): manifest is ManifestOf<Kind> => manifest.kind === kind)
  }

  #find<Kind extends ManifestKind>(ref: ObjectRef<Kind>): ManifestOf<Kind> | null {
    return (
      this.#all(ref.kind).find(({ metadata }) => metadata.name === ref.name && metadata.namespace === ref.namespace) ??
      null
    )
  }

  #writeHosts(): void {
    const pods = [...this.#pods.values()].map((pod) => ({ ...pod.identity, labels: pod.labels }))
    const text = hostsText(this.#all('Service'), pods, serviceAddress(this.#options.network))
    writeWhole(this.#options.hostsFile, text)
  }

  #tell(pod: LocalPod): void {
    for (const watcher of this.#watchers) watcher(pod.seen())
  }
}

/** A random UUID (RFC 9562 section 5.4). */
function uuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
