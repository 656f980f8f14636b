/**
 * Good and bad resources of all kinds against a real API server with the shipped CRDs, with the very words that a user reads at
 * `kubectl apply`; and what `kubectl explain` and `kubectl get` show.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { known } from '#lib/errors/assert.ts'
import { assertGoldenText } from '#operator/controllers/testing/golden.ts'
import { startTestApi, type TestApi } from '#operator/kubernetes/testing/test-operator.ts'
import { kubeErrorCode } from '#operator/runtime/api-error.ts'
import type { ApiConnection } from '#operator/runtime/connection.ts'
import type { ResourceType } from '#operator/runtime/kube-object.ts'
import { makeNamespace, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { GROUP, KINDS, VERSION } from './mod.ts'

const skip = whyNoApiServer()
const NAMESPACE = 'resources'
let running: TestApi | null = null
before(async () => {
  if (skip) return
  running = await startTestApi()
  await makeNamespace(running.client, NAMESPACE)
})
after(() => running?.stop())

const typeOf = (wanted: string): ResourceType => {
  const { kind, plural } = known(
    KINDS.find((one) => one.kind === wanted),
    wanted,
  )
  return { group: GROUP, version: VERSION, kind, plural, namespaced: true }
}
let made = 0
const applyAs = (kind: string, name: string, spec: unknown) =>
  known(running, 'the API server was started').client.apply(
    typeOf(kind),
    { metadata: { name, namespace: NAMESPACE }, spec },
    { fieldManager: TEST_MANAGER, force: true },
  )

const engine = { name: 'clamav', kind: 'clamd', address: 'clamav.mail.svc:3310' }
const pool = (more: Record<string, unknown>) => ({ engines: [engine], ...more })
const scaled = (autoscaling: Record<string, unknown>) => pool({ autoscaling, resources: { requests: { cpu: '1' } } })
const good: [kind: string, what: string, spec: Record<string, unknown>][] = [
  ['MailNode', 'nothing', {}],
  [
    'MailNode',
    'sizes and modes',
    { shards: 4, storage: { size: '1Ti' }, durability: { inbound: { mode: 'preferred' } } },
  ],
  ['Domain', 'a name', { name: 'example.test' }],
  ['Domain', 'an A-label', { name: 'xn--fiqs8s.example' }],
  [
    'Domain',
    'records of others',
    { name: 'a.test', dns: { spf: { includes: ['_spf.example.org'], others: 'fail' }, dmarc: 'reject' } },
  ],
  [
    'Domain',
    'a policy that somebody serves',
    { name: 'a.test', dns: { mtaSts: { mode: 'enforce', host: 'www.a.test' } } },
  ],
  [
    'Domain',
    'a way out of its own',
    { name: 'a.test', sending: { smarthost: { host: 'relay.example', credentialsSecret: 'relay' } } },
  ],
  [
    'MailNode',
    'clients that are judged, and proxies',
    {
      edge: {
        clientPolicy: { dnsLists: ['list.example'], trusted: ['192.0.2.0/24', '2001:db8::/32'] },
        proxyNetworks: ['10.0.0.0/8', '192.0.2.1', '::1'],
      },
    },
  ],
  [
    'MailNode',
    'users that share and log in elsewhere',
    { edge: { logins: { sharing: true, oidc: { issuer: 'https://login.example.test/' } } } },
  ],
  ['FilterPool', 'one engine', pool({})],
  [
    'FilterPool',
    'an IPv6 engine and an autoscaler',
    { ...scaled({ maxReplicas: 4 }), engines: [{ name: 'a', kind: 'spamd', address: '[2001:db8::1]:783' }] },
  ],
]
for (const [kind, what, spec] of good) {
  test(`A ${kind} with ${what} is taken`, { skip }, async () => {
    await applyAs(kind, `good-${made++}`, spec)
  })
}

const bad: [kind: string, spec: Record<string, unknown>][] = [
  ['MailNode', { shards: 0 }],
  ['MailNode', { storage: { size: '10 GB' } }],
  ['MailNode', { sharts: 2 }],
  ['Domain', {}],
  ['Domain', { name: 'Example.test' }],
  ['Domain', { name: 'localhost' }],
  ['Domain', { name: 'a.test', postmaster: 'nobody' }],
  ['Domain', { name: 'a.test', dkim: { keySet: 0 } }],
  ['Domain', { name: 'a.test', dns: { mtaSts: { mode: 'enforce' } } }],
  ['Domain', { name: 'a.test', dns: { dmarc: 'drop' } }],
  ['Domain', { name: 'a.test', policies: { quota: '5 GB' } }],
  ['Domain', { name: 'a.test', sending: { smarthost: { host: 'Relay' } } }],
  [
    'Domain',
    {
      name: 'a.test',
      sending: { smarthost: { host: 'relay.example', tls: 'opportunistic', credentialsSecret: 'relay' } },
    },
  ],
  ['MailNode', { edge: { proxyNetworks: ['10.0.0.0/33'] } }],
  ['MailNode', { edge: { clientPolicy: { dnsLists: ['list'] } } }],
  ['FilterPool', { engines: [] }],
  ['FilterPool', { engines: [engine, engine] }],
  ['FilterPool', { engines: [{ ...engine, address: 'clamav' }] }],
  ['FilterPool', { engines: [{ name: 'a', kind: 'rspamd', address: 'r.mail.svc:11333' }] }],
  ['FilterPool', { engines: [{ name: 'a', kind: 'clamd' }] }],
  ['FilterPool', pool({ replicas: 0 })],
  ['FilterPool', pool({ onFailure: 'ignore' })],
  ['FilterPool', scaled({ minReplicas: 5, maxReplicas: 2 })],
  ['FilterPool', pool({ autoscaling: { maxReplicas: 2 } })],
]
const badNames: [kind: string, name: string, spec: Record<string, unknown>][] = [
  ['MailNode', '1n', {}],
  ['Domain', 'd'.repeat(64), { name: 'a.test' }],
  ['FilterPool', 'p.q', pool({})],
  ['FilterPool', 'p'.repeat(53), pool({})],
]
const changes: [kind: string, before: Record<string, unknown>, after: Record<string, unknown>][] = [
  ['MailNode', { shards: 2 }, { shards: 4 }],
  ['MailNode', { storage: { size: '10Gi' } }, { storage: { size: '5Gi' } }],
  ['Domain', { name: 'a.test' }, { name: 'b.test' }],
  ['Domain', { name: 'a.test', dkim: { keySet: 2 } }, { name: 'a.test', dkim: { keySet: 1 } }],
]

test('Bad resources are refused in the very words of golden/refusals.txt', { skip }, async () => {
  const lines: string[] = []
  for (const [kind, spec] of bad) {
    lines.push(`${kind} ${JSON.stringify(spec)}`, `  ${await refusal(kind, `bad-${made++}`, spec)}`)
  }
  for (const [kind, name, spec] of badNames) {
    lines.push(`${kind} named ${name}`, `  ${await refusal(kind, name, spec)}`)
  }
  for (const [kind, first, then] of changes) {
    const name = `change-${made++}`
    await applyAs(kind, name, first)
    lines.push(`${kind} ${JSON.stringify(first)}, then ${JSON.stringify(then)}`, `  ${await refusal(kind, name, then)}`)
  }
  assertGoldenText(`${import.meta.dirname}/golden/refusals.txt`, `${lines.join('\n')}\n`)
})

/** What the API server says, without what differs from case to case. */
async function refusal(kind: string, name: string, spec: unknown): Promise<string> {
  try {
    await applyAs(kind, name, spec)
  } catch (error) {
    assert.equal(kubeErrorCode(error), 'KUBE_INVALID')
    const said = String(error instanceof Error ? error.message : error)
    const quoted = `"${name}" is invalid: `
    const at = said.indexOf(quoted)
    return at < 0 ? said.replaceAll(name, 'NAME') : said.slice(at + quoted.length)
  }
  return 'it was taken'
}

/** The API server publishes the words of a new kind some seconds after it has begun to serve it; until then it may answer 200 with no body at all. */
async function publishedSchema(connection: ApiConnection, kind: string): Promise<{ properties: Record<string, Node> }> {
  const path = `/openapi/v3/apis/${GROUP}/${VERSION}`
  for (let tries = 0; tries < 120; tries++) {
    const { body } = await connection
      .request({ method: 'GET', path, doing: 'read the OpenAPI document' })
      .catch(() => NONE)
    const { components } = JSON.parse(body || NONE.body) as {
      components?: { schemas: Record<string, { properties: Record<string, Node> }> }
    }
    const schema = components?.schemas[`io.twinpost.${VERSION}.${kind}`]
    if (schema !== undefined) return schema
    await pause(500)
  }
  assert.fail(`The API server has no words about ${kind} after a minute`)
}
const NONE = { body: '{}' }

for (const kind of KINDS) {
  test(`Every field of ${kind.kind} is explained by the API server`, { skip }, async () => {
    const schema = await publishedSchema(known(running, 'the API server was started').connection, kind.kind)
    const bare = ['spec', 'status'].flatMap((part) => withoutWords(known(schema.properties[part], part), `.${part}`))
    assert.deepEqual(bare, [])
  })

  test(`kubectl get ${kind.plural} has its columns`, { skip }, async () => {
    const { connection } = known(running, 'the API server was started')
    const { body } = await connection.request({
      method: 'GET',
      path: `/apis/${GROUP}/${VERSION}/namespaces/${NAMESPACE}/${kind.plural}`,
      accept: 'application/json;as=Table;g=meta.k8s.io;v=v1',
      doing: 'read the table',
    })
    const { columnDefinitions } = JSON.parse(body) as { columnDefinitions: { name: string }[] }
    assert.deepEqual(
      columnDefinitions.map(({ name }) => name),
      ['Name', ...kind.columns.map(({ name }) => name)],
    )
  })
}

interface Node {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
}

function withoutWords(node: Node, path: string): string[] {
  return [
    ...(node.description ? [] : [path]),
    ...Object.entries(node.properties ?? {}).flatMap(([name, child]) => withoutWords(child, `${path}.${name}`)),
    ...Object.entries(node.items?.properties ?? {}).flatMap(([name, child]) =>
      withoutWords(child, `${path}[].${name}`),
    ),
  ]
}
