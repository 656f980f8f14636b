/**
 * One pod of the local cluster: its folders, and a process per container. A pod has one UID and one address for its whole
 * life; restarting a container changes neither.
 */
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { SeenContainer, SeenPod } from '../cluster.ts'
import type { PodTemplate, StatefulSet } from '../objects.ts'
import { LocalContainer } from './container.ts'
import { LocalClusterError, planContainer } from './container-plan.ts'
import { hostsFilesOf } from './hosts.ts'
import type { ProcessTable } from './process-table.ts'
import { mountsOf, type ObjectSource, prepareVolumes, type VolumeFolders, writeObjectFiles } from './volumes.ts'

const GRACE_SECONDS = 30 // of the Kubernetes API, where the template says nothing

/** What all pods of one local cluster share. */
export interface PodEnvironment {
  readonly folders: VolumeFolders
  readonly logsDir: string
  readonly cwd: string
  readonly hostsFile: string
  readonly baseEnv: Readonly<Record<string, string>>
  readonly programs: Readonly<Record<string, string>>
  readonly objects: ObjectSource
  readonly processes: ProcessTable
  readonly clock: Clock
}

export interface PodIdentity {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly ip: string
}

export class LocalPod {
  readonly identity: PodIdentity
  readonly template: PodTemplate
  readonly templateHash: string
  readonly #environment: PodEnvironment
  readonly #claims: NonNullable<StatefulSet['spec']['volumeClaimTemplates']>
  readonly #changed: (pod: LocalPod) => void
  #containers: LocalContainer[] = []
  #volumes: Map<string, string> | null = null
  #waitsFor: string | null = 'not started'
  #stopped = false

  constructor(
    identity: PodIdentity,
    made: {
      readonly template: PodTemplate
      readonly templateHash: string
      readonly claims: NonNullable<StatefulSet['spec']['volumeClaimTemplates']>
    },
    environment: PodEnvironment,
    changed: (pod: LocalPod) => void,
  ) {
    this.identity = identity
    this.template = made.template
    this.templateHash = made.templateHash
    this.#claims = made.claims
    this.#environment = environment
    this.#changed = changed
  }

  get labels(): Readonly<Record<string, string>> {
    return this.template.metadata.labels
  }

  seen(): SeenPod {
    const { name, namespace, uid, ip } = this.identity
    const containers = this.#containers.length > 0 ? this.#containers.map((one) => one.seen()) : this.#pending()
    const ready = containers.length > 0 && containers.every((container) => container.ready)
    return { name, namespace, uid, ip, labels: this.labels, templateHash: this.templateHash, ready, containers }
  }

  /** Starts the containers, or waits if an object that it mounts is not there yet: call it again when objects came. */
  start(): void {
    if (this.#stopped || this.#containers.length > 0) return
    const { spec } = this.template
    const { environment, identity } = { environment: this.#environment, identity: this.identity }
    try {
      this.#volumes ??= prepareVolumes(identity, spec, this.#claims, environment.folders)
      writeObjectFiles(identity.namespace, spec, this.#volumes, environment.objects)
    } catch (error) {
      if (!(error instanceof LocalClusterError)) throw error
      this.#waitsFor = errorMessage(error)
      this.#changed(this)
      return
    }
    const volumes = this.#volumes
    this.#containers = spec.containers.map(
      (container) =>
        new LocalContainer({
          name: `${identity.name}/${container.name}`,
          container,
          podIp: identity.ip,
          plan: () =>
            planContainer(container, identity, mountsOf(container, volumes), environment.programs, (secret, key) =>
              this.#secretValue(secret, key),
            ),
          baseEnv: {
            ...environment.baseEnv,
            TWINPOST_HOSTS_FILE: hostsFilesOf(environment.hostsFile, identity.name),
          },
          cwd: environment.cwd,
          logFile: join(environment.logsDir, `${identity.name}-${container.name}.log`),
          clock: environment.clock,
          processes: environment.processes,
          changed: () => this.#changed(this),
        }),
    )
    for (const container of this.#containers) container.start()
  }

  /** Writes changed Secrets and ConfigMaps into the folders that the containers see. */
  refreshFiles(): void {
    if (this.#stopped) return
    if (this.#containers.length === 0) this.start()
    else if (this.#volumes) {
      writeObjectFiles(this.identity.namespace, this.template.spec, this.#volumes, this.#environment.objects)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const graceMs = (this.template.spec.terminationGracePeriodSeconds ?? GRACE_SECONDS) * 1_000
    await Promise.all(this.#containers.map((container) => container.stop(graceMs)))
  }

  #pending(): SeenContainer[] {
    return this.template.spec.containers.map(({ name }) => ({
      name,
      state: 'waiting',
      ready: false,
      restarts: 0,
      pid: null,
      startedAtMs: null,
      reason: this.#waitsFor,
    }))
  }

  #secretValue(name: string, key: string): string {
    const value = this.#environment.objects.secret(this.identity.namespace, name)?.stringData[key]
    if (value === undefined) throw new LocalClusterError('LOCAL_MISSING', `Cannot find key ${key} of Secret ${name}`)
    return value
  }
}
