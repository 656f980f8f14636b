import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Service } from '../objects.ts'
import { AddressPlan, NETWORK_MAX, NETWORK_MIN, networkCandidates } from './addresses.ts'
import { hostsText } from './hosts.ts'
import { identifyProcess, isSameProcess, signalProcess } from './process-identity.ts'
import { afterExit, FRESH, HEALTHY_LIFE_MS } from './restart-policy.ts'

test('networkCandidates() tries every network once, wherever it begins', () =>
  fc.assert(
    fc.property(fc.string(), (seed) => {
      const found = networkCandidates(seed)
      assert.equal(new Set(found).size, NETWORK_MAX - NETWORK_MIN + 1)
      assert.ok(found.every((network) => network >= NETWORK_MIN && network <= NETWORK_MAX))
    }),
  ))

test('AddressPlan gives each workload its own byte and keeps it', () => {
  const plan = new AddressPlan(70, { b: 2 })
  assert.equal(plan.address('a', 0), '127.70.1.1')
  assert.equal(plan.address('b', 1), '127.70.2.2')
  assert.equal(plan.address('c', 0), '127.70.3.1')
  assert.equal(plan.address('a', 1), '127.70.1.2')
  assert.deepEqual(plan.numbers(), { a: 1, b: 2, c: 3 })
})

test('afterExit() starts again at once, then waits longer up to a bound', () => {
  const waits: number[] = []
  let state = FRESH
  for (let i = 0; i < 9; i++) {
    const { delayMs, next } = afterExit(state, 50)
    waits.push(delayMs)
    state = next
  }
  assert.deepEqual(waits, [0, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
})

test('afterExit() begins anew after a healthy life', () =>
  assert.deepEqual(afterExit({ failures: 8 }, HEALTHY_LIFE_MS), { delayMs: 0, next: { failures: 1 } }))

const service = (name: string, spec: Partial<Service['spec']>, annotations: Record<string, string> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', annotations },
  spec: { selector: { app: 'n1' }, ports: [], ...spec },
})
const pods = [0, 1].map((i) => ({
  name: `n1-${i}`,
  namespace: 'default',
  ip: `127.70.1.${i + 1}`,
  labels: { app: 'n1' },
}))

test('hostsText() gives pods of a headless Service their own names and that of all, and a Service the first pod', () =>
  assert.equal(
    hostsText(
      [
        service('n1', { clusterIP: 'None' }),
        service('nats', {}),
        service('edge', {}, { 'twinpost.io/local-address': 'shared' }),
        service('none', { selector: { app: 'other' } }),
      ],
      pods,
      '127.70.0.1',
    ),
    [
      '# Written by the operator: what cluster DNS would answer.',
      '127.70.1.1 n1-0.n1.default.svc n1-0.n1.default.svc.cluster.local n1-0.n1.default n1-0.n1',
      '127.70.1.2 n1-1.n1.default.svc n1-1.n1.default.svc.cluster.local n1-1.n1.default n1-1.n1',
      '127.70.1.1 n1.default.svc n1.default.svc.cluster.local n1.default n1',
      '127.70.1.2 n1.default.svc n1.default.svc.cluster.local n1.default n1',
      '127.70.1.1 nats.default.svc nats.default.svc.cluster.local nats.default nats',
      '127.70.0.1 edge.default.svc edge.default.svc.cluster.local edge.default edge',
      '',
    ].join('\n'),
  ))

test('isSameProcess() knows this process by its start time and nobody by a wrong one', () => {
  const me = identifyProcess(process.pid)
  assert.ok(me)
  assert.equal(isSameProcess(me), true)
  assert.equal(isSameProcess({ ...me, startedAt: `${me.startedAt}0` }), false)
  assert.equal(signalProcess({ ...me, startedAt: `${me.startedAt}0` }, 'SIGTERM'), false)
})
