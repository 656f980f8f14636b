/** What an array has once, against a real API server. The pods of the directory are played by the test. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import type { StoredShard } from '#lib/ldap/entry.ts'
import { DirectoryError } from '#lib/ldap/errors.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { ClusterCaches } from '#operator/cluster/kubernetes/cluster-caches.ts'
import { PODS, RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { KubernetesCluster } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import { DIRECTORY } from '#operator/controllers/array/build.ts'
import {
  CLUSTER_SERVICES,
  DIRECTORY_WRITER,
  PASSWORD_KEYS,
  writerOf,
} from '#operator/controllers/array/cluster-services.ts'
import { type OtherAuthority, selectorOf } from '#operator/controllers/array-context.ts'
import { CLUSTER } from '#operator/controllers/testing/contexts.ts'
import { createApiClient } from '#operator/runtime/api-client.ts'
import { Reflector } from '#operator/runtime/reflector.ts'
import { eventually, makeNamespace, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { createArrayController } from './array-controller.ts'
import { openAuthority, secretText } from './authority.ts'
import { MAIL_NODES } from './mail-node-controller.ts'
import { PASSWORDS_SECRET } from './passwords.ts'
import { startTestApi, type TestApi } from './testing/test-operator.ts'

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

/** A controller as main wires it, in a namespace of its own, with a clock that the test can put forward. */
async function startController(
  given: { readonly directory?: 'away'; readonly otherAuthorities?: readonly OtherAuthority[] } = {},
) {
  const { client: admin, connection } = known(running, 'the API server was started')
  const namespace = await makeNamespace(admin, `array-${namespaces++}`)
  const writes: string[] = []
  const client = createApiClient({
    connection: {
      ...connection,
      request(wanted) {
        if (wanted.method !== 'GET') writes.push(wanted.doing)
        return connection.request(wanted)
      },
    },
  })
  let skewMs = 0
  const clock: Clock = {
    nowMs: () => nodeClock.nowMs(),
    monotonicMs: () => nodeClock.monotonicMs() + skewMs,
    after: (ms, run) => nodeClock.after(ms, run),
  }
  const watched = { client, namespace, clock: nodeClock, random: nodeRandom, failed: () => {}, changed: () => {} }
  const caches = new ClusterCaches(watched)
  const mailNodes = new Reflector({ ...watched, type: MAIL_NODES })
  const labels = selectorOf(DIRECTORY, CLUSTER_SERVICES.directory)
  const pods = new Reflector({ ...watched, type: PODS, selection: { labels } })
  caches.start()
  for (const reflector of [mailNodes, pods]) reflector.start()
  cleanUps.push(() => Promise.all([caches.stop(), mailNodes.stop(), pods.stop()]))
  await Promise.all([caches.synced(), mailNodes.synced, pods.synced])
  const told: (readonly StoredShard[])[] = []
  const look = createArrayController({
    client,
    cluster: new KubernetesCluster({ client, caches, clock: nodeClock }),
    caches,
    directoryPods: pods.cache,
    mailNodes: mailNodes.cache,
    directory: {
      async ensureShards(shards) {
        if (given.directory === 'away') throw new DirectoryError('DIRECTORY_UNAVAILABLE', 'away')
        told.push(shards)
      },
    },
    authority: () => openAuthority({ client, namespace, clock: nodeClock, random: nodeRandom }),
    context: { ...CLUSTER, namespace, otherAuthorities: given.otherAuthorities ?? [] },
    ownPublicCertificate: true,
    clock,
    random: nodeRandom,
    logger: silentLogger,
  })
  const secret = (name: string) => admin.get(RESOURCE_TYPES.Secret, namespace, name)
  const writer = async () => writerOf(await admin.get(RESOURCE_TYPES.Service, namespace, DIRECTORY_WRITER))
  /** The kubelet's part: a directory pod that is ready or not. */
  const setPod = async (ordinal: number, ready: boolean) => {
    const name = `${CLUSTER_SERVICES.directory}-${ordinal}`
    const metadata = { name, namespace, labels }
    const containers = [{ name: 'openldap', image: 'openldap' }]
    await admin.apply(PODS, { metadata, spec: { containers } }, { fieldManager: TEST_MANAGER })
    const status = { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] }
    await admin.apply(PODS, { metadata, status }, { fieldManager: 'kubelet', force: true, subresource: 'status' })
    await eventually(() => {
      const seen = pods.cache.get(`${namespace}/${name}`)?.['status'] as Partial<typeof status> | undefined
      return seen?.conditions?.[0]?.status === status.conditions[0]?.status
    })
  }
  const cached = (name: string) => eventually(() => caches.get('Secret', namespace, name) !== null, 10_000, name)
  const forward = (ms: number) => {
    skewMs += ms
  }
  return { admin, namespace, writes, look, secret, writer, setPod, cached, told, forward, mailNodes }
}

test('the first look makes what pods wait for, the next one writes nothing', { skip }, async () => {
  const { look, secret, writes, cached, namespace } = await startController()
  await look()
  const made = [
    'twinpost-ca',
    PASSWORDS_SECRET,
    'edge-credentials',
    'provision-credentials',
    'twinpost-nats-auth',
    'twinpost-directory-passwords',
    'twinpost-nats-tls',
    'twinpost-directory-tls',
    'twinpost-provision-tls',
    'twinpost-resolver-tls',
    'public-tls',
  ]
  for (const name of made) {
    const found = await secret(name)
    assert.ok(found, name)
    assert.equal(found.metadata.ownerReferences, undefined, `${name} is owned by nobody`)
  }
  const ca = new X509Certificate(secretText(await secret('twinpost-ca'), 'tls.crt') ?? '')
  const leaf = new X509Certificate(secretText(await secret('twinpost-directory-tls'), 'tls.crt') ?? '')
  assert.ok(leaf.verify(ca.publicKey))
  assert.ok(leaf.checkHost(`twinpost-directory-1.twinpost-directory-pods.${namespace}.svc`))
  await cached('public-tls')
  writes.length = 0
  await look()
  assert.deepEqual(writes, [])
})

test('passwords that are there are kept, and missing ones are added', { skip }, async () => {
  const { admin, look, secret, namespace } = await startController()
  const data = { 'directory-edge': Buffer.from('given\n').toString('base64') }
  const metadata = { name: PASSWORDS_SECRET, namespace }
  await admin.create(RESOURCE_TYPES.Secret, { metadata, type: 'Opaque', data })
  await look()
  const kept = await secret(PASSWORDS_SECRET)
  assert.equal(secretText(kept, 'directory-edge'), 'given\n')
  for (const key of PASSWORD_KEYS) assert.ok(secretText(kept, key), key)
  assert.equal(secretText(await secret('edge-credentials'), 'directory-password'), 'given')
})

test('the authority of a directory of somebody else is wanted in so many words, and handed on', { skip }, async () => {
  const { admin, look, secret, namespace } = await startController({ otherAuthorities: ['directory'] })
  await assert.rejects(look, /Secret array-\d+\/twinpost-credentials must hold its authority as directory-ca\.crt/)
  const data = { 'directory-ca.crt': Buffer.from('PEM of theirs').toString('base64') }
  await admin.mergePatch(RESOURCE_TYPES.Secret, namespace, PASSWORDS_SECRET, { data })
  await look()
  for (const name of ['edge-credentials', 'provision-credentials']) {
    assert.equal(secretText(await secret(name), 'directory-ca.crt'), 'PEM of theirs', name)
  }
})

test("a certificate for mail clients that is somebody else's is left alone", { skip }, async () => {
  const { admin, look, secret, namespace } = await startController()
  const data = { 'tls.crt': Buffer.from('theirs').toString('base64'), 'tls.key': '' }
  const metadata = { name: CLUSTER.publicCertificateSecret, namespace }
  await admin.create(RESOURCE_TYPES.Secret, { metadata, type: 'kubernetes.io/tls', data })
  await look()
  assert.equal(secretText(await secret(CLUSTER.publicCertificateSecret), 'tls.crt'), 'theirs')
})

test('writes go to one directory server, and to the other one when that stays away', { skip }, async () => {
  const { look, writer, setPod, forward } = await startController()
  await setPod(0, false)
  await setPod(1, false)
  await look()
  assert.equal(await writer(), null)
  await setPod(0, true)
  await setPod(1, true)
  await look()
  assert.equal(await writer(), 'twinpost-directory-0')
  await setPod(0, false)
  assert.ok((await look()) <= 15_000, 'it looks again when the patience ends')
  assert.equal(await writer(), 'twinpost-directory-0')
  forward(16_000)
  await look()
  assert.equal(await writer(), 'twinpost-directory-1')
  await setPod(0, true)
  forward(600_000)
  await look()
  assert.equal(await writer(), 'twinpost-directory-1', 'nobody goes back to a first choice')
})

test('the directory hears of shards once, and again when they change', { skip }, async () => {
  const { admin, look, told, mailNodes, namespace } = await startController()
  const apply = async (name: string) => {
    await admin.apply(MAIL_NODES, { metadata: { name, namespace }, spec: {} }, { fieldManager: TEST_MANAGER })
    await eventually(() => mailNodes.cache.get(`${namespace}/${name}`) !== null)
  }
  await apply('n1')
  await look()
  await look()
  assert.deepEqual(told, [['n1/0', 'n1/1'].map((name) => ({ name, active: true }))])
  await apply('n2')
  await look()
  assert.equal(told.length, 2)
  assert.equal(told[1]?.length, 4)
})

test('a directory that is not there yet is asked again soon', { skip }, async () => {
  const { look } = await startController({ directory: 'away' })
  assert.ok((await look()) <= 5_000)
})
