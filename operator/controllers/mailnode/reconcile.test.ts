import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, SeenPod } from '#operator/cluster/cluster.ts'
import type { Lease, Manifest, ManifestKind, ManifestOf, ObjectRef } from '#operator/cluster/objects.ts'
import { templateHash } from '#operator/cluster/template-hash.ts'
import { CLUSTER, mailNode } from '../testing/contexts.ts'
import { SERVING_LABEL, statefulSet } from './build.ts'
import { reconcileMailNode } from './reconcile.ts'
import { LEDGER_ANNOTATION } from './shard-facts.ts'

const node = mailNode('n1')
const current = templateHash(statefulSet(node, CLUSTER))
const SERVING = { [SERVING_LABEL]: 'true' }
const certificates = { ca: 'ca', member: {}, edge: {} }

/** The Lease of a shard, of which these members hold all changes. */
function lease(index: number, primary: number, ...inSync: number[]): Lease {
  const id = (member: number) => `n1/${index}@${member}#inc`
  const entry = {
    epoch: 1,
    primary: id(primary),
    inSync: inSync.map(id),
    replicas: [0, 1].map((member) => ({ id: id(member), member })),
  }
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: `n1-${index}`,
      namespace: 'mail',
      annotations: { [LEDGER_ANNOTATION]: JSON.stringify(entry) },
    },
  }
}
const SYNCED = [lease(0, 0, 0, 1), lease(1, 1, 0, 1)]

function fakeCluster(
  pods: { name: string; templateHash: string; ready: boolean; labels?: Record<string, string> }[],
  leases: readonly Lease[] = SYNCED,
) {
  const applied: Manifest[] = []
  const deleted: string[] = []
  const cluster: Cluster = {
    async apply(manifest: Manifest) {
      applied.push(manifest)
      return 'unchanged'
    },
    create: async () => {},
    replace: async () => {},
    seen<Kind extends ManifestKind>(ref: ObjectRef<Kind>) {
      const found = leases.find(({ metadata }) => ref.kind === 'Lease' && metadata.name === ref.name)
      return (found ?? null) as ManifestOf<Kind> | null
    },
    get: async () => null,
    list: async () => [],
    delete: async () => {},
    pods: async () =>
      pods.map(
        (pod): SeenPod => ({ labels: SERVING, ...pod, namespace: 'mail', uid: pod.name, ip: '', containers: [] }),
      ),
    async deletePod(name) {
      deleted.push(name)
    },
    watchPods: () => () => {},
  }
  return { cluster, applied, deleted }
}

const kinds = (manifests: readonly Manifest[]) => manifests.map(({ kind }) => kind)

test('reconcileMailNode() applies secrets and names before the pods that need them', async () => {
  const { cluster, applied } = fakeCluster([])
  await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(kinds(applied), [
    'ServiceAccount',
    'Role',
    'RoleBinding',
    'Secret',
    'Secret',
    'Service',
    'Service',
    'PodDisruptionBudget',
    'NetworkPolicy',
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

const both = ['n1-0', 'n1-1'].map((name) => ({ name, templateHash: current, ready: true }))
const budgetIn = (applied: readonly Manifest[]) => {
  const found = applied.find((manifest) => manifest.kind === 'PodDisruptionBudget')
  return found?.kind === 'PodDisruptionBudget' ? found.spec.maxUnavailable : null
}
const membersIn = (applied: readonly Manifest[]) => {
  const found = applied.find((manifest) => manifest.kind === 'StatefulSet')
  return found?.kind === 'StatefulSet' ? found.spec.replicas : null
}

test('reconcileMailNode() lets one member be evicted only while every shard has two copies', async () => {
  for (const [leases, want] of [
    [SYNCED, 1],
    [[lease(0, 0, 0, 1), lease(1, 0, 0)], 0],
    [[lease(0, 0, 0, 1)], 0],
  ] as const) {
    const { cluster, applied } = fakeCluster(both, leases)
    await reconcileMailNode(node, CLUSTER, certificates, cluster)
    assert.equal(budgetIn(applied), want)
  }
})

test('reconcileMailNode() replaces nobody while a shard has one copy, although both members are ready', async () => {
  const outdated = both.map((pod) => ({ ...pod, templateHash: 'old' }))
  const { cluster, deleted } = fakeCluster(outdated, [lease(0, 0, 0), lease(1, 1, 0, 1)])
  const { action } = await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(action, { kind: 'wait', reason: 'ShardOutOfSync', message: 'n1/0 has one copy only' })
  assert.deepEqual(deleted, [])
})

test('reconcileMailNode() says that the edge of a member leaves the Services when all ledgers leave it out', async () => {
  const { cluster } = fakeCluster(both, [lease(0, 1, 1), lease(1, 1, 1)])
  const { serving } = await reconcileMailNode(node, CLUSTER, certificates, cluster)
  assert.deepEqual(serving, [{ pod: 'n1-0', serving: false }])
})

test('reconcileMailNode() of a paused MailNode changes nothing and goes on to report', async () => {
  const paused = mailNode('n1', { paused: true, image: 'twinpost:9' })
  const { cluster, applied, deleted } = fakeCluster(both)
  const { phase, outdated } = await reconcileMailNode(paused, CLUSTER, certificates, cluster)
  assert.deepEqual([applied, deleted], [[], []])
  assert.deepEqual([phase.phase, outdated], ['Running', 2])
})

test('reconcileMailNode() of a hibernated MailNode stops one member, then the other', async () => {
  const hibernated = mailNode('n1', { hibernated: true })
  const steps: [pods: typeof both, members: number][] = [
    [both, 1],
    [both.slice(0, 1), 0],
    [[], 0],
  ]
  for (const [pods, members] of steps) {
    const { cluster, applied, deleted } = fakeCluster(pods)
    const { phase } = await reconcileMailNode(hibernated, CLUSTER, certificates, cluster)
    assert.equal(membersIn(applied), members)
    assert.deepEqual(deleted, [])
    assert.equal(phase.phase, 'Stopped')
  }
})

test('reconcileMailNode() rolls when somebody asks for a restart', async () => {
  const asked = mailNode('n1', {}, { annotations: { 'twinpost.io/restartedAt': '2026-03-01T10:00:00Z' } })
  const { cluster, deleted } = fakeCluster(both)
  await reconcileMailNode(asked, CLUSTER, certificates, cluster)
  assert.deepEqual(deleted, ['n1-0'])
})
