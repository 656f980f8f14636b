/** FilterPools against a real API server with the shipped CRDs; the test plays the Deployment controller and the autoscaler. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import type { FilterPoolStatus } from '#operator/api/filter-pool.ts'
import { PODS, RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import type { ManifestKind } from '#operator/cluster/objects.ts'
import { eventually, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { FILTER_POOLS } from './filter-pool-controller.ts'
import { startTestApi, startTestOperator, type TestApi } from './testing/test-operator.ts'

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

const OBJECTS: readonly ManifestKind[] = [
  'Service',
  'PodDisruptionBudget',
  'NetworkPolicy',
  'Deployment',
  'HorizontalPodAutoscaler',
]
const engines = [{ name: 'clamav', kind: 'clamd', address: 'clamav.mail.svc:3310' }]
const scaled = {
  engines,
  autoscaling: { minReplicas: 2, maxReplicas: 6 },
  resources: { requests: { cpu: '500m' } },
}

async function setUp(more: Parameters<typeof startTestOperator>[2] = {}) {
  const api = known(running, 'the API server was started')
  const { client } = api
  const namespace = `pools-${namespaces++}`
  const operator = await startTestOperator(api, namespace, more)
  cleanUps.push(operator.stop)
  const apply = (spec: Record<string, unknown>) =>
    client.apply(FILTER_POOLS, { metadata: { name: 'p', namespace }, spec }, { fieldManager: TEST_MANAGER })
  const status = async () =>
    (await client.get(FILTER_POOLS, namespace, 'p'))?.['status'] as FilterPoolStatus | undefined
  const phase = async (wanted: string) => eventually(async () => (await status())?.phase === wanted, 60_000, wanted)
  const there = async () => {
    const found = await Promise.all(OBJECTS.map((kind) => client.get(RESOURCE_TYPES[kind], namespace, 'p-filter')))
    return OBJECTS.filter((_, i) => found[i] !== null)
  }
  const deployment = async () => {
    const found = known(await client.get(RESOURCE_TYPES.Deployment, namespace, 'p-filter'), 'the Deployment')
    return found['spec'] as {
      replicas: number
      template: { metadata: { labels: Record<string, string>; annotations: Record<string, string> } }
    }
  }
  const playPod = async (name: string, ready: boolean) => {
    const { metadata } = (await deployment()).template
    await client.create(PODS, {
      metadata: { ...metadata, name, namespace },
      spec: { containers: [{ name: 'filter', image: 'x' }] },
    })
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }]
    const state = ready ? { running: {} } : { waiting: { reason: 'ErrImagePull', message: 'no such image' } }
    const containerStatuses = [{ name: 'filter', image: 'x', imageID: '', ready, restartCount: 0, state }]
    await client.mergePatch(PODS, namespace, name, { status: { conditions, containerStatuses } }, 'status')
  }
  return { ...operator, client, namespace, apply, status, phase, there, deployment, playPod }
}

test('A FilterPool becomes its objects and tells of its pods, and then nothing is written any more', {
  skip,
}, async () => {
  const t = await setUp()
  await t.apply({ engines })
  await t.phase('Pending')
  assert.deepEqual(await t.there(), OBJECTS.slice(0, -1))
  await t.playPod('p-filter-a', false)
  await eventually(async () => (await t.status())?.phaseReason === '0 of 2 pods are ready: ErrImagePull')
  await t.phase('Starting')
  await t.playPod('p-filter-b', true)
  await t.phase('Degraded')
  await t.playPod('p-filter-c', true)
  await t.phase('Running')
  const status = known(await t.status(), 'the status')
  assert.deepEqual([status.replicas, status.readyReplicas], [3, 2])
  await t.quiet()
  assert.deepEqual(t.failures, [])
  assert.deepEqual([...new Set(t.poolsChanged)], [`${t.namespace}/p`], 'MailNodes that ask it are looked at')
  t.writes.length = 0
  await t.look('FilterPool', 'p', 20)
  await t.quiet()
  assert.deepEqual(t.writes, [])
})

test('Without a filter service in the image no pod is made, and the status says so', { skip }, async () => {
  const t = await setUp({ imageHasFilter: false })
  await t.apply(scaled)
  await t.phase('Pending')
  await t.quiet()
  assert.deepEqual(await t.there(), ['Service', 'PodDisruptionBudget', 'NetworkPolicy'])
  assert.match(
    (await t.status())?.phaseReason ?? '',
    /^No pod is made: the image twinpost:1\.2\.3 holds no filter service/,
  )
  assert.equal((await t.status())?.conditions?.[0]?.reason, 'NoFilterService')
  await t.apply({ ...scaled, image: 'filter:1.0.0' })
  await eventually(async () => (await t.there()).length === OBJECTS.length)
  assert.equal((await t.status())?.conditions?.[0]?.reason, 'NoPods')
})

test('An autoscaler sets the number of pods without a fight, and goes when nobody wants it', { skip }, async () => {
  const t = await setUp()
  await t.apply({ engines, replicas: 4 })
  await eventually(async () => (await t.there()).includes('Deployment'))
  assert.equal((await t.deployment()).replicas, 4)
  await t.apply(scaled)
  await eventually(async () => (await t.there()).includes('HorizontalPodAutoscaler'))
  await t.quiet()
  assert.equal((await t.deployment()).replicas, 4, 'switching it on ends no pod')
  const type = RESOURCE_TYPES.Deployment
  await t.client.mergePatch(type, t.namespace, 'p-filter', { spec: { replicas: 6 } }, undefined)
  await t.quiet()
  assert.equal((await t.deployment()).replicas, 6, 'what the autoscaler says stands')
  await t.apply({ engines, replicas: 3 })
  await eventually(async () => !(await t.there()).includes('HorizontalPodAutoscaler'))
  await eventually(async () => (await t.deployment()).replicas === 3)
  await t.quiet()
  assert.deepEqual(t.failures, [])
})

test('The scale subresource of a FilterPool is its number of pods', { skip }, async () => {
  const t = await setUp()
  await t.apply({ engines, replicas: 2 })
  await eventually(async () => (await t.there()).includes('Deployment'))
  const answer = await known(running, 'the API server').connection.request({
    method: 'PATCH',
    path: `/apis/twinpost.io/v1alpha1/namespaces/${t.namespace}/filterpools/p/scale`,
    contentType: 'application/merge-patch+json',
    body: JSON.stringify({ spec: { replicas: 5 } }),
    doing: 'scale',
  })
  assert.equal(answer.status, 200, answer.body)
  await eventually(async () => (await t.deployment()).replicas === 5)
  const { status } = JSON.parse(answer.body) as { status: { selector?: string } }
  assert.equal(status.selector, 'app.kubernetes.io/component=filter,app.kubernetes.io/instance=p')
})
