import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FilterPoolStatus } from '#operator/api/filter-pool.ts'
import type { SeenContainer, SeenPod } from '#operator/cluster/cluster.ts'
import { CLUSTER, filterPoolOf } from '../testing/contexts.ts'
import { filterPoolStatus } from './decide.ts'

const engines = [{ name: 'clamav', kind: 'clamd', address: 'clamav.mail.svc:3310' }]
const pod = (name: string, reason: string | null): SeenPod => {
  const ready = reason === null
  const container: SeenContainer = {
    name: 'filter',
    state: ready ? 'running' : 'waiting',
    ready,
    restarts: 0,
    pid: null,
    startedAtMs: null,
    reason,
  }
  return { name, namespace: 'mail', uid: name, ip: '', labels: {}, templateHash: '', ready, containers: [container] }
}
const NOW = Date.parse('2026-03-01T10:00:00Z')
const MISSING =
  'No pod is made: the image twinpost:1.2.3 holds no filter service (services/filter/main.ts). Name one that does in spec.image'

const cases: [
  name: string,
  spec: Record<string, unknown>,
  imageHasFilter: boolean,
  pods: SeenPod[],
  phase: string,
  reason: string,
  message: string,
][] = [
  ['without a filter service in the image', {}, false, [], 'Pending', 'NoFilterService', MISSING],
  ['with an image of its own', { image: 'filter:1' }, false, [], 'Pending', 'NoPods', '0 of 2 pods are ready'],
  [
    'whose pods cannot start',
    {},
    true,
    [pod('a', 'ErrImagePull, not found'), pod('b', 'ErrImagePull, again in 10s')],
    'Starting',
    'PodsStarting',
    '0 of 2 pods are ready: ErrImagePull',
  ],
  [
    'with one pod',
    {},
    true,
    [pod('a', null), pod('b', 'CrashLoopBackOff, exit code 1')],
    'Degraded',
    'SomePodsReady',
    '1 of 2 pods are ready: CrashLoopBackOff',
  ],
  ['with all pods', {}, true, [pod('a', null), pod('b', null)], 'Running', 'PodsReady', '2 pods are ready'],
  [
    'with more pods than wanted',
    { replicas: 1 },
    true,
    [pod('a', null), pod('b', null)],
    'Running',
    'PodsReady',
    '2 pods are ready',
  ],
]
for (const [name, spec, imageHasFilter, pods, phase, reason, message] of cases) {
  test(`filterPoolStatus() of a pool ${name}`, () => {
    const status = filterPoolStatus(filterPoolOf('p', { engines, ...spec }), CLUSTER, { imageHasFilter, pods }, NOW)
    const [ready] = status.conditions ?? []
    assert.deepEqual([status.phase, ready?.reason, ready?.message], [phase, reason, message])
    assert.equal(ready?.status, phase === 'Running' ? 'True' : 'False')
    assert.equal(status.phaseReason, message)
    assert.equal(status.selector, 'app.kubernetes.io/component=filter,app.kubernetes.io/instance=p')
    assert.ok(FilterPoolStatus.strict().safeParse(status).success)
  })
}
