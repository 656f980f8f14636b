/**
 * The operator's controllers against a real API server with the shipped CRDs: objects appear, nothing is written when nothing
 * differs, drift is repaired, outdated pods are replaced one at a time. There are no controllers of Kubernetes here, so the
 * test plays the StatefulSet controller and the kubelet: it makes pods and says that they are ready.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { PODS, RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { KubernetesCluster } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import type { ManifestKind } from '#operator/cluster/objects.ts'
import { LEDGER_ANNOTATION } from '#operator/controllers/mailnode/shard-facts.ts'
import { CLUSTER } from '#operator/controllers/testing/contexts.ts'
import { type ApiClient, createApiClient } from '#operator/runtime/api-client.ts'
import { askedWaitMs } from '#operator/runtime/api-error.ts'
import type { ApiConnection } from '#operator/runtime/connection.ts'
import { EventRecorder } from '#operator/runtime/event-recorder.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import { ObjectCache } from '#operator/runtime/object-cache.ts'
import { Reflector } from '#operator/runtime/reflector.ts'
import { EVENTS } from '#operator/runtime/resources.ts'
import { eventually, makeNamespace, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { WorkQueue } from '#operator/runtime/work-queue.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { AUTHORITY_SECRET, openAuthority, secretText } from './authority.ts'
import { createMailNodeController, MAIL_NODES, mailNodeOf } from './mail-node-controller.ts'
import { startTestApi, type TestApi } from './testing/test-operator.ts'
import { CLAIMS } from './volume-growth.ts'

const skip = whyNoApiServer()
let running: TestApi | null = null
const cleanUps: (() => unknown)[] = []
let namespaces = 0

before(async () => {
  if (!skip) running = await startTestApi()
})
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
  await running?.stop()
})

/** An operator as main wires it, that counts what it writes. */
async function startOperator() {
  const { client: admin, connection } = known(running, 'the API server was started')
  const namespace = await makeNamespace(admin, `mail-${namespaces++}`)
  const writes: string[] = []
  const failures: unknown[] = []
  const counting: ApiConnection = {
    ...connection,
    request(wanted) {
      if (wanted.method !== 'GET') writes.push(wanted.doing)
      return connection.request(wanted)
    },
  }
  const client = createApiClient({ connection: counting })
  const watched = { client, namespace, clock: nodeClock, random: nodeRandom, failed: (e: unknown) => failures.push(e) }
  const caches = new ClusterCaches(watched)
  const mailNodes = new Reflector({ ...watched, type: MAIL_NODES, changed: (key) => queue.add(key) })
  const recorder = new EventRecorder({ ...watched, controller: 'twinpost.io/operator', instance: 'operator-0' })
  const filterPools = new ObjectCache()
  const reconcile = createMailNodeController({
    client,
    cluster: new KubernetesCluster({ client, caches, clock: nodeClock }),
    caches,
    mailNodes: mailNodes.cache,
    filterPools,
    authority: () => openAuthority({ client, namespace, clock: nodeClock, random: nodeRandom }),
    contextFor: () => ({ ...CLUSTER, namespace }),
    recorder,
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
  })
  let runs = 0
  const queue = new WorkQueue({
    work(key) {
      runs++
      return reconcile(key)
    },
    clock: nodeClock,
    random: nodeRandom,
    workers: 2,
    backoff: { firstMs: 50, maxMs: 1_000 },
    retryAfterMs: askedWaitMs,
    failed: (_key, error) => failures.push(error),
  })
  caches.watch((object) => {
    const key = mailNodeOf(object)
    if (key !== null) queue.add(key)
  })
  mailNodes.start()
  caches.start()
  await Promise.all([mailNodes.synced, caches.synced()])
  queue.start()
  cleanUps.push(async () => {
    await queue.stop()
    await Promise.all([mailNodes.stop(), caches.stop()])
  })
  /** Waits until nothing has run or been written for a while. */
  const quiet = async () => {
    for (let before = -1; before !== runs + writes.length; ) {
      before = runs + writes.length
      await new Promise<void>((resolve) => nodeClock.after(400, resolve))
    }
    await recorder.flush()
  }
  const names = async (kind: ManifestKind) =>
    (await admin.list(RESOURCE_TYPES[kind], namespace)).items.map((item) => item.metadata.name).sort()
  return { admin, namespace, writes, failures, queue, quiet, names, runs: () => runs }
}

async function makeNode(client: ApiClient, namespace: string, spec: Record<string, unknown> = {}): Promise<KubeObject> {
  return client.apply(MAIL_NODES, { metadata: { name: 'n1', namespace }, spec }, { fieldManager: TEST_MANAGER })
}

/** What the StatefulSet controller and the kubelet would do for one ordinal. */
async function playPod(client: ApiClient, namespace: string, ordinal: number, ready = true): Promise<void> {
  const set = known(await client.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1'), 'the StatefulSet')
  const { template } = set['spec'] as {
    template: {
      metadata: { labels: object; annotations: object }
      spec: { containers: { name: string; image: string }[] }
    }
  }
  const metadata = { name: `n1-${ordinal}`, namespace }
  const containers = template.spec.containers.map(({ name, image }) => ({ name, image }))
  const { labels, annotations } = template.metadata
  await client.create(PODS, {
    metadata: { ...metadata, labels: { ...labels }, annotations: { ...annotations } },
    spec: { containers },
  })
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }]
  await client.mergePatch(PODS, namespace, metadata.name, { status: { conditions } }, 'status')
}

/** What the members would write into the ledgers of both shards. */
async function playLedgers(client: ApiClient, namespace: string, ...inSync: number[]): Promise<void> {
  for (const index of [0, 1]) {
    const id = (member: number) => `n1/${index}@${member}#inc`
    const replicas = [0, 1].map((member) => ({ id: id(member), member }))
    const entry = { epoch: 3, primary: id(inSync[0] ?? 0), inSync: inSync.map(id), replicas }
    const annotations = { [LEDGER_ANNOTATION]: JSON.stringify(entry) }
    await client.mergePatch(RESOURCE_TYPES.Lease, namespace, `n1-${index}`, { metadata: { annotations } })
  }
}

async function statusNow(client: ApiClient, namespace: string) {
  const node = await client.get(MAIL_NODES, namespace, 'n1')
  return node?.['status'] as
    | {
        phase?: string
        phaseReason?: string
        observedGeneration?: number
        shards?: { shard: string; epoch: number; primary?: { member: string }; inSync: string[] }[]
        conditions?: { type: string; status: string; reason: string }[]
      }
    | undefined
}

test('A MailNode becomes its objects, and then nothing is written any more', { skip }, async () => {
  const { admin, namespace, writes, failures, queue, quiet, names, runs } = await startOperator()
  await makeNode(admin, namespace)
  await eventually(async () => (await statusNow(admin, namespace))?.phase === 'Pending')
  await quiet()
  assert.deepEqual(failures, [])
  assert.deepEqual(await names('StatefulSet'), ['n1'])
  assert.deepEqual(await names('Service'), ['n1', 'n1-edge'])
  assert.deepEqual(await names('Lease'), ['n1-0', 'n1-1'])
  assert.deepEqual(await names('Secret'), ['n1-edge-tls', 'n1-member-tls', AUTHORITY_SECRET].sort())
  assert.deepEqual(
    [await names('Role'), await names('RoleBinding'), await names('PodDisruptionBudget')],
    [['n1'], ['n1'], ['n1']],
  )
  const set = await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')
  assert.equal(set?.metadata.ownerReferences?.length, 1)
  const lease = await admin.get(RESOURCE_TYPES.Lease, namespace, 'n1-0')
  assert.equal(lease?.metadata.ownerReferences, undefined, 'a ledger stays with its volumes')

  writes.length = 0
  const before = runs()
  for (let i = 0; i < 20; i++) {
    queue.add(`${namespace}/n1`)
    await eventually(() => runs() > before + i)
  }
  await quiet()
  assert.deepEqual(writes, [])
})

test('Drift is repaired: what we mean comes back, what others added stays', { skip }, async () => {
  const { admin, namespace, failures, quiet, writes } = await startOperator()
  await makeNode(admin, namespace)
  await eventually(async () => (await statusNow(admin, namespace))?.phase === 'Pending')
  await quiet()
  writes.length = 0
  const service = RESOURCE_TYPES.Service
  await admin.mergePatch(service, namespace, 'n1-edge', {
    metadata: { annotations: { 'example.test/note': 'keep' } },
    spec: { selector: { 'twinpost.io/serving': 'false' } },
  })
  await admin.delete(RESOURCE_TYPES.PodDisruptionBudget, namespace, 'n1')
  await eventually(async () => {
    const found = await admin.get(service, namespace, 'n1-edge')
    const { selector } = (found?.['spec'] ?? {}) as { selector?: Record<string, string> }
    return selector?.['twinpost.io/serving'] === 'true'
  })
  await eventually(async () => (await admin.get(RESOURCE_TYPES.PodDisruptionBudget, namespace, 'n1')) !== null)
  const found = await admin.get(service, namespace, 'n1-edge')
  assert.equal(found?.metadata.annotations?.['example.test/note'], 'keep')
  await quiet()
  assert.deepEqual(failures, [])
  assert.ok(writes.length <= 6, `a few applies and no fight: ${writes.join('; ')}`)
})

test('Status follows the pods, and outdated members are replaced one at a time with an Event', { skip }, async () => {
  const { admin, namespace, failures, quiet } = await startOperator()
  await makeNode(admin, namespace)
  await eventually(async () => (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')) !== null)
  await playPod(admin, namespace, 0)
  await eventually(async () => (await statusNow(admin, namespace))?.phase === 'Degraded')
  await playPod(admin, namespace, 1)
  await eventually(async () => (await statusNow(admin, namespace))?.phase === 'Running')
  assert.equal((await statusNow(admin, namespace))?.conditions?.[0]?.status, 'True')
  const budget = async () => (await admin.get(RESOURCE_TYPES.PodDisruptionBudget, namespace, 'n1'))?.['spec']
  assert.equal(
    ((await budget()) as { maxUnavailable?: number }).maxUnavailable,
    0,
    'no ledger says that there are two copies',
  )
  await playLedgers(admin, namespace, 0, 1)
  await eventually(async () => ((await budget()) as { maxUnavailable?: number }).maxUnavailable === 1)
  await eventually(async () => (await statusNow(admin, namespace))?.shards?.length === 2)
  assert.deepEqual((await statusNow(admin, namespace))?.shards?.[0], {
    shard: 'n1/0',
    epoch: 3,
    primary: { member: 'n1-0' },
    mirror: { member: 'n1-1' },
    inSync: ['n1-0', 'n1-1'],
  })

  const changed = await makeNode(admin, namespace, { image: 'twinpost:9.9.9' })
  await eventually(async () => (await admin.get(PODS, namespace, 'n1-1')) === null, 10_000, 'the one without primaries')
  await playLedgers(admin, namespace, 0)
  await quiet()
  assert.notEqual(await admin.get(PODS, namespace, 'n1-0'), null, 'not while the other one is away')
  assert.equal((await statusNow(admin, namespace))?.observedGeneration, changed.metadata.generation)
  await playPod(admin, namespace, 1)
  await quiet()
  assert.notEqual(await admin.get(PODS, namespace, 'n1-0'), null, 'not while the other one is behind')
  const upToDate = (await statusNow(admin, namespace))?.conditions?.find(({ type }) => type === 'UpToDate')
  assert.deepEqual([upToDate?.status, upToDate?.reason], ['False', 'ShardOutOfSync'])
  await playLedgers(admin, namespace, 0, 1)
  await eventually(async () => (await admin.get(PODS, namespace, 'n1-0')) === null, 10_000, 'the second replacement')
  await playPod(admin, namespace, 0)
  await eventually(async () => (await statusNow(admin, namespace))?.phase === 'Running')
  await quiet()
  const events = (await admin.list(EVENTS, namespace)).items
  const replaced = events.filter((event) => event['reason'] === 'MemberReplaced').map((event) => event['note'])
  assert.deepEqual(replaced.sort(), [
    'Replaces n1-0: it was made from an older template; its shards hand over first',
    'Replaces n1-1: it was made from an older template; its shards hand over first',
  ])
  assert.deepEqual(failures, [])
})

test('The edge of a member that all ledgers leave out leaves the Services, and comes back', { skip }, async () => {
  const { admin, namespace, failures } = await startOperator()
  await makeNode(admin, namespace)
  await eventually(async () => (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')) !== null)
  for (const ordinal of [0, 1]) await playPod(admin, namespace, ordinal)
  await playLedgers(admin, namespace, 0, 1)
  await eventually(async () => (await statusNow(admin, namespace))?.shards?.length === 2)
  const serving = async (pod: string) =>
    (await admin.get(PODS, namespace, pod))?.metadata.labels?.['twinpost.io/serving']
  // The node of n1-0 is cut off: its pod is Ready for the API server for a long time yet.
  await playLedgers(admin, namespace, 1)
  await eventually(async () => (await serving('n1-0')) === 'false')
  assert.equal(await serving('n1-1'), 'true')
  await playLedgers(admin, namespace, 1, 0)
  await eventually(async () => (await serving('n1-0')) === 'true')
  assert.deepEqual(failures, [])
})

test('A member that shall be fenced is told so by a label, and that it no longer shall', { skip }, async () => {
  const { admin, namespace, failures } = await startOperator()
  await assert.rejects(makeNode(admin, namespace, { fenced: ['n2-0'] }), {
    code: 'KUBE_INVALID',
    message: /fenced names members by their pods: <name>-0 and <name>-1/,
  })
  await makeNode(admin, namespace, { fenced: ['n1-1'] })
  await eventually(async () => (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')) !== null)
  for (const ordinal of [0, 1]) await playPod(admin, namespace, ordinal)
  const labels = async (pod: string) => (await admin.get(PODS, namespace, pod))?.metadata.labels ?? {}
  await eventually(async () => (await labels('n1-1'))['twinpost.io/fenced'] === 'true')
  assert.equal((await labels('n1-0'))['twinpost.io/fenced'], undefined, 'no wish, no label')
  await eventually(async () =>
    Boolean((await statusNow(admin, namespace))?.conditions?.some(({ reason }) => reason === 'SpecFenced')),
  )
  await makeNode(admin, namespace, { fenced: [] })
  await eventually(async () => (await labels('n1-1'))['twinpost.io/fenced'] === 'false')
  assert.deepEqual(failures, [])
})

test('Volumes grow, then the claim template, also together with the pod template', { skip }, async () => {
  const { admin, namespace, failures } = await startOperator()
  await makeNode(admin, namespace, { storage: { size: '10Gi' } })
  await eventually(async () => (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')) !== null)
  // The test plays the StatefulSet controller, a StorageClass that can grow, and the resizer.
  const grows = {
    group: 'storage.k8s.io',
    version: 'v1',
    kind: 'StorageClass',
    plural: 'storageclasses',
    namespaced: false,
  }
  const storageClass = {
    metadata: { name: `grows-${namespace}` },
    provisioner: 'example.test/csi',
    allowVolumeExpansion: true,
  }
  await admin.apply(grows, storageClass, { fieldManager: TEST_MANAGER })
  const capacity = (name: string, storage: string) =>
    admin.mergePatch(CLAIMS, namespace, name, { status: { phase: 'Bound', capacity: { storage } } }, 'status')
  for (const ordinal of [0, 1]) {
    await playPod(admin, namespace, ordinal)
    const name = `data-n1-${ordinal}`
    await admin.create(CLAIMS, {
      metadata: { name, namespace },
      spec: {
        accessModes: ['ReadWriteOncePod'],
        storageClassName: storageClass.metadata.name,
        volumeName: `pv-${name}`,
        resources: { requests: { storage: '10Gi' } },
      },
    })
    await capacity(name, '10Gi')
  }
  await playLedgers(admin, namespace, 0, 1)
  const uid = (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1'))?.metadata.uid
  await makeNode(admin, namespace, { storage: { size: '20Gi' }, image: 'twinpost:9.9.9' })
  const requested = async (name: string) => {
    const spec = (await admin.get(CLAIMS, namespace, name))?.['spec'] as
      | { resources?: { requests?: { storage?: string } } }
      | undefined
    return spec?.resources?.requests?.storage
  }
  for (const ordinal of [0, 1]) await eventually(async () => (await requested(`data-n1-${ordinal}`)) === '20Gi')
  // Orphaned: here the test is the garbage collector, which takes the finalizer off when the pods are free.
  await eventually(
    async () => {
      const set = await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')
      if (set?.metadata.uid !== uid) return true
      if (set?.metadata.deletionTimestamp === undefined) return false
      await admin.mergePatch(RESOURCE_TYPES.StatefulSet, namespace, 'n1', { metadata: { finalizers: null } })
      return false
    },
    20_000,
    'a new StatefulSet',
  )
  const template = async () => {
    const set = await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')
    const spec = set?.['spec'] as {
      volumeClaimTemplates?: { spec: { resources: { requests: { storage: string } } } }[]
    }
    return spec?.volumeClaimTemplates?.[0]?.spec.resources.requests.storage
  }
  await eventually(async () => (await template()) === '20Gi', 20_000, 'the template')
  await eventually(async () => (await admin.get(PODS, namespace, 'n1-1')) === null, 20_000, 'the roll goes on')
  for (const ordinal of [0, 1]) await capacity(`data-n1-${ordinal}`, '20Gi')
  assert.deepEqual(failures, [])
})

test('Storage that cannot grow is told in words, and the rest of the MailNode goes on', { skip }, async () => {
  const { admin, namespace, failures } = await startOperator()
  await makeNode(admin, namespace, { storage: { size: '10Gi' } })
  await eventually(async () => (await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')) !== null)
  await admin.create(CLAIMS, {
    metadata: { name: 'data-n1-0', namespace },
    spec: {
      accessModes: ['ReadWriteOncePod'],
      storageClassName: 'none',
      volumeName: 'pv',
      resources: { requests: { storage: '10Gi' } },
    },
  })
  await admin.mergePatch(CLAIMS, namespace, 'data-n1-0', { status: { phase: 'Bound' } }, 'status')
  await makeNode(admin, namespace, { storage: { size: '20Gi' }, image: 'twinpost:9.9.9' })
  await eventually(async () =>
    /Volumes cannot grow to 20Gi/.test((await statusNow(admin, namespace))?.phaseReason ?? ''),
  )
  await eventually(async () => {
    const set = await admin.get(RESOURCE_TYPES.StatefulSet, namespace, 'n1')
    return JSON.stringify(set).includes('twinpost:9.9.9')
  })
  assert.deepEqual(failures, [])
})

test('Certificates that serve are kept over a restart of the operator', { skip }, async () => {
  const first = await startOperator()
  await makeNode(first.admin, first.namespace)
  await eventually(async () => (await statusNow(first.admin, first.namespace))?.phase === 'Pending')
  await first.quiet()
  const { connection, client } = known(running, 'the API server was started')
  const version = async () =>
    (await client.get(RESOURCE_TYPES.Secret, first.namespace, 'n1-member-tls'))?.metadata.resourceVersion
  const before = await version()
  const again = await openAuthority({ client, namespace: first.namespace, clock: nodeClock, random: nodeRandom })
  const secret = await client.get(RESOURCE_TYPES.Secret, first.namespace, AUTHORITY_SECRET)
  assert.equal(secretText(secret, 'tls.crt'), again.cert)
  first.queue.add(`${first.namespace}/n1`)
  await first.quiet()
  assert.equal(await version(), before)
  assert.equal(connection.namespace, null)
})

test('The API server refuses what the schema forbids, in words that say what to do', { skip }, async () => {
  const { client } = known(running, 'the API server was started')
  const namespace = await makeNamespace(client, `mail-${namespaces++}`)
  await makeNode(client, namespace, { shards: 2, storage: { size: '10Gi' } })
  await assert.rejects(makeNode(client, namespace, { shards: 4 }), {
    code: 'KUBE_INVALID',
    message: /shards cannot change/,
  })
  const smaller = { storage: { size: '5Gi' } }
  await assert.rejects(makeNode(client, namespace, smaller), {
    code: 'KUBE_INVALID',
    message: /storage\.size cannot shrink/,
  })
  await makeNode(client, namespace, { storage: { size: '20Gi' } })
})
