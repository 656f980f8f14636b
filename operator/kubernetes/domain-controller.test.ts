/**
 * Domains against a real API server with the shipped CRDs: keys, entries of the directory, records, conflicts, rotation, and what
 * must never happen: new keys after a failed read, a touched pod, a write when nothing is new.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openSending } from '#lib/directory/domain-sending.ts'
import { known } from '#lib/errors/assert.ts'
import type { DomainStatus } from '#operator/api/domain.ts'
import { PODS, RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { fromApi, toApi } from '#operator/cluster/kubernetes/translation.ts'
import { labelsOf } from '#operator/controllers/array-context.ts'
import { readKeySets } from '#operator/controllers/domain/keys.ts'
import { statefulSet } from '#operator/controllers/mailnode/build.ts'
import { CLUSTER, mailNode } from '#operator/controllers/testing/contexts.ts'
import { KubeError } from '#operator/runtime/api-error.ts'
import { eventually, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { DOMAINS } from './domain-controller.ts'
import {
  memoryDirectory,
  SEALING,
  sameKeys,
  startTestApi,
  startTestOperator,
  type TestApi,
} from './testing/test-operator.ts'

const skip = whyNoApiServer()
let running: TestApi | null = null
let namespaces = 0
const cleanUps: (() => Promise<void>)[] = []
before(async () => {
  if (!skip) running = await startTestApi()
})
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
  await running?.stop()
})

const SECRET = RESOURCE_TYPES.Secret

async function setUp(more: Parameters<typeof startTestOperator>[2] = {}, namespace = `domains-${namespaces++}`) {
  const api = known(running, 'the API server was started')
  const { client } = api
  const memory = memoryDirectory()
  const dns = new Map<string, readonly string[]>()
  const operator = await startTestOperator(api, namespace, {
    directory: memory.directory,
    dns,
    makeKeys: sameKeys,
    ...more,
  })
  cleanUps.push(operator.stop)
  const apply = (name: string, spec: Record<string, unknown>) =>
    client.apply(DOMAINS, { metadata: { name, namespace }, spec }, { fieldManager: TEST_MANAGER })
  const status = async (name: string) =>
    (await client.get(DOMAINS, namespace, name))?.['status'] as DomainStatus | undefined
  const condition = async (name: string, type: string) => {
    const found = (await status(name))?.conditions?.find((one) => one.type === type)
    return found === undefined ? null : `${found.status} ${found.reason}`
  }
  const becomes = (name: string, type: string, wanted: string) =>
    eventually(async () => (await condition(name, type)) === wanted, 60_000, `${name} ${type}=${wanted}`)
  const secret = (name: string) => client.get(SECRET, namespace, `${name}-dkim`)
  /** Puts all records of the status into the DNS. */
  const publish = async (name: string) => {
    for (const record of (await status(name))?.records ?? []) dns.set(record.name, [record.value])
  }
  return { ...operator, client, namespace, memory, dns, apply, status, condition, becomes, secret, publish }
}

test('A Domain becomes keys, an entry and records, and then nothing is written any more', { skip }, async () => {
  const t = await setUp()
  await t.apply('a', { name: 'example.test', postmaster: 'root@example.test' })
  await t.becomes('a', 'Ready', 'True InDirectory')
  await t.quiet()
  assert.deepEqual(t.failures, [])
  assert.deepEqual(
    [...t.memory.entries.values()],
    [
      {
        name: 'example.test',
        active: true,
        catchAll: null,
        postmaster: 'root@example.test',
        isDefault: false,
        owner: `Domain ${t.namespace}/a`,
        sending: null,
      },
    ],
  )
  assert.deepEqual(t.changed, ['example.test'])
  const status = known(await t.status('a'), 'the status')
  assert.deepEqual(status.dkim, [{ keySet: 1, selectors: ['tp1-rsa', 'tp1-ed25519'], state: 'waiting' }])
  assert.match(status.zone ?? '', /^tp1-rsa\._domainkey\.example\.test\. 3600 IN TXT "v=DKIM1; k=rsa; p=/m)
  assert.equal(await t.condition('a', 'KeysPublished'), 'False NotInDns')
  const secret = known(await t.secret('a'), 'the Secret')
  assert.equal(secret.metadata.ownerReferences, undefined)
  assert.deepEqual(t.writes, [`create Secret ${t.namespace}/a-dkim`, `apply status of Domain ${t.namespace}/a`])

  t.writes.length = 0
  await t.look('Domain', 'a', 20)
  await t.quiet()
  assert.deepEqual([t.writes, t.memory.state.writes], [[], 1])
})

test('Keys take over when the DNS has them; a rotation keeps the old ones published', { skip }, async () => {
  const t = await setUp()
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'KeysPublished', 'False NotInDns')
  await t.apply('a', { name: 'example.test', dkim: { keySet: 2 } })
  const states = async () => (await t.status('a'))?.dkim?.map(({ keySet, state }) => `${keySet} ${state}`).join(', ')
  await eventually(async () => (await states()) === '2 waiting, 1 waiting')
  const before = (await t.status('a'))?.records?.filter(({ purpose }) => purpose === 'DKIM')
  assert.equal(before?.length, 4)
  await t.publish('a')
  // The next question to the DNS comes later by itself; a change of the resource asks for other keys at once.
  await t.apply('a', { name: 'example.test', dkim: { keySet: 3 } })
  await eventually(async () => (await states()) === '3 waiting, 2 active, 1 retired')
  await t.becomes('a', 'KeysPublished', 'True Rotating')
  const sealed = known(t.memory.entries.get('example.test')?.sending, 'what senders need')
  assert.deepEqual(
    openSending('example.test', sealed, SEALING)?.keys.map(({ selector }) => selector),
    ['tp2-rsa', 'tp2-ed25519'],
    'those that the DNS has, not those that wait',
  )
  const read = readKeySets(fromApi(known(await t.secret('a'), 'the Secret')) as Parameters<typeof readKeySets>[0])
  assert.ok('sets' in read)
  assert.deepEqual(
    read.sets.map(({ keySet }) => keySet),
    [3, 2, 1],
  )
  await assert.rejects(t.apply('a', { name: 'example.test', dkim: { keySet: 1 } }), {
    message: /keySet can only grow: selectors are never used again/,
  })
  await t.quiet()
  assert.deepEqual(t.failures, [])
})

test('A smarthost comes to senders with its login, and without the login nothing is written', { skip }, async () => {
  const t = await setUp()
  const smarthost = { host: 'relay.example', tls: 'implicit', port: 465, credentialsSecret: 'relay' }
  await t.apply('a', { name: 'example.test', sending: { smarthost } })
  await t.becomes('a', 'Ready', 'False NoCredentials')
  assert.equal(t.memory.entries.has('example.test'), false)
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  const data = { username: encoded('anna'), password: encoded('secret') }
  await t.client.create(SECRET, { metadata: { name: 'relay', namespace: t.namespace }, data })
  await t.look('Domain', 'a', 1) // by itself ten minutes later
  await t.becomes('a', 'Ready', 'True InDirectory')
  const sealed = known(t.memory.entries.get('example.test')?.sending, 'what senders need')
  const login = { user: 'anna', password: 'secret' }
  assert.deepEqual(openSending('example.test', sealed, SEALING), {
    keys: [],
    smarthost: { host: 'relay.example', port: 465, tls: 'implicit', login },
  })
})

test('Of two Domains with one name the older has it, and the other one takes over when that is gone', {
  skip,
}, async () => {
  const t = await setUp()
  await t.apply('a', { name: 'example.test', loginDefault: true })
  await t.becomes('a', 'Ready', 'True InDirectory')
  await t.apply('b', { name: 'example.test', catchAll: 'all@example.test' })
  await t.apply('c', { name: 'other.test', loginDefault: true })
  await t.becomes('b', 'Conflict', 'True NameTaken')
  await t.becomes('c', 'Conflict', 'True LoginDefaultTaken')
  const status = known(await t.status('b'), 'the status')
  assert.equal(status.phase, 'Conflict')
  assert.equal(status.phaseReason, `example.test belongs to the older Domain ${t.namespace}/a`)
  assert.equal(await t.secret('b'), null, 'no keys for a name of another')
  assert.equal(t.memory.entries.get('example.test')?.owner, `Domain ${t.namespace}/a`)
  assert.equal(t.memory.entries.get('other.test')?.isDefault, false)

  await t.client.delete(DOMAINS, t.namespace, 'a')
  await t.becomes('b', 'Conflict', 'False NameHeld')
  await t.becomes('c', 'Conflict', 'False NameHeld')
  await t.quiet()
  assert.equal(t.memory.entries.get('example.test')?.owner, `Domain ${t.namespace}/b`)
  assert.equal(t.memory.entries.get('other.test')?.isDefault, true)
  assert.deepEqual(t.failures, [])
})

test('A Domain that is deleted leaves the directory and keeps its keys for when it comes back', { skip }, async () => {
  const t = await setUp()
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'Ready', 'True InDirectory')
  const keys = (await t.secret('a'))?.['data']
  await t.client.delete(DOMAINS, t.namespace, 'a')
  await eventually(() => t.memory.entries.size === 0)
  assert.deepEqual(t.changed, ['example.test', 'example.test'])
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'Ready', 'True InDirectory')
  await t.quiet()
  assert.deepEqual((await t.secret('a'))?.['data'], keys)
})

test('Entries of Domains that went while no operator ran are taken out at the next start, others never', {
  skip,
}, async () => {
  const memory = memoryDirectory()
  const entry = { active: true, catchAll: null, postmaster: null, isDefault: false }
  const namespace = `domains-${namespaces++}`
  memory.entries.set('gone.test', { ...entry, name: 'gone.test', owner: `Domain ${namespace}/gone` })
  memory.entries.set('hand.test', { ...entry, name: 'hand.test' })
  const t = await setUp({ directory: memory.directory }, namespace)
  await eventually(() => !memory.entries.has('gone.test'))
  await t.quiet()
  assert.deepEqual([...memory.entries.keys()], ['hand.test'])
  assert.deepEqual(t.failures, [])
})

test('A read that fails never makes new keys', { skip }, async () => {
  const faults = { on: false }
  const t = await setUp({
    fault: ({ method, path }) =>
      faults.on && method === 'GET' && path.endsWith('/secrets/a-dkim')
        ? new KubeError('KUBE_UNREACHABLE', 'Cannot get Secret: the wire is cut')
        : null,
  })
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'Ready', 'True InDirectory')
  const version = async () => (await t.secret('a'))?.metadata.resourceVersion
  faults.on = true
  // Somebody takes the label off: the Secret is in no cache any more, and cannot be read either.
  const label = 'app.kubernetes.io/managed-by'
  await t.client.mergePatch(SECRET, t.namespace, 'a-dkim', { metadata: { labels: { [label]: null } } })
  await eventually(() => t.caches.get('Secret', t.namespace, 'a-dkim') === null)
  await t.quiet()
  const before = await version()
  t.writes.length = 0
  await t.look('Domain', 'a', 3)
  assert.deepEqual([t.writes, await version()], [[], before])
  faults.on = false
  await t.look('Domain', 'a', 1)
  assert.deepEqual([t.writes, await version()], [[], before], 'found by name, it is what it was')
})

test('A Secret that cannot be read is left alone and named in the status', { skip }, async () => {
  const t = await setUp()
  const metadata = { name: 'a-dkim', namespace: t.namespace }
  const data = { 'keys.json': Buffer.from('{').toString('base64') }
  const made = await t.client.create(SECRET, { metadata, type: 'Opaque', data })
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'KeysPublished', 'False KeysUnusable')
  const message = (await t.status('a'))?.conditions?.find(({ type }) => type === 'KeysPublished')?.message
  assert.equal(
    message,
    `Secret ${t.namespace}/a-dkim holds no keys.json that can be read: mend it, or delete it to get new keys`,
  )
  assert.equal((await t.secret('a'))?.metadata.resourceVersion, made.metadata.resourceVersion)
  await t.client.delete(SECRET, t.namespace, 'a-dkim')
  await t.look('Domain', 'a', 1)
  await t.becomes('a', 'KeysPublished', 'False NotInDns')
})

test('While the directory is away a Domain says so, and it mends itself', { skip }, async () => {
  const t = await setUp()
  t.memory.state.down = true
  await t.apply('a', { name: 'example.test' })
  await t.becomes('a', 'Ready', 'False DirectoryUnavailable')
  assert.equal((await t.status('a'))?.phaseReason, 'Cannot reach the directory')
  await eventually(() => t.runs() > 3)
  const statusWrites = t.writes.filter((write) => write.startsWith('apply status')).length
  assert.equal(statusWrites, 1, 'said once, however often it is tried')
  t.memory.state.down = false
  await t.becomes('a', 'Ready', 'True InDirectory')
})

test('A thousand Domains with keys change no pod and no template: one Secret and one status each', {
  skip,
}, async () => {
  const t = await setUp()
  const { namespace, client } = t
  const workload = toApi(statefulSet(mailNode('n1', {}, { namespace }), { ...CLUSTER, namespace }))
  await client.apply(RESOURCE_TYPES.StatefulSet, workload, { fieldManager: TEST_MANAGER })
  for (const name of ['n1-0', 'n1-1']) {
    const labels = labelsOf('mailnode', 'n1')
    await client.create(PODS, {
      metadata: { name, namespace, labels },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    })
  }
  const versions = async () =>
    [
      ...(await client.list(RESOURCE_TYPES.StatefulSet, namespace)).items,
      ...(await client.list(PODS, namespace)).items,
    ].map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
  const before = await versions()
  const names = Array.from({ length: 1_000 }, (_, i) => `d${i}`)
  const left = [...names]
  const apply = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await t.apply(name, { name: `${name}.test` })
  }
  await Promise.all(Array.from({ length: 8 }, apply))
  await eventually(() => t.memory.entries.size === 1_000 && t.writes.length >= 2_000, 300_000, 'a thousand Domains')
  await t.quiet(1_000)
  const wanted = names.flatMap((name) => [
    `create Secret ${namespace}/${name}-dkim`,
    `apply status of Domain ${namespace}/${name}`,
  ])
  assert.deepEqual(t.writes.toSorted(), wanted.toSorted())
  assert.deepEqual(await versions(), before)
  assert.deepEqual(t.failures, [])
})
