import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { localLayout, type OperatorStatus } from '#operator/api/local-layout.ts'
import type { SeenPod } from '#operator/cluster/cluster.ts'
import { lockFolder } from '#operator/cluster/local/folder-lock.ts'
import { serveControl } from './control.ts'
import { openCredentials } from './credentials.ts'
import { hopelessContainers, problemText, waitingText } from './diagnosis.ts'
import { endpointsOf } from './endpoints.ts'
import { parseResources, readResources } from './resources.ts'

const node = (name: string, spec = '') => ({
  name: `${name}.yaml`,
  text: `apiVersion: twinpost.io/v1alpha1\nkind: MailNode\nmetadata: { name: ${name} }\nspec: {${spec}}\n`,
})
const domain = (name: string, spec: string) => ({
  name: `${name}.yaml`,
  text: `apiVersion: twinpost.io/v1alpha1\nkind: Domain\nmetadata: { name: ${name} }\nspec: {${spec}}\n`,
})
const accounts = (list: string) => ({
  name: 'accounts.yaml',
  text: `apiVersion: twinpost.io/v1alpha1\nkind: AccountList\nmetadata: { name: demo }\naccounts: [${list}]\n`,
})

test('readResources() takes the files that the repository ships', () => {
  const found = readResources(join(import.meta.dirname, '../../deploy/local'))
  assert.deepEqual(
    found.mailNodes.map(({ metadata, spec }) => [metadata.name, spec.shards]),
    [
      ['n1', 2],
      ['n2', 2],
    ],
  )
  assert.deepEqual(
    found.domains.map(({ spec }) => spec.name),
    ['example.test'],
  )
  assert.deepEqual(
    found.filterPools.map(({ spec }) => spec.engines.length),
    [7],
  )
  assert.deepEqual(new Set(found.accounts.map(({ home }) => home)).size, 4)
})

const filtered = node('n1', 'edge: { filter: { pool: strict, required: [clamav] } }')
const pool = {
  name: 'pool.yaml',
  text: 'apiVersion: twinpost.io/v1alpha1\nkind: FilterPool\nmetadata: { name: strict }\nspec: { engines: [{ name: a, kind: signatures }] }\n',
}

const mistakes: [name: string, files: { name: string; text: string }[], words: RegExp][] = [
  ['a setting that no schema has', [node('n1', 'shard: 2')], /n1\.yaml, document 1: spec: .*shard/],
  ['a value out of range', [node('n1', 'shards: 99')], /spec\.shards/],
  ['YAML that is none', [{ name: 'x.yaml', text: 'a: [' }], /x\.yaml, document 1/],
  ['an unknown kind', [{ name: 'x.yaml', text: 'kind: Sheep\n' }], /x\.yaml, document 1: kind/],
  ['one name twice', [node('n1'), { ...node('n1'), name: 'again.yaml' }], /again\.yaml.*MailNode n1 is in n1\.yaml/],
  ['a filter pool that is not there', [filtered], /MailNode n1: .*no FilterPool strict/],
  ['an engine that a pool does not have', [filtered, pool], /MailNode n1: .*no engine clamav/],
  ['one domain twice', [domain('a', 'name: x.test'), domain('b', 'name: x.test')], /x\.test is a's already/],
  ['an account without its domain', [accounts('{ address: a@x.test, password: secret123 }')], /a@x\.test: no Domain/],
  ['a password that is too short', [accounts('{ address: a@x.test, password: s }')], /accounts\.0\.password/],
  [
    'one account twice',
    [
      domain('a', 'name: x.test'),
      accounts('{ address: a@x.test, password: secret123 }, { address: A@x.test, password: secret123 }'),
    ],
    /A@x\.test: it is listed twice/,
  ],
]
for (const [name, files, words] of mistakes) {
  test(`parseResources() names ${name}`, () =>
    assert.throws(() => parseResources(files), { name: 'ResourceError', message: words }))
}

const pod = (container: Partial<SeenPod['containers'][number]>): SeenPod => ({
  name: 'n1-0',
  namespace: 'default',
  uid: 'u',
  ip: '127.70.1.1',
  labels: {},
  templateHash: '',
  ready: false,
  containers: [
    {
      name: 'edge',
      state: 'waiting',
      ready: false,
      restarts: 0,
      pid: null,
      startedAtMs: null,
      reason: null,
      ...container,
    },
  ],
})

test('hopelessContainers() waits for some tries, and never blames what was ready once', () => {
  assert.equal(hopelessContainers([pod({ restarts: 2 })], new Set()).length, 0)
  assert.equal(hopelessContainers([pod({ restarts: 3 })], new Set()).length, 1)
  assert.equal(hopelessContainers([pod({ restarts: 3, ready: true })], new Set()).length, 0)
  assert.equal(hopelessContainers([pod({ restarts: 9 })], new Set(['n1-0/edge'])).length, 0)
})

test('problemText() shows the last lines of the log', () => {
  const log = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
  const [container] = pod({ restarts: 4 }).containers
  assert.ok(container)
  const text = problemText('n1-0/edge', container, '/x/n1-0-edge.log', `${log}\n`)
  assert.match(
    text,
    /^n1-0\/edge does not come up: it ended 4 times\. Last lines of \/x\/n1-0-edge\.log:\n {2}line 18\n/,
  )
  assert.match(text, /line 29$/)
})

test('waitingText() says what each container waits for', () =>
  assert.deepEqual(waitingText(pod({ reason: 'catching up' })), ['n1-0/edge: catching up']))

test('openCredentials() keeps passwords and adds those of new services', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-credentials-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'credentials.json')
  const first = openCredentials(file, { directory: ['edge'], nats: ['edge'] }, nodeRandom)
  const second = openCredentials(file, { directory: ['edge', 'cli'], nats: ['edge'] }, nodeRandom)
  assert.equal(second.directory.edge, first.directory.edge)
  assert.ok(second.directory.cli.length >= 32)
  assert.equal(second.senderSeal, first.senderSeal)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), second)
})

test('endpointsOf() leads mail to the shared address', () => {
  const found = endpointsOf({ service: 's', nats: 'n', directory: 'd', firstEdge: 'e', outside: 'o' }, '/ca', [])
  assert.deepEqual(
    [found.smtp, found.pop3s, found.nats, found.ldap, found.metrics, found.outside].map(
      ({ host, port }) => `${host}:${port}`,
    ),
    ['s:2525', 's:2995', 'n:4222', 'd:3636', 'e:9100', 'o:2525'],
  )
})

test('localLayout() makes short names for sockets where the folder has a long one', () => {
  assert.equal(localLayout('/home/a/.twinpost', '/tmp').runDir, '/home/a/.twinpost/run')
  const long = localLayout(`/home/${'a'.repeat(100)}/.twinpost`, '/tmp')
  assert.match(long.runDir, /^\/tmp\/twinpost-[0-9a-f]{10}$/)
  assert.match(long.controlSocket, /^\/tmp\/twinpost-[0-9a-f]{10}\/operator\.sock$/)
})

test('lockFolder() lets one in at a time', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const unlock = lockFolder(folder)
  assert.ok(unlock)
  assert.equal(lockFolder(folder), null)
  unlock()
  const again = lockFolder(folder)
  assert.ok(again)
  again()
})

test('serveControl() answers status, takes a stop, and says what it does not know', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tp-control-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const socketPath = join(folder, 'operator.sock')
  const status: OperatorStatus = {
    phase: 'ready',
    waitingFor: [],
    problems: [],
    mailNodes: [],
    domains: [],
    stoppedMembers: [],
    filterPools: [],
    viruses: 'unknown',
    processes: [],
  }
  const stopped = Promise.withResolvers<void>()
  const server = await serveControl(socketPath, {
    status: async () => status,
    stop: () => stopped.resolve(),
    holdMember: async (name) => name === 'n1-0',
    releaseMember: async (name) => name === 'n1-1',
    deletePod: async (name) => name === 'n1-0',
  })
  t.after(() => server.close())
  const ask = (method: string, path: string) =>
    new Promise<[number | undefined, string]>((resolve, reject) => {
      const asking = request({ socketPath, method, path, agent: false }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve([response.statusCode, text]))
      })
      asking.on('error', reject)
      asking.end()
    })
  assert.deepEqual(await ask('GET', '/status'), [200, `${JSON.stringify(status)}\n`])
  assert.equal((await ask('DELETE', '/pods/n1-0'))[0], 200)
  assert.equal((await ask('DELETE', '/pods/n9-0'))[0], 404)
  assert.equal((await ask('POST', '/members/n1-0/stop'))[0], 200)
  assert.equal((await ask('POST', '/members/n1-0/start'))[0], 404)
  assert.equal((await ask('POST', '/members/n1-1/start'))[0], 200)
  assert.equal((await ask('POST', '/members/n1-1/kill'))[0], 404)
  assert.equal((await ask('GET', '/'))[0], 404)
  assert.equal((await ask('POST', '/stop'))[0], 202)
  await stopped.promise
})
