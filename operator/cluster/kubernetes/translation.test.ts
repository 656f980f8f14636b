import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statefulSet } from '#operator/controllers/mailnode/build.ts'
import { CLUSTER, mailNode } from '#operator/controllers/testing/contexts.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import type { Secret } from '../objects.ts'
import { templateHash } from '../template-hash.ts'
import { fromApi, seenPod, TEMPLATE_ANNOTATION, toApi } from './translation.ts'

const secret: Secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', namespace: 'mail' },
  type: 'Opaque',
  stringData: { 'ca.crt': 'Grüße\n', empty: '' },
}

test('toApi() and fromApi() carry a Secret there and back as data', () => {
  const sent = toApi(secret)
  assert.equal(sent['stringData'], undefined)
  assert.deepEqual(sent['data'], { 'ca.crt': Buffer.from('Grüße\n').toString('base64'), empty: '' })
  assert.deepEqual(fromApi(sent), secret)
})

test('toApi() writes the hash of the template into it, and does not hash what it wrote', () => {
  const set = statefulSet(mailNode('n1'), CLUSTER)
  const sent = toApi(set) as unknown as typeof set
  assert.equal(sent.spec.template.metadata.annotations?.[TEMPLATE_ANNOTATION], templateHash(set))
  assert.equal(set.spec.template.metadata.annotations?.[TEMPLATE_ANNOTATION], undefined)
})

function pod(status: unknown, metadata: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'n1-0', namespace: 'mail', uid: 'u', annotations: { [TEMPLATE_ANNOTATION]: 'abc' }, ...metadata },
    status,
  }
}

test('seenPod() reads what the kubelet says', () => {
  const startedAt = '2026-03-01T10:00:00Z'
  const seen = seenPod(
    pod({
      podIP: '10.244.1.7',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        { name: 'a', ready: true, started: true, restartCount: 2, state: { running: { startedAt } } },
        { name: 'b', ready: false, started: false, restartCount: 0, state: { running: { startedAt } } },
        {
          name: 'c',
          ready: false,
          restartCount: 5,
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
          lastState: { terminated: { exitCode: 70, reason: 'Error' } },
        },
        { name: 'd', ready: false, restartCount: 0, state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
      ],
    }),
  )
  assert.deepEqual([seen.ready, seen.ip, seen.templateHash], [true, '10.244.1.7', 'abc'])
  assert.deepEqual(
    seen.containers.map(({ name, state, restarts, reason }) => [name, state, restarts, reason]),
    [
      ['a', 'running', 2, null],
      ['b', 'starting', 0, null],
      ['c', 'waiting', 5, 'CrashLoopBackOff, back-off'],
      ['d', 'stopped', 0, 'OOMKilled, exit code 137'],
    ],
  )
  assert.equal(seen.containers[0]?.startedAtMs, Date.parse(startedAt))
})

test('seenPod() takes a pod that is being deleted for not ready, and one without a status for a new one', () => {
  const conditions = [{ type: 'Ready', status: 'True' }]
  assert.equal(seenPod(pod({ conditions }, { deletionTimestamp: '2026-03-01T10:00:00Z' })).ready, false)
  assert.deepEqual(seenPod(pod(undefined)).containers, [])
})
