import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { loadConfig } from '#lib/config/config.ts'
import { replicaAddress } from '#lib/link/address.ts'
import { toShardName } from '#lib/mail/types.ts'
import { planContainer } from '#operator/cluster/local/container-plan.ts'
import { EdgeConfig } from '../../../services/edge/config.ts'
import { SenderConfig } from '../../../services/sender/config.ts'
import { ShardConfig } from '../../../services/shard/config.ts'
import { type ArrayContext, inApplyOrder, PATHS } from '../array-context.ts'
import { CLUSTER, LOCAL, mailNode } from '../testing/contexts.ts'
import { assertGolden } from '../testing/golden.ts'
import { certificateSecrets, edgeService, mailNodeObjects, shardHostPattern, statefulSet } from './build.ts'

const golden = (name: string) => join(import.meta.dirname, 'golden', name)

test('mailNodeObjects() renders a plain MailNode for a cluster', () =>
  assertGolden(golden('cluster.yaml'), inApplyOrder(mailNodeObjects(mailNode('n1'), CLUSTER))))

test('mailNodeObjects() renders a MailNode for one machine', () =>
  assertGolden(
    golden('local.yaml'),
    inApplyOrder(mailNodeObjects(mailNode('n1', { unsafe: { sameHost: true } }), LOCAL)),
  ))

test('mailNodeObjects() renders everything a spec can say', () =>
  assertGolden(
    golden('full.yaml'),
    inApplyOrder(
      mailNodeObjects(
        mailNode(
          'north',
          {
            shards: 3,
            image: 'registry.example/twinpost@sha256:0',
            storage: { size: '200Gi', className: 'fast' },
            expungedRetention: '720h',
            backup: {
              bucket: { name: 'mail', prefix: 'north', endpoint: 'https://minio.example' },
              secretName: 'backup-key',
              every: '5s',
            },
            edge: {
              listeners: { pop3: false, pop3s: false, lmtp: true },
              service: { type: 'LoadBalancer', annotations: { 'example.com/pool': 'mail' } },
              certificateSecret: 'north-public',
            },
            resources: {
              shard: { requests: { cpu: '500m', memory: '512Mi' }, limits: { memory: '2Gi' } },
              edge: { requests: { cpu: '250m' } },
            },
          },
          { uid: '0b9e3a52-0000-4000-8000-000000000000' },
        ),
        CLUSTER,
      ),
    ),
  ))

test('mailNodeObjects() gives the same bytes for the same arguments', () =>
  assert.equal(
    JSON.stringify(mailNodeObjects(mailNode('n1'), CLUSTER)),
    JSON.stringify(mailNodeObjects(mailNode('n1'), CLUSTER)),
  ))

test('edgeService() offers only listeners that are on, and keeps client addresses', () => {
  const service = edgeService(
    mailNode('n1', { edge: { listeners: { imap: false }, service: { type: 'LoadBalancer' } } }),
    CLUSTER,
  )
  assert.equal(
    service.spec.ports.some(({ name }) => name === 'imap'),
    false,
  )
  assert.equal(service.spec.externalTrafficPolicy, 'Local')
})

test('certificateSecrets() hold a key pair for each name that the StatefulSet mounts', () => {
  const node = mailNode('n1')
  const pairs = { 'n1-0': { cert: 'c0', key: 'k0' }, 'n1-1': { cert: 'c1', key: 'k1' } }
  const secrets = certificateSecrets(node, CLUSTER, { ca: 'ca', member: pairs, edge: pairs })
  const volumes = statefulSet(node, CLUSTER).spec.template.spec.volumes ?? []
  for (const secret of secrets) {
    const items = volumes.find((volume) => volume.secret?.secretName === secret.metadata.name)?.secret?.items ?? []
    assert.equal(items.length, 6)
    for (const { key } of items) assert.notEqual(secret.stringData[key], undefined, key)
  }
})

test('the headless Service and the pattern of host names lead to the same names', () => {
  const addressing = { hostPattern: shardHostPattern(CLUSTER), pod: null, socketDir: null }
  const address = replicaAddress(addressing, toShardName('n1/1'), 0)
  assert.deepEqual(address, { kind: 'tls', host: 'n1-0.n1.mail.svc', port: 7101 })
  const set = statefulSet(mailNode('n1'), CLUSTER)
  assert.equal(`${set.metadata.name}-0.${set.spec.serviceName}.${set.metadata.namespace}.svc`, address.host)
  assert.ok(set.spec.template.spec.containers[1]?.ports?.some(({ containerPort }) => containerPort === address.port))
})

/** What the process would be given is what its own schema takes: names, numbers, no setting too many. */
const services: [container: string, schema: z.ZodObject][] = [
  ['shard-0', ShardConfig],
  ['shard-1', ShardConfig],
  ['edge', EdgeConfig],
  ['sender', SenderConfig],
]
/** With all that the chart may say. */
const FULL: ArrayContext = {
  ...CLUSTER,
  postmaster: 'postmaster@example.test',
  dnsServers: 'tls://twinpost-resolver.mail.svc',
  otherAuthorities: ['directory', 'nats'],
  imagePullSecrets: ['registry'],
}
const places = {
  'on one machine': LOCAL,
  'in a cluster': CLUSTER,
  'in a cluster with all that the chart may say': FULL,
}
for (const [name, schema, place] of services.flatMap(([one, its]) =>
  Object.keys(places).map((where) => [one, its, where] as const),
)) {
  test(`statefulSet() gives container ${name} settings that its service takes ${place}`, () => {
    const node = mailNode('n1', { edge: { listeners: { lmtp: false } } })
    const container = statefulSet(node, places[place as keyof typeof places]).spec.template.spec.containers.find(
      (one) => one.name === name,
    )
    assert.ok(container)
    const pod = { name: 'n1-0', namespace: 'default', uid: '0b9e3a52', ip: '127.70.1.1' }
    const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => ({ mountPath, folder: `/local${mountPath}` }))
    const { env } = planContainer(container, pod, mounts, { node: 'node' }, () => '')
    const result = loadConfig(name, schema, { argv: [], env, readFile: () => '' })
    assert.equal(result.kind, 'config')
    const config = result.kind === 'config' ? z.looseObject({ tlsDir: z.string() }).parse(result.config) : null
    assert.match(config?.tlsDir ?? '', new RegExp(`^/local${PATHS.memberTls.replace('member', '(member|edge)')}/n1-0$`))
  })
}
