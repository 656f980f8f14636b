/**
 * An API server with the shipped CRDs, and the operator's loops over Domains and FilterPools on it as main wires them, with a
 * directory in memory and a DNS that tests fill. Counts what is written.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { sealingOf } from '#lib/directory/domain-sending.ts'
import { known } from '#lib/errors/assert.ts'
import type { StoredDomain } from '#lib/ldap/entry.ts'
import { DirectoryError } from '#lib/ldap/errors.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { KubernetesCluster } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import { generateDkimKeys } from '#operator/controllers/domain/generate-keys.ts'
import type { DkimKeyPair } from '#operator/controllers/domain/keys.ts'
import type { DomainDirectory } from '#operator/controllers/domain/reconcile.ts'
import { CLUSTER } from '#operator/controllers/testing/contexts.ts'
import { type ApiClient, createApiClient } from '#operator/runtime/api-client.ts'
import type { ApiConnection, ApiRequest } from '#operator/runtime/connection.ts'
import { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'
import { connectTo, eventually, makeNamespace, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { type ApiServer, startApiServer } from '../../../tools/kube/api-server.ts'
import { openAuthority } from '../authority.ts'
import { DOMAINS } from '../domain-controller.ts'
import { createResourceLoops } from '../resource-loops.ts'

const CRDS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
}

export interface TestApi {
  readonly server: ApiServer
  readonly connection: ApiConnection
  readonly client: ApiClient
  stop(): Promise<void>
}

export async function startTestApi(): Promise<TestApi> {
  const server = await startApiServer()
  const connection = connectTo(server)
  const client = createApiClient({ connection })
  const folder = join(import.meta.dirname, '../../../crds')
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const crd = parse(readFileSync(join(folder, file), 'utf8')) as KubeObject
    await client.apply(CRDS, crd, { fieldManager: TEST_MANAGER })
  }
  await eventually(async () => (await client.list(DOMAINS, null).catch(() => null)) !== null, 20_000, 'the CRDs')
  return {
    server,
    connection,
    client,
    async stop() {
      await connection.close()
      await server.stop()
    },
  }
}

/** A directory that keeps Domains in memory, by the rules of lib/ldap/admin.ts. */
export function memoryDirectory() {
  const entries = new Map<string, StoredDomain>()
  const state = { down: false, writes: 0 }
  const up = () => {
    if (state.down) throw new DirectoryError('DIRECTORY_UNAVAILABLE', 'Cannot reach the directory')
  }
  const directory: DomainDirectory = {
    async ensureDomain(domain) {
      up()
      if (JSON.stringify(entries.get(domain.name)) === JSON.stringify(domain)) return false
      entries.set(domain.name, domain)
      state.writes++
      return true
    },
    async removeDomain(name, owner) {
      up()
      if (entries.get(name)?.owner !== owner) return false
      state.writes++
      return entries.delete(name)
    },
    async listDomains() {
      up()
      return [...entries.values()]
    },
  }
  return { directory, entries, state }
}

export const SEALING = known(sealingOf('a word for tests'), 'a word')

let spareKeys: Promise<DkimKeyPair> | null = null
/** One pair for all: making an RSA key takes a tenth of a second of a core. */
export function sameKeys(): Promise<DkimKeyPair> {
  spareKeys ??= generateDkimKeys()
  return spareKeys
}

export async function startTestOperator(
  api: TestApi,
  namespace: string,
  more: {
    readonly directory?: DomainDirectory
    readonly dns?: ReadonlyMap<string, readonly string[]>
    readonly makeKeys?: () => Promise<DkimKeyPair>
    readonly imageHasFilter?: boolean
    /** An error to answer a request with instead of asking the server, or null. */
    readonly fault?: (request: ApiRequest) => Error | null
  } = {},
) {
  await makeNamespace(api.client, namespace)
  const writes: string[] = []
  const failures: unknown[] = []
  const changed: string[] = []
  const poolsChanged: string[] = []
  const counting: ApiConnection = {
    ...api.connection,
    async request(wanted) {
      const error = more.fault?.(wanted) ?? null
      if (error !== null) throw error
      if (wanted.method !== 'GET') writes.push(wanted.doing)
      return api.connection.request(wanted)
    },
  }
  const client = createApiClient({ connection: counting })
  const watched = { client, namespace, clock: nodeClock, random: nodeRandom, failed: (e: unknown) => failures.push(e) }
  const caches = new ClusterCaches(watched)
  const recorder = new EventRecorder({ ...watched, controller: 'twinpost.io/operator', instance: 'operator-0' })
  let runs = 0
  const loops = createResourceLoops({
    reader: client,
    writer: client,
    cluster: new KubernetesCluster({ client, caches, clock: nodeClock }),
    caches,
    watchNamespace: namespace,
    workers: 4,
    authority: () => openAuthority({ client, namespace, clock: nodeClock, random: nodeRandom }),
    contextFor: () => ({ ...CLUSTER, namespace }),
    mailHostname: CLUSTER.mailHostname,
    directory: more.directory ?? memoryDirectory().directory,
    domainChanged: (name) => changed.push(name),
    lookupTxt: async (name) => more.dns?.get(name) ?? [],
    makeKeys: more.makeKeys ?? generateDkimKeys,
    sealing: async () => SEALING,
    imageHasFilter: more.imageHasFilter ?? true,
    poolChanged: (key) => poolsChanged.push(key),
    recorder,
    reconciled: () => runs++,
    watchFailed: (error) => failures.push(error),
    backoff: { firstMs: 50, maxMs: 1_000 },
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
  })
  caches.start()
  loops.start()
  await Promise.all([caches.synced(), ...loops.all.map((loop) => loop.synced)])
  loops.lead()
  const [domains, pools] = loops.all
  return {
    caches,
    writes,
    failures,
    changed,
    poolsChanged,
    runs: () => runs,
    /** Looks at a resource again, `times` times one after the other. */
    async look(kind: 'Domain' | 'FilterPool', name: string, times: number) {
      const queue = (kind === 'Domain' ? domains : pools)?.queue
      for (let i = 0; i < times; i++) {
        const before = runs
        queue?.add(`${namespace}/${name}`)
        await eventually(() => runs > before)
      }
    },
    /** Waits until nothing has run or been written for a while. */
    async quiet(stillMs = 400) {
      for (let before = -1; before !== runs + writes.length; ) {
        before = runs + writes.length
        await new Promise<void>((resolve) => nodeClock.after(stillMs, resolve))
      }
      await recorder.flush()
    },
    async stop() {
      await loops.rest()
      await Promise.all([loops.stop(), caches.stop()])
    },
  }
}
