import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, SeenPod } from '#operator/cluster/cluster.ts'
import type { Manifest } from '#operator/cluster/objects.ts'
import { templateHash } from '#operator/cluster/template-hash.ts'
import { CLUSTER, mailNode } from '../testing/contexts.ts'
import { statefulSet } from './build.ts'
import { reconcileMailNode } from './reconcile.ts'

const node = mailNode('n1')
const current = templateHash(statefulSet(node, CLUSTER))
const certificates = { ca: 'ca', member: {}, edge: {} }

function fakeCluster(pods: { name: string; templateHash: string; ready: boolean }[]) {
  const applied: string[] = []
  const deleted: string[] = []
  const cluster: Cluster = {
    async apply(manifest: Manifest) {
      applied.push(manifest.kind)
      return 'unchanged'
    },
    get: async () => null,
    list: async () => [],
    delete: async () => {},
    pods: async () =>
      pods.map((pod): SeenPod => ({ ...pod, namespace: 'mail', uid: pod.name, ip: '', labels: {}, containers: [] })),
    async deletePod(name) {
      deleted.push(name)
    },
    watchPods: () => () => {},
  }
  return { cluster, applied, deleted }
}

test('reconcileMailNode() applies secrets and names before the pods that need them', async () => {
  const { cluster, applied } = fakeCluster([])
  await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(applied, [
    'ServiceAccount',
    'Role',
    'RoleBinding',
    'Secret',
    'Secret',
    'Service',
    'Service',
    'PodDisruptionBudget',
    'Lease',
    'Lease',
    'StatefulSet',
  ])
})

test('reconcileMailNode() replaces at most one outdated member at a time', async () => {
  const { cluster, deleted } = fakeCluster([
    { name: 'n1-0', templateHash: 'old', ready: true },
    { name: 'n1-1', templateHash: 'old', ready: true },
  ])
  await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(deleted, ['n1-0'])
})

test('reconcileMailNode() leaves members alone that are as wanted', async () => {
  const { cluster, deleted } = fakeCluster([
    { name: 'n1-0', templateHash: current, ready: true },
    { name: 'n1-1', templateHash: current, ready: false },
  ])
  const { phase } = await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(deleted, [])
  assert.equal(phase.phase, 'Degraded')
})
