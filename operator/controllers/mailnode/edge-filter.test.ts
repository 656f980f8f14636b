/** What a MailNode says about filters, read back by the edge's own settings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '#lib/config/config.ts'
import { planContainer } from '#operator/cluster/local/container-plan.ts'
import { EdgeConfig } from '../../../services/edge/config.ts'
import { ShardConfig } from '../../../services/shard/config.ts'
import type { ArrayContext } from '../array-context.ts'
import { filterPoolObjects } from '../filterpool/build.ts'
import { CLUSTER, filterPoolOf, LOCAL, mailNode } from '../testing/contexts.ts'
import { statefulSet } from './build.ts'
import { filterProblem, type OnFilterFailure } from './edge-filter.ts'

const engines = [
  { name: 'signatures', kind: 'signatures' },
  { name: 'clamav', kind: 'clamd', address: 'clamav:3310' },
]
const pool = filterPoolOf('strict', { engines })

function edgeOf(edge: Record<string, unknown>, context: ArrayContext, onFilterFailure: OnFilterFailure = 'tempfail') {
  const wish = { members: 2, disruptionsMax: 1, claimSize: null, onFilterFailure }
  const spec = statefulSet(mailNode('n1', { edge }), context, wish).spec.template.spec
  const container = spec.containers.find(({ name }) => name === 'edge')
  assert.ok(container)
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name))
  for (const { name } of container.volumeMounts ?? []) assert.ok(volumes.has(name), `volume ${name} is there`)
  const facts = { name: 'n1-0', namespace: 'mail', uid: 'u', ip: '127.70.1.1' }
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => ({ mountPath, folder: `/at${mountPath}` }))
  const { env } = planContainer(container, facts, mounts, { node: 'node' }, () => '')
  const read = loadConfig('edge', EdgeConfig, { argv: [], env, readFile: () => '' })
  assert.ok(read.kind === 'config')
  return { config: read.config, env }
}

test('an edge without a word about filters asks nobody', () => {
  const { config, env } = edgeOf({}, CLUSTER)
  assert.deepEqual([config.filter, config.authentication], [null, 'off'])
  assert.deepEqual([env['TWINPOST_FILTER'], env['TWINPOST_ZONE_FILE']], [undefined, undefined])
})

test('an edge asks the pods behind the Service of its pool, on its port, by its rules', () => {
  const filter = { pool: 'strict', level: 'low', required: ['clamav'], onVirus: 'discard', onAttachment: 'tag' }
  const { config } = edgeOf({ filter }, CLUSTER, 'accept')
  assert.deepEqual(config.filter, {
    name: 'strict',
    host: 'strict-filter.mail.svc',
    port: 9150,
    tls: true,
    onFailure: 'accept',
    required: ['clamav'],
    onVirus: 'discard',
    onAttachment: 'tag',
    onImage: 'junk',
    level: 'low',
    allow: [],
    deny: [],
    patienceMs: 60_000,
  })
  const services = filterPoolObjects(pool, CLUSTER, null).flatMap((one) => (one.kind === 'Service' ? [one] : []))
  assert.deepEqual(
    services.map(({ metadata, spec }) => [`${metadata.name}.${metadata.namespace}.svc`, spec.ports[0]?.port]),
    [[config.filter?.host, config.filter?.port]],
  )
})

test('a shard tells the pool of its node what users call junk, and keeps letters in quarantine as long as that says', () => {
  const shardOf = (edge: Record<string, unknown>) => {
    const wish = { members: 2, disruptionsMax: 1, claimSize: null, onFilterFailure: 'tempfail' } as const
    const { containers } = statefulSet(mailNode('n1', { edge }), CLUSTER, wish).spec.template.spec
    const env = containers.find(({ name }) => name === 'shard-0')?.env ?? []
    const settings = Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
    const needed = {
      TWINPOST_POD: 'n1-0',
      TWINPOST_POD_UID: 'u',
      TWINPOST_LISTEN_HOST: '192.0.2.1',
    }
    const read = loadConfig('shard', ShardConfig, { argv: [], env: { ...needed, ...settings }, readFile: () => '' })
    assert.ok(read.kind === 'config')
    const { learnHost, learnPort, quarantineSeconds, quarantineDigests } = read.config
    return [learnHost, learnPort, quarantineSeconds, quarantineDigests]
  }
  const quarantine = { retention: '48h', digests: true }
  assert.deepEqual(shardOf({ filter: { pool: 'strict', quarantine } }), ['strict-filter.mail.svc', 9150, 172_800, true])
  assert.deepEqual(shardOf({}), [null, 9150, 30 * 86_400, false])
})

test('authentication asks the names that senders ask: the world as a file, or name servers', () => {
  const edge = { authentication: 'enforce' }
  const local = edgeOf(edge, LOCAL).config
  assert.deepEqual([local.authentication, local.zoneFile], ['enforce', '/at/home/a/.twinpost/outside/outside.zone'])
  const cluster = edgeOf(edge, { ...CLUSTER, dnsServers: '192.0.2.53' }).config
  assert.deepEqual([cluster.zoneFile, cluster.dnsServers], [null, '192.0.2.53'])
})

test('an edge judges clients as the MailNode says, and believes its proxies', () => {
  const clientPolicy = { dnsLists: ['list.example'], trusted: ['192.0.2.0/24', '2001:db8::/32'], greetingDelayMs: 500 }
  const { config } = edgeOf({ clientPolicy, proxyNetworks: ['10.0.0.0/8'] }, { ...CLUSTER, dnsServers: '192.0.2.53' })
  assert.deepEqual(config.clientPolicy, {
    ...clientPolicy,
    dnsAllowLists: [],
    reverseName: false,
    senderDomain: false,
    ownNameIsForged: true,
    recipientsPerMinute: 0,
  })
  assert.deepEqual([config.proxyNetworks, config.dnsServers], [['10.0.0.0/8'], '192.0.2.53'])
  assert.equal(edgeOf({}, CLUSTER).config.clientPolicy, null)
})

for (const [name, edge, found, words] of [
  ['no filter is asked', {}, null, null],
  ['the pool is there', { filter: { pool: 'strict', required: ['clamav'] } }, pool, null],
  ['there is no pool', { filter: { pool: 'strict' } }, null, /there is no FilterPool strict/],
  ['the pool lacks an engine', { filter: { pool: 'strict', required: ['a', 'clamav', 'b'] } }, pool, /no engine a, b,/],
] as const) {
  test(`filterProblem(): ${name}`, () => {
    const problem = filterProblem(mailNode('n1', { edge }), found)
    if (words === null) assert.equal(problem, null)
    else assert.match(problem ?? '', words)
  })
}
