/** The runtime against a real API server: watches that are cut, compacted, killed; elections with a frozen holder; apply, events. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import { known } from '#lib/errors/assert.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { type ApiServer, startApiServer, whyNoApiServer } from '../../tools/kube/api-server.ts'
import { type ApiClient, createApiClient } from './api-client.ts'
import { type ApiConnection, openConnection } from './connection.ts'
import { Elector } from './elector.ts'
import { EventRecorder } from './event-recorder.ts'
import { keyOf } from './kube-object.ts'
import { Reflector, type ReflectorTimes, whyStale } from './reflector.ts'
import { EVENTS, LEASES } from './resources.ts'
import {
  accountToken,
  CONFIG_MAPS,
  connectTo,
  eventually,
  makeNamespace,
  ROLE_BINDINGS,
  ROLES,
  SERVICE_ACCOUNTS,
  TEST_MANAGER,
} from './testing/api-access.ts'
import { FAST_TIMES } from './testing/fast-times.ts'
import { startTcpProxy } from './testing/tcp-proxy.ts'

const skip = whyNoApiServer()
const folder = mkdtempSync(join(tmpdir(), 'twinpost-runtime-'))
let running: { server: ApiServer; connection: ApiConnection; client: ApiClient } | null = null
const cleanUps: (() => unknown)[] = []
let namespaces = 0

before(async () => {
  if (skip) return
  const server = await startApiServer()
  const connection = connectTo(server)
  running = { server, connection, client: createApiClient({ connection }) }
})
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
  await running?.connection.close()
  await running?.server.stop()
  rmSync(folder, { recursive: true })
})

function world() {
  return known(running, 'the API server was started')
}

const newNamespace = () => makeNamespace(world().client, `test-${namespaces++}`)

async function put(namespace: string, name: string, text: string): Promise<void> {
  const wanted = { metadata: { name, namespace }, data: { text } }
  await world().client.apply(CONFIG_MAPS, wanted, { fieldManager: TEST_MANAGER })
}

/** A reflector of the ConfigMaps of a namespace, over a wire that can be cut. */
async function reflect(namespace: string, times: Partial<ReflectorTimes> = {}, user: 'admin' | 'nobody' = 'admin') {
  const { server } = world()
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  const connection = connectTo(server, user, `https://127.0.0.1:${proxy.port}`)
  const changes: string[] = []
  const failures: unknown[] = []
  const reflector = new Reflector({
    client: createApiClient({ connection }),
    type: CONFIG_MAPS,
    namespace,
    clock: nodeClock,
    random: nodeRandom,
    changed: (key) => changes.push(key),
    failed: (error) => failures.push(error),
    times,
  })
  reflector.start()
  cleanUps.push(async () => {
    await reflector.stop()
    await connection.close()
    await proxy.close()
  })
  const texts = () => {
    const pairs = reflector.cache
      .list()
      .map((one) => [one.metadata.name, (one['data'] as { text?: string }).text] as const)
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  return { proxy, reflector, changes, failures, texts }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

test('Reflector lists, then sees additions, changes and deletions, each by its key', { skip }, async () => {
  const namespace = await newNamespace()
  await put(namespace, 'a', '1')
  const { reflector, changes, texts } = await reflect(namespace)
  await reflector.synced
  assert.deepEqual(texts(), { a: '1' })
  await put(namespace, 'b', '1')
  await put(namespace, 'a', '2')
  await eventually(() => same(texts(), { a: '2', b: '1' }))
  await world().client.delete(CONFIG_MAPS, namespace, 'a')
  await eventually(() => same(texts(), { b: '1' }))
  assert.deepEqual(
    changes,
    ['a', 'b', 'a', 'a'].map((name) => `${namespace}/${name}`),
  )
  assert.deepEqual([reflector.counts.lists, reflector.counts.missed], [1, 0])
  const [object] = reflector.cache.list()
  assert.equal(object?.metadata.managedFields, undefined)
  assert.equal(typeof object?.metadata.creationTimestamp, 'string', 'times are text, from a list and from a watch')
})

test('Reflector takes up a watch that was cut, without a list and without losing a change', { skip }, async () => {
  const namespace = await newNamespace()
  const { proxy, reflector, texts } = await reflect(namespace)
  await reflector.synced
  for (let i = 1; i <= 8; i++) {
    await eventually(() => reflector.counts.watches >= i, 20_000, `watch ${i}`)
    const writing = Promise.all(['a', 'b', 'c'].map((name) => put(namespace, name, String(i))))
    // Every second stream is cut before it brings anything; five of those in a row would rightly end in a list.
    if (i % 2 === 0) await eventually(() => same(texts(), { a: String(i), b: String(i), c: String(i) }), 20_000)
    proxy.cut()
    await writing
  }
  await world().client.delete(CONFIG_MAPS, namespace, 'c')
  await eventually(() => same(texts(), { a: '8', b: '8' }), 20_000)
  assert.equal(reflector.counts.lists, 1)
})

test('Reflector cuts a stream on which nothing comes, and catches up', { skip }, async () => {
  const namespace = await newNamespace()
  const { proxy, reflector, texts } = await reflect(namespace, { inactivityMs: 600 })
  await reflector.synced
  await eventually(() => reflector.counts.watches === 1)
  proxy.mode = 'deaf' // half open: the client hears nothing, not even that the connection ended
  await put(namespace, 'a', '1')
  assert.deepEqual(texts(), {})
  await eventually(() => reflector.ageMs > 500)
  assert.match(whyStale(reflector, CONFIG_MAPS, 400) ?? '', /nothing heard of configmaps/)
  proxy.mode = 'pass'
  proxy.cut()
  await eventually(() => same(texts(), { a: '1' }))
  assert.equal(whyStale(reflector, CONFIG_MAPS, 60_000), null)
})

test('Reflector lists again when etcd has forgotten its version, and finds what was deleted meanwhile', {
  skip,
}, async () => {
  const namespace = await newNamespace()
  for (const name of ['a', 'b', 'c']) await put(namespace, name, '1')
  const { proxy, reflector, changes, texts } = await reflect(namespace)
  await reflector.synced
  await eventually(() => reflector.counts.watches >= 1)
  proxy.mode = 'refuse'
  proxy.cut()
  await world().client.delete(CONFIG_MAPS, namespace, 'b')
  await put(namespace, 'c', '2')
  // The server's own cache of events is kept over a compaction of etcd, so it has to start anew as well.
  await world().server.compact()
  await world().server.restart()
  changes.length = 0
  proxy.mode = 'pass'
  proxy.cut()
  await eventually(() => same(texts(), { a: '1', c: '2' }), 40_000, 'the relist')
  assert.ok(reflector.counts.lists >= 2)
  assert.deepEqual([...new Set(changes)].sort(), [`${namespace}/b`, `${namespace}/c`])
})

test('Reflector outlives the API server', { skip }, async () => {
  const namespace = await newNamespace()
  await put(namespace, 'a', '1')
  const { reflector, texts, failures } = await reflect(namespace)
  await reflector.synced
  await world().server.kill()
  await eventually(() => failures.length >= 2)
  assert.deepEqual(texts(), { a: '1' }, 'what was known stays known')
  await world().server.restart()
  await put(namespace, 'b', '2')
  await eventually(() => same(texts(), { a: '1', b: '2' }), 40_000)
})

test('Reflector compares with a whole list now and then, and a cache that is right stays untouched', {
  skip,
}, async () => {
  const namespace = await newNamespace()
  for (let i = 0; i < 20; i++) await put(namespace, `map-${i}`, '1')
  const { reflector, changes } = await reflect(namespace, { relistMs: 300 })
  await reflector.synced
  await eventually(() => reflector.counts.lists >= 4)
  assert.equal(reflector.counts.missed, 0)
  assert.equal(changes.length, 20)
})

test('Reflector says why it is not synced where it may not list, and goes on once it may', { skip }, async () => {
  const namespace = await newNamespace()
  await put(namespace, 'a', '1')
  const { reflector, failures } = await reflect(namespace, {}, 'nobody')
  await eventually(() => failures.length > 0)
  assert.match(String(failures[0]), /KUBE|forbidden/i)
  assert.match(whyStale(reflector, CONFIG_MAPS, 60_000) ?? '', /not listed yet/)
  const { client } = world()
  const role = {
    metadata: { name: 'reader', namespace },
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] }],
  }
  await client.apply(ROLES, role, { fieldManager: TEST_MANAGER })
  const binding = {
    metadata: { name: 'reader', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'nobody' }],
  }
  await client.apply(ROLE_BINDINGS, binding, { fieldManager: TEST_MANAGER })
  await eventually(() => reflector.isSynced, 30_000)
})

test('ApiClient lists more than a page holds', { skip }, async () => {
  const namespace = await newNamespace()
  const { client } = world()
  for (let from = 0; from < 1_100; from += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        client.create(CONFIG_MAPS, { metadata: { name: `map-${from + i}`, namespace } }),
      ),
    )
  }
  const { items } = await client.list(CONFIG_MAPS, namespace)
  assert.equal(new Set(items.map(keyOf)).size, 1_100)
  assert.ok(items.every((item) => item.kind === 'ConfigMap' && item.apiVersion === 'v1'))
})

test('ApiClient applies without a change where nothing differs, and keeps apart who owns a field', {
  skip,
}, async () => {
  const namespace = await newNamespace()
  const { client } = world()
  const wanted = { metadata: { name: 'a', namespace }, data: { one: '1', two: '2' } }
  const first = await client.apply(CONFIG_MAPS, wanted, { fieldManager: 'one' })
  const second = await client.apply(CONFIG_MAPS, wanted, { fieldManager: 'one' })
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion)
  await client.apply(CONFIG_MAPS, { ...wanted, data: { three: '3' } }, { fieldManager: 'other' })
  const taken = { ...wanted, data: { one: 'mine' } }
  await assert.rejects(client.apply(CONFIG_MAPS, taken, { fieldManager: 'other' }), (error: Error) => {
    assert.match(JSON.stringify(error), /"code":"KUBE_CONFLICT".*\.data\.one conflict with \\"one\\"/)
    return true
  })
  await client.apply(CONFIG_MAPS, taken, { fieldManager: 'other', force: true })
  await client.apply(CONFIG_MAPS, { ...wanted, data: { two: '2' } }, { fieldManager: 'one' })
  const found = await client.get(CONFIG_MAPS, namespace, 'a')
  assert.deepEqual(found?.['data'], { one: 'mine', two: '2' })
  await assert.rejects(client.apply(CONFIG_MAPS, { ...wanted, date: {} }, { fieldManager: 'one' }), {
    code: 'KUBE_INVALID',
  })
})

test('ApiClient tells apart what is not there from what nobody knows', { skip }, async () => {
  const namespace = await newNamespace()
  const { client } = world()
  assert.equal(await client.get(CONFIG_MAPS, namespace, 'none'), null)
  const unknown = { group: 'twinpost.io', version: 'v1alpha1', kind: 'MailNode', plural: 'mailnodes', namespaced: true }
  await assert.rejects(client.get(unknown, namespace, 'n1'), { code: 'KUBE_NOT_FOUND' })
  assert.equal(await client.delete(CONFIG_MAPS, namespace, 'none'), false)
  await client.create(CONFIG_MAPS, { metadata: { name: 'a', namespace } })
  await assert.rejects(client.create(CONFIG_MAPS, { metadata: { name: 'a', namespace } }), { code: 'KUBE_EXISTS' })
  const uid = '00000000-0000-4000-8000-000000000000'
  await assert.rejects(client.delete(CONFIG_MAPS, namespace, 'a', { uid }), { code: 'KUBE_CONFLICT' })
  const nobody = createApiClient({ connection: connectTo(world().server, 'nobody') })
  await assert.rejects(nobody.get(CONFIG_MAPS, namespace, 'a'), { code: 'KUBE_FORBIDDEN' })
})

test('openConnection() uses one connection for many requests, and takes a new token after a 401', {
  skip,
}, async () => {
  const { server, client, connection: admin } = world()
  const namespace = await newNamespace()
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  await client.apply(SERVICE_ACCOUNTS, { metadata: { name: 'reader', namespace } }, { fieldManager: TEST_MANAGER })
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, 'expired')
  const connection = openConnection({
    load() {
      const config = new KubeConfig()
      config.loadFromOptions({
        clusters: [{ name: 'c', server: `https://127.0.0.1:${proxy.port}`, caFile: server.caFile }],
        users: [{ name: 'u', authProvider: { name: 'tokenFile', config: { tokenFile } } }],
        contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
        currentContext: 'x',
      })
      return config
    },
    clock: nodeClock,
    userAgent: 'twinpost-test',
  })
  cleanUps.push(async () => {
    await connection.close()
    await proxy.close()
  })
  const reader = createApiClient({ connection })
  await assert.rejects(reader.get(CONFIG_MAPS, namespace, 'a'), { code: 'KUBE_UNAUTHORIZED' })
  writeFileSync(tokenFile, await accountToken(admin, namespace, 'reader'))
  for (let i = 0; i < 20; i++) await assert.rejects(reader.get(CONFIG_MAPS, namespace, 'a'), { code: 'KUBE_FORBIDDEN' })
  assert.ok(proxy.connections <= 2, `${proxy.connections} connections for 22 requests`)
  proxy.mode = 'hang'
  const bounded = createApiClient({ connection, timeoutMs: 200 })
  await assert.rejects(bounded.get(CONFIG_MAPS, namespace, 'a'), { code: 'KUBE_TIMEOUT' })
})

test('EventRecorder writes one Event for many of the same, with its count', { skip }, async () => {
  const namespace = await newNamespace()
  const { client } = world()
  const regarding = await client.create(CONFIG_MAPS, { metadata: { name: 'n1', namespace } })
  const failures: unknown[] = []
  const recorder = new EventRecorder({
    client,
    controller: 'twinpost.io/operator',
    instance: 'operator-0',
    clock: nodeClock,
    random: nodeRandom,
    failed: (error) => failures.push(error),
  })
  const event = { type: 'Normal', reason: 'MemberReplaced', action: 'Replace', note: 'n1-0 is outdated' } as const
  for (let i = 0; i < 50; i++) recorder.record(regarding, event)
  recorder.record(regarding, { ...event, type: 'Warning', note: 'x'.repeat(5_000) })
  await recorder.flush()
  assert.deepEqual(failures, [])
  const { items } = await client.list(EVENTS, namespace)
  const texts = items.map((item) => `${item['type']} ${(item['series'] as { count?: number } | undefined)?.count ?? 1}`)
  assert.deepEqual(texts.sort(), ['Normal 2', 'Warning 1'])
  // One that the server has removed by its age begins anew instead of failing for ever.
  for (const item of items) await client.delete(EVENTS, namespace, item.metadata.name)
  assert.equal(recorder.lost, 0)
})

/** An elector in a process of its own. `said` holds its lines with the time at which they came. */
function startElector(identity: string, namespace: string) {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      join(import.meta.dirname, './testing/elector-process.fixture.ts'),
      world().server.kubeconfig(),
      identity,
      namespace,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const said: { readonly what: string; readonly atMs: number }[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    for (const what of text.split('\n')) if (what !== '') said.push({ what, atMs: nodeClock.monotonicMs() })
  })
  cleanUps.push(() => child.kill('SIGKILL'))
  const says = (what: string, withinMs = 20_000) =>
    eventually(() => said.some((line) => line.what.startsWith(what)), withinMs, `${identity} ${what}`)
  return { child, said, says, writes: () => said.filter((line) => line.what === 'wrote') }
}

test('Elector: a frozen leader is succeeded, and does nothing more when it wakes', { skip }, async () => {
  const namespace = await newNamespace()
  const first = startElector('first', namespace)
  await first.says('leads')
  const second = startElector('second', namespace)
  await eventually(() => first.writes().length > 5, 30_000)
  first.child.kill('SIGSTOP')
  const frozenAtMs = nodeClock.monotonicMs()
  await second.says('leads')
  const tookMs = nodeClock.monotonicMs() - frozenAtMs
  // What it said before it froze has been read by now.
  const writtenBefore = first.writes().length
  assert.ok(tookMs >= FAST_TIMES.leaseMs - FAST_TIMES.retryMs, `not before the Lease ran out: ${tookMs} ms`)
  await eventually(() => second.writes().length > 5, 30_000)
  first.child.kill('SIGCONT')
  await first.says('lost')
  await new Promise<void>((resolve) => nodeClock.after(1_000, resolve))
  // One request may have been on its way when it froze; nothing new was sent.
  assert.ok(first.writes().length <= writtenBefore + 1, `${first.writes().length} after ${writtenBefore}`)
  const written = await world().client.get(CONFIG_MAPS, namespace, 'written')
  assert.deepEqual(written?.['data'], { by: 'second' })
  second.child.kill('SIGTERM')
  await eventually(() => second.child.exitCode !== null)
  const lease = await world().client.get(LEASES, namespace, 'election')
  assert.equal((lease?.['spec'] as { holderIdentity?: string } | undefined)?.holderIdentity ?? '', '')
})

test('Elector: a clean release is taken at once, a deletion only when the holder must have stopped', {
  skip,
}, async () => {
  const namespace = await newNamespace()
  const { client } = world()
  const leads: string[] = []
  const make = (identity: string) =>
    new Elector({
      client,
      namespace,
      name: 'election',
      identity,
      clock: nodeClock,
      started: () => leads.push(identity),
      lost: (reason) => leads.push(`${identity} lost: ${reason}`),
      times: FAST_TIMES,
    })
  const [one, two] = [make('one'), make('two')]
  one.start()
  await eventually(() => one.leading)
  two.start()
  await eventually(() => two.holder === 'one')
  const releasedAtMs = nodeClock.monotonicMs()
  await one.stop()
  assert.equal(one.leading, false)
  await eventually(() => two.leading)
  assert.ok(nodeClock.monotonicMs() - releasedAtMs < 2 * FAST_TIMES.retryMs + 500)

  const three = make('three')
  three.start()
  await eventually(() => three.holder === 'two')
  await client.delete(LEASES, namespace, 'election')
  await eventually(() => two.leading && three.holder === 'two')
  assert.deepEqual(leads, ['one', 'two'], 'the holder made it again, nobody else led')
  await three.stop()
  await two.stop()
})

test('Elector gives up in time while the API server is away', { skip }, async () => {
  const namespace = await newNamespace()
  const { server, connection } = world()
  const said: string[] = []
  const elector = new Elector({
    client: createApiClient({ connection, timeoutMs: 500 }),
    namespace,
    name: 'election',
    identity: 'only',
    clock: nodeClock,
    started: () => said.push('leads'),
    lost: () => said.push('lost'),
    times: FAST_TIMES,
  })
  elector.start()
  await eventually(() => elector.leading)
  await server.kill()
  const awayAtMs = nodeClock.monotonicMs()
  await eventually(() => !elector.leading)
  assert.ok(nodeClock.monotonicMs() - awayAtMs <= FAST_TIMES.renewDeadlineMs + 200)
  await eventually(() => said.includes('lost'))
  assert.deepEqual(said, ['leads', 'lost'])
  await server.restart()
  await elector.stop()
})
