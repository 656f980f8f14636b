import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '#lib/config/config.ts'
import { FilterConfig } from '../../../services/filter/config.ts'
import { CLUSTER, filterPoolOf } from '../testing/contexts.ts'
import { assertGolden } from '../testing/golden.ts'
import { deployment, filterPoolObjects, replicasOf } from './build.ts'

const golden = (name: string) => `${import.meta.dirname}/golden/${name}.yaml`
const engines = [{ name: 'clamav', kind: 'clamd', address: 'clamav.mail.svc:3310' }]
const requests = { cpu: '500m', memory: '256Mi' }

test('filterPoolObjects() of a small pool are as reviewed', () =>
  assertGolden(golden('small'), filterPoolObjects(filterPoolOf('default', { engines }), CLUSTER, null)))

test('filterPoolObjects() of a pool that uses every field are as reviewed', () => {
  const spec = {
    image: 'registry.example.test/filter:2.0.0',
    autoscaling: { minReplicas: 3, maxReplicas: 9, cpuPercent: 60 },
    onFailure: 'accept',
    engines: [
      ...engines,
      { name: 'rspamd', kind: 'rspamd', url: 'http://[2001:db8::1]:11333', timeoutSeconds: 60 },
      { name: 'attachments', kind: 'attachments' },
    ],
    resources: { requests, limits: { memory: '1Gi' } },
  }
  assertGolden(golden('full'), filterPoolObjects(filterPoolOf('strict', spec, { uid: 'u-1' }), CLUSTER, 5))
})

const scaled = { engines, autoscaling: { minReplicas: 2, maxReplicas: 8 }, resources: { requests } }
const cases: [name: string, spec: Record<string, unknown>, seen: number | null, replicas: number][] = [
  ['is what the resource says', { engines, replicas: 4 }, 7, 4],
  ['begins at the fewest with an autoscaler', scaled, null, 2],
  ['repeats what the autoscaler has set', scaled, 5, 5],
  ['stays within new bounds', scaled, 20, 8],
]
for (const [name, spec, seen, replicas] of cases) {
  test(`the number of pods ${name}`, () => assert.equal(replicasOf(filterPoolOf('a', spec), seen), replicas))
}

test('other engines are another template, other budgets are not', () => {
  const template = (spec: Record<string, unknown>) => {
    const found = filterPoolObjects(filterPoolOf('a', { engines, ...spec }), CLUSTER, null)
    return JSON.stringify(found.flatMap((object) => (object.kind === 'Deployment' ? [object.spec.template] : [])))
  }
  assert.equal(template({}), template({ replicas: 5 }))
  assert.notEqual(template({}), template({ engines: [{ ...engines[0], timeoutSeconds: 20 }] }))
})

test('the filter reads the settings that are rendered for it', () => {
  const spec = {
    engines: [...engines, { name: 'sig', kind: 'signatures' }, { name: 'r', kind: 'rspamd', url: 'http://r:1' }],
  }
  const pod = deployment(filterPoolOf('a', spec), CLUSTER, null).spec.template.spec.containers[0]
  const env = Object.fromEntries((pod?.env ?? []).map(({ name, value }) => [name, value ?? '10.0.0.1']))
  const read = loadConfig('filter', FilterConfig, { argv: [], env, readFile: () => '' })
  assert.ok(read.kind === 'config')
  assert.deepEqual(
    read.config.engines.map(({ kind, name, timeoutMs }) => [kind, name, timeoutMs]),
    [
      ['clamd', 'clamav', 10_000],
      ['signatures', 'sig', 10_000],
      ['rspamd', 'r', 10_000],
    ],
  )
  const ports = Object.fromEntries((pod?.ports ?? []).map(({ name, containerPort }) => [name, containerPort]))
  assert.deepEqual(ports, { milter: read.config.port, metrics: read.config.metricsPort })
})

test('pods of a pool that learns keep what they learned and may ask each other; those of another may not', () => {
  const render = (kinds: readonly string[]) => {
    const pool = filterPoolOf('a', { engines: kinds.map((kind) => ({ name: kind, kind })) })
    const env = deployment(pool, CLUSTER, null).spec.template.spec.containers[0]?.env ?? []
    const value = (wanted: string) => env.find(({ name }) => name === wanted)?.value
    const policies = filterPoolObjects(pool, CLUSTER, null).flatMap((one) =>
      one.kind === 'NetworkPolicy' ? [one.spec] : [],
    )
    const [policy] = policies
    const own = JSON.stringify(policy?.podSelector)
    const peers = [policy?.ingress ?? [], policy?.egress ?? []].flat().filter((rule) => {
      const ends = 'from' in rule ? rule.from : 'to' in rule ? rule.to : []
      return (ends ?? []).some(({ podSelector }) => JSON.stringify(podSelector) === own)
    })
    return [value('TWINPOST_PEERS_HOST'), value('TWINPOST_LEARNED_FILE') !== undefined, peers.length]
  }
  assert.deepEqual(render(['signatures', 'bayes']), ['a-filter.mail.svc', true, 2])
  assert.deepEqual(render(['signatures']), [undefined, false, 0])
})
