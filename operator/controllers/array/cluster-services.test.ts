import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SERVICES } from '#lib/ldap/schema.ts'
import { parseIdentityUri } from '#lib/tls/roles.ts'
import { statefulSet } from '../mailnode/build.ts'
import { CLUSTER, mailNode } from '../testing/contexts.ts'
import {
  CLUSTER_SERVICES,
  type ClusterService,
  certificateRequest,
  decideWriter,
  directoryWriter,
  PASSWORD_KEYS,
  type Passwords,
  passwordSecrets,
  type SeenDirectoryPod,
  type WriterDecision,
  writerOf,
} from './cluster-services.ts'

const [A, B] = ['twinpost-directory-0', 'twinpost-directory-1']
const pods = (a: boolean, b: boolean): SeenDirectoryPod[] => [
  { name: A, ready: a },
  { name: B, ready: b },
]
const PATIENCE = 15_000

const table: readonly (readonly [
  name: string,
  present: string | null,
  seen: SeenDirectoryPod[],
  downMs: number,
  wanted: WriterDecision,
])[] = [
  ['nobody is ready yet', null, pods(false, false), 0, { kind: 'keep' }],
  ['the first one that is ready', null, pods(false, true), 0, { kind: 'choose', pod: B }],
  ['both are ready', null, pods(true, true), 0, { kind: 'choose', pod: A }],
  ['the writer is ready', B, pods(true, true), 0, { kind: 'keep' }],
  ['the writer is ready and the other one is not', B, pods(false, true), 0, { kind: 'keep' }],
  ['the writer just went', A, pods(false, true), 0, { kind: 'wait', ms: PATIENCE }],
  ['the writer is away for a while', A, pods(false, true), 5_000, { kind: 'wait', ms: 10_000 }],
  ['the writer stays away', A, pods(false, true), PATIENCE, { kind: 'choose', pod: B }],
  ['both are away', A, pods(false, false), 60_000, { kind: 'keep' }],
  ["the writer's pod is no more", A, [{ name: B, ready: true }], PATIENCE, { kind: 'choose', pod: B }],
]
for (const [name, present, seen, downMs, wanted] of table) {
  test(`decideWriter(): ${name}`, () => assert.deepEqual(decideWriter(present, seen, downMs, PATIENCE), wanted))
}

test('writerOf() reads what directoryWriter() wrote', () => {
  assert.equal(writerOf({ ...directoryWriter(CLUSTER, B) }), B)
  assert.equal(writerOf(null), null)
  assert.equal(writerOf({ spec: {} }), null)
})

test('a certificate has at most one role, and the names that clients use', () => {
  const roles = (Object.keys(CLUSTER_SERVICES) as ClusterService[]).map((service) => {
    const { uris, dns } = certificateRequest(service, 'mail')
    if (service !== 'provision') assert.ok(dns.includes(`${CLUSTER_SERVICES[service]}.mail.svc`), service)
    return [service, uris.map((uri) => parseIdentityUri(uri)?.role)]
  })
  assert.deepEqual(Object.fromEntries(roles), {
    nats: [],
    directory: ['directory'],
    provision: ['provision'],
    resolver: [],
  })
  const { dns } = certificateRequest('directory', 'mail')
  for (const name of ['twinpost-directory-writer.mail.svc', '*.twinpost-directory-pods.mail.svc']) {
    assert.ok(dns.includes(name), name)
  }
})

test('a directory and a NATS with another authority: who talks to them is told where it lies', () => {
  const context = { ...CLUSTER, otherAuthorities: ['directory', 'nats'] as const }
  const files = (name: string) => {
    const { containers } = statefulSet(mailNode('n1'), context).spec.template.spec
    const env = containers.find((container) => container.name === name)?.env ?? []
    return env.filter((one) => one.name.endsWith('_CA_FILE')).map((one) => `${one.name}=${one.value}`)
  }
  const directory = 'TWINPOST_DIRECTORY_CA_FILE=/etc/twinpost/credentials/directory-ca.crt'
  const nats = 'TWINPOST_NATS_CA_FILE=/etc/twinpost/credentials/nats-ca.crt'
  assert.deepEqual([files('edge'), files('sender'), files('shard-0')], [[directory, nats], [directory], []])
  const passwords = Object.fromEntries(PASSWORD_KEYS.map((key) => [key, key])) as Passwords
  const [edge] = passwordSecrets(context, passwords, { directory: 'PEM of theirs', nats: 'PEM of others' })
  assert.equal(edge?.stringData['directory-ca.crt'], 'PEM of theirs')
  assert.equal(edge?.stringData['nats-ca.crt'], 'PEM of others')
})

test('each service gets its own passwords, and servers those of all', () => {
  const passwords = Object.fromEntries(PASSWORD_KEYS.map((key) => [key, `secret of ${key}`])) as Passwords
  const secrets = new Map(passwordSecrets(CLUSTER, passwords).map((secret) => [secret.metadata.name, secret]))
  assert.deepEqual(secrets.get('edge-credentials')?.stringData, {
    'directory-password': 'secret of directory-edge',
    'nats-password': 'secret of nats-edge',
  })
  assert.deepEqual(secrets.get('provision-credentials')?.stringData, {
    'directory-password': 'secret of directory-provision',
    'nats-password': 'secret of nats-provision',
  })
  assert.deepEqual(secrets.get('sender-seal')?.stringData, { seal: 'secret of sender-seal' })
  const sealed = [...secrets.values()].filter(({ stringData }) => JSON.stringify(stringData).includes('sender-seal'))
  assert.equal(sealed.length, 1, 'nobody but senders has what opens keys')
  assert.deepEqual(Object.keys(secrets.get('twinpost-directory-passwords')?.stringData ?? {}).sort(), [
    ...[...SERVICES, 'replication'].sort(),
  ])
  const auth = secrets.get('twinpost-nats-auth')?.stringData['auth.conf'] ?? ''
  for (const user of ['edge', 'provision', 'operator', 'cli'])
    assert.ok(auth.includes(`"secret of nats-${user}"`), user)
  for (const secret of secrets.values()) assert.equal(secret.metadata.ownerReferences, undefined)
})
