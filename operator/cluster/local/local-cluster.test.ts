import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { SeenPod } from '../cluster.ts'
import type { Container, Deployment, Secret, StatefulSet, Volume } from '../objects.ts'
import { LocalCluster } from './local-cluster.ts'
import { identifyProcess, isSameProcess } from './process-identity.ts'
import { endLeftovers, ProcessTable } from './process-table.ts'

/** Serves `/readyz` on the pod's address and answers with its environment on `/`. */
const SERVER = `
const http = require('node:http')
http.createServer((q, r) => {
  if (q.url === '/exit') process.exit(3)
  r.end(q.url === '/readyz' ? 'ok' : JSON.stringify(process.env))
}).listen(9100, process.env.POD_IP)
process.on('SIGTERM', () => process.exit(0))
`

function container(more: Partial<Container> = {}): Container {
  return {
    name: 'main',
    image: 'none',
    command: ['node', '-e', SERVER],
    env: [
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'DATA', value: '/data' },
      { name: 'TLS', value: '/etc/tls/$(POD)' },
    ],
    ports: [{ name: 'metrics', containerPort: 9100 }],
    volumeMounts: [
      { name: 'data', mountPath: '/data' },
      { name: 'tls', mountPath: '/etc/tls' },
    ],
    readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
    ...more,
  }
}

function statefulSet(one: Container, volumes: readonly Volume[]): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'w', namespace: 'default' },
    spec: {
      serviceName: 'w',
      replicas: 1,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: { app: 'w' } },
      template: {
        metadata: { labels: { app: 'w' } },
        spec: { containers: [one], volumes, terminationGracePeriodSeconds: 5 },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  }
}
const TLS: Volume = { name: 'tls', secret: { secretName: 'w-tls', items: [{ key: 'w-0.key', path: 'w-0/tls.key' }] } }
const secret = (key: string) =>
  ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'w-tls', namespace: 'default' },
    type: 'Opaque',
    stringData: { 'w-0.key': key },
  }) as const

async function setUp(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'twinpost-local-'))
  const failures: unknown[] = []
  const held: { names: readonly string[] } = { names: [] }
  const kept: Secret[] = []
  const cluster = new LocalCluster({
    network: 90 + (process.pid % 30),
    workloadNumbers: {},
    numbersChanged: () => {},
    held: [],
    heldChanged: (names) => {
      held.names = names
    },
    keptSecrets: [],
    secretKept: (one) => kept.push(one),
    hostsFile: join(root, 'hosts'),
    environment: {
      folders: { claims: join(root, 'volumes'), run: join(root, 'run'), mounts: join(root, 'mounts') },
      logsDir: join(root, 'logs'),
      cwd: root,
      baseEnv: {},
      programs: { node: process.execPath },
      processes: new ProcessTable(join(root, 'processes.json')),
      clock: nodeClock,
    },
    random: nodeRandom,
    clock: nodeClock,
    failed: (error) => failures.push(error),
  })
  t.after(async () => {
    await cluster.shutdown({})
    rmSync(root, { recursive: true, force: true })
    assert.deepEqual(failures, [])
  })
  return { root, cluster, held, kept }
}

function podThat(cluster: LocalCluster, holds: (pod: SeenPod) => boolean): Promise<SeenPod> {
  return new Promise((resolve) => {
    const stop = cluster.watchPods((pod) => {
      if (!holds(pod)) return
      stop()
      resolve(pod)
    })
    cluster.pods().then((pods) => {
      const found = pods.find(holds)
      if (found) {
        stop()
        resolve(found)
      }
    })
  })
}
const ask = async (pod: SeenPod, path: string): Promise<string> =>
  await (await fetch(`http://${pod.ip}:9100${path}`)).text()

test('LocalCluster runs a StatefulSet: environment, paths, secrets, names, readiness', async (t) => {
  const { root, cluster } = await setUp(t)
  const ready = podThat(cluster, (pod) => pod.ready)
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'w', namespace: 'default' },
    spec: { clusterIP: 'None', selector: { app: 'w' }, ports: [] },
  })
  await cluster.apply(statefulSet(container(), [TLS]))
  await podThat(cluster, (pod) => /w-tls is not there/.test(pod.containers[0]?.reason ?? ''))
  await cluster.apply(secret('one'))
  const pod = await ready
  const env: unknown = JSON.parse(await ask(pod, '/'))
  assert.ok(typeof env === 'object' && env !== null)
  assert.deepEqual(
    { ...env, POD_IP: undefined },
    {
      POD: 'w-0',
      POD_IP: undefined,
      DATA: join(root, 'volumes/data-w-0'),
      TLS: join(root, 'mounts/w-0/tls/w-0'),
      TWINPOST_HOSTS_FILE: `${join(root, 'hosts.w-0')}:${join(root, 'hosts')}`,
    },
  )
  assert.equal(readFileSync(join(root, 'mounts/w-0/tls/w-0/tls.key'), 'utf8'), 'one')
  await cluster.apply(secret('two'))
  assert.equal(readFileSync(join(root, 'mounts/w-0/tls/w-0/tls.key'), 'utf8'), 'two')
  assert.match(readFileSync(join(root, 'hosts'), 'utf8'), new RegExp(`^${pod.ip} w-0\\.w\\.default\\.svc `, 'm'))
})

test('LocalCluster starts a process again that ended, with the same pod', async (t) => {
  const { cluster } = await setUp(t)
  await cluster.apply(secret('one'))
  await cluster.apply(statefulSet(container(), [TLS]))
  const first = await podThat(cluster, (pod) => pod.ready)
  await ask(first, '/exit').catch(() => '')
  const second = await podThat(cluster, (pod) => pod.ready && pod.containers[0]?.restarts === 1)
  assert.equal(second.uid, first.uid)
  assert.notEqual(second.containers[0]?.pid, first.containers[0]?.pid)
})

test('LocalCluster keeps an OnDelete pod as it is until it is deleted', async (t) => {
  const { cluster } = await setUp(t)
  await cluster.apply(secret('one'))
  await cluster.apply(statefulSet(container(), [TLS]))
  const first = await podThat(cluster, (pod) => pod.ready)
  const changed = container()
  await cluster.apply(statefulSet({ ...changed, env: [...(changed.env ?? []), { name: 'NEW', value: '1' }] }, [TLS]))
  const kept = (await cluster.pods())[0]
  assert.equal(kept?.uid, first.uid)
  await cluster.deletePod('w-0', 'default')
  const second = await podThat(cluster, (pod) => pod.ready && pod.uid !== first.uid)
  assert.match(await ask(second, '/'), /"NEW":"1"/)
  assert.equal(second.ip, first.ip)
})

test('LocalCluster keeps a held pod stopped until it is released, whatever is applied or deleted meanwhile', async (t) => {
  const { cluster, held } = await setUp(t)
  await cluster.apply(secret('one'))
  await cluster.apply(statefulSet(container(), [TLS]))
  const first = await podThat(cluster, (pod) => pod.ready)
  await cluster.holdPod('w-0', 'default')
  assert.deepEqual([await cluster.pods(), cluster.stoppedPods('default')], [[], ['w-0']])
  assert.equal(identifyProcess(first.containers[0]?.pid ?? 0), null)
  const changed = container()
  await cluster.apply(statefulSet({ ...changed, env: [...(changed.env ?? []), { name: 'NEW', value: '1' }] }, [TLS]))
  await cluster.deletePod('w-0', 'default')
  assert.deepEqual(await cluster.pods(), [])
  assert.deepEqual(held.names, ['default/w-0'])
  cluster.releasePod('w-0', 'default')
  const second = await podThat(cluster, (pod) => pod.ready)
  assert.equal(second.ip, first.ip)
  assert.deepEqual([cluster.stoppedPods('default'), held.names], [[], []])
})

test('LocalCluster.apply() of the same object changes nothing', async (t) => {
  const { cluster } = await setUp(t)
  assert.equal(await cluster.apply(secret('one')), 'created')
  assert.equal(await cluster.apply(secret('one')), 'unchanged')
  assert.equal(await cluster.apply(secret('two')), 'changed')
})

test('LocalCluster rolls a Deployment when its template changes, and ends its pods when it is deleted', async (t) => {
  const { cluster } = await setUp(t)
  const deployment = (value: string): Deployment => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace: 'default' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'd' } },
      template: {
        metadata: { labels: { app: 'd' } },
        spec: {
          containers: [
            {
              ...container({ volumeMounts: [] }),
              env: [
                { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
                { name: 'VALUE', value },
              ],
            },
          ],
        },
      },
    },
  })
  await cluster.apply(deployment('one'))
  const first = await podThat(cluster, (pod) => pod.ready)
  await cluster.apply(deployment('two'))
  const second = await podThat(cluster, (pod) => pod.ready && pod.uid !== first.uid)
  assert.match(await ask(second, '/'), /"VALUE":"two"/)
  await cluster.delete({ kind: 'Deployment', namespace: 'default', name: 'd' })
  assert.deepEqual(await cluster.pods(), [])
  assert.equal(identifyProcess(second.containers[0]?.pid ?? 0), null)
})

test('endLeftovers() ends what an earlier operator started, and nothing with another start time', async (t) => {
  const { root, cluster } = await setUp(t)
  await cluster.apply(secret('one'))
  await cluster.apply(statefulSet(container(), [TLS]))
  const pod = await podThat(cluster, (seen) => seen.ready)
  const known = identifyProcess(pod.containers[0]?.pid ?? 0)
  assert.ok(known)
  const file = join(root, 'left.json')
  writeFileSync(file, JSON.stringify([{ name: 'stranger', pid: known.pid, startedAt: 'another time' }]))
  assert.deepEqual(await endLeftovers(file, nodeClock, 1_000), [])
  assert.equal(isSameProcess(known), true)
  writeFileSync(file, JSON.stringify([{ name: 'w-0/main', ...known }]))
  assert.deepEqual(await endLeftovers(file, nodeClock, 5_000), ['w-0/main'])
  assert.equal(isSameProcess(known), false)
})
