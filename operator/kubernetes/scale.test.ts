/**
 * A thousand MailNodes and ten thousand Domains: the operator as it is started in a cluster against a real API server and a real
 * directory. Everything gets made; then every resource is touched, so that each is looked at again, and nothing may be written.
 * Takes minutes: runs with E2E=all. SCALE=n makes it n times smaller. There are no pods: no controller of Kubernetes makes any here.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SERVICES } from '#lib/ldap/schema.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { identityUri } from '#lib/tls/roles.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { toApi } from '#operator/cluster/kubernetes/translation.ts'
import { dkimSecret } from '#operator/controllers/domain/keys.ts'
import { domainOf } from '#operator/controllers/testing/contexts.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { ResourceType } from '#operator/runtime/kube-object.ts'
import { eventually, makeNamespace, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { whyNoApiServer } from '../../tools/kube/api-server.ts'
import { AUTHORITY_SECRET } from './authority.ts'
import { DOMAINS } from './domain-controller.ts'
import { MAIL_NODES } from './mail-node-controller.ts'
import { PASSWORDS_SECRET } from './passwords.ts'
import { sameKeys, startTestApi, type TestApi } from './testing/test-operator.ts'

const SMALLER = Number(process.env['SCALE'] ?? 1)
const NODES = Math.round(1_000 / SMALLER)
const DOMAIN_COUNT = Math.round(10_000 / SMALLER)
const RSS_BYTES_MAX = 400 * 1024 * 1024
const ROOT = join(import.meta.dirname, '../..')
const SYSTEM = 'twinpost-system'
const PORT = 21_000 + (process.pid % 9_000)
const PORTS = { directory: PORT, directoryMetrics: PORT + 1, operator: PORT + 2 }
/** Writes at a time: what the API server of a test machine bears. */
const WIDE = 12
const skip = whyNoApiServer() || (process.env['E2E'] === 'all' ? false : 'not run: takes minutes, run with E2E=all')

test(`${NODES} MailNodes and ${DOMAIN_COUNT} Domains are made, and then nothing is written`, { skip }, async (t) => {
  const api = await startTestApi()
  t.after(api.stop)
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-scale-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const namespace of [SYSTEM, 'mail']) await makeNamespace(api.client, namespace)
  await startDirectory(t, api.client, folder)
  const operator = startOperator(t, api)
  await eventually(async () => (await operator.metric('leading')) === 1, 60_000, 'a leader')

  const began = nodeClock.monotonicMs()
  await makeDomains(api.client)
  await makeNodes(api.client)
  const applied = nodeClock.monotonicMs()
  const isDone = async () => (await operator.metric('leading')) === 1 && (await unready(api.client)) === 0
  await eventually(isDone, 900_000, 'all resources are told of')
  await operator.quiet()
  const made = nodeClock.monotonicMs()
  const rssMade = operator.rssBytes()

  const before = await writesOf(api)
  const looks = await operator.metric('reconciles_total{outcome="ok"')
  await touchAll(api.client)
  const all = NODES + DOMAIN_COUNT
  await eventually(
    async () => (await operator.metric('reconciles_total{outcome="ok"')) >= looks + all,
    600_000,
    'looks',
  )
  await operator.quiet()
  const written = (await writesOf(api)) - before - all
  const rss = operator.rssBytes()
  t.diagnostic(
    JSON.stringify({
      mailNodes: NODES,
      domains: DOMAIN_COUNT,
      appliedS: Math.round((applied - began) / 1_000),
      madeS: Math.round((made - began) / 1_000),
      looksAgain: (await operator.metric('reconciles_total{outcome="ok"')) - looks,
      writesInSteadyState: written,
      rssMadeMiB: Math.round(rssMade / 2 ** 20),
      rssMiB: Math.round(rss / 2 ** 20),
      rssPeakMiB: Math.round(operator.rssBytes('VmHWM') / 2 ** 20),
    }),
  )
  assert.equal(written, 0)
  assert.ok(operator.rssBytes('VmHWM') < RSS_BYTES_MAX, 'memory at its highest')
})

async function startDirectory(t: TestContext, client: ApiClient, folder: string): Promise<void> {
  const nowMs = nodeClock.nowMs()
  const ca = await createAuthority('Twinpost CA', nowMs, nodeRandom)
  const request = namesRequest('directory', ['127.0.0.1'], [identityUri({ role: 'directory', owner: 'directory' })])
  const pair = await issueLeaf(ca, request, nowMs, nodeRandom)
  const passwords = Object.fromEntries(SERVICES.map((service) => [service, `password-of-the-service-${service}`]))
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  await client.create(RESOURCE_TYPES.Secret, {
    metadata: { name: AUTHORITY_SECRET, namespace: SYSTEM },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': encoded(ca.cert), 'tls.key': encoded(ca.key) },
  })
  await client.create(RESOURCE_TYPES.Secret, {
    metadata: { name: PASSWORDS_SECRET, namespace: SYSTEM },
    type: 'Opaque',
    data: { 'directory-operator': encoded(passwords['operator'] ?? '') },
  })
  mkdirSync(join(folder, 'tls'))
  const files = {
    'tls/tls.crt': pair.cert,
    'tls/tls.key': pair.key,
    'tls/ca.crt': ca.cert,
    'passwords.json': JSON.stringify(passwords),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  run(t, 'services/directory/main.ts', {
    TWINPOST_LISTEN_HOST: '127.0.0.1',
    TWINPOST_PORT: String(PORTS.directory),
    TWINPOST_METRICS_PORT: String(PORTS.directoryMetrics),
    TWINPOST_DATA_DIR: join(folder, 'directory'),
    TWINPOST_TLS_DIR: join(folder, 'tls'),
    TWINPOST_CREDENTIALS_FILE: join(folder, 'passwords.json'),
    TWINPOST_LOG_LEVEL: 'error',
  })
  await eventually(() => isReady(PORTS.directoryMetrics), 60_000, 'the directory')
}

function startOperator(t: TestContext, api: TestApi) {
  const child = run(t, 'operator/kubernetes-main.ts', {
    KUBECONFIG: api.server.kubeconfig(),
    TWINPOST_NAMESPACE: SYSTEM,
    TWINPOST_POD: 'operator-0',
    TWINPOST_POD_UID: 'uid-0',
    TWINPOST_IMAGE: 'twinpost:test',
    TWINPOST_MAIL_HOSTNAME: 'mail.example.test',
    TWINPOST_DIRECTORY_URL: `ldaps://127.0.0.1:${PORTS.directory}`,
    TWINPOST_NATS_URL: 'tls://127.0.0.1:1',
    TWINPOST_LISTEN_HOST: '127.0.0.1',
    TWINPOST_METRICS_PORT: String(PORTS.operator),
    TWINPOST_WORKERS: '8',
    TWINPOST_LOG_LEVEL: 'error',
  })
  /** Sum of the series whose line begins so. */
  const metric = async (name: string): Promise<number> => {
    if (child.exitCode !== null) throw new Error('the operator ended: too busy a machine for its election?')
    const answer = await fetch(`http://127.0.0.1:${PORTS.operator}/metrics`).catch(() => null)
    return sumOf((await answer?.text()) ?? '', `twinpost_operator_${name}`)
  }
  return {
    metric,
    rssBytes(line: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024
    },
    /** Resolves when for a while nothing was looked at and nothing waits. */
    async quiet(): Promise<void> {
      for (let before = -1, still = 0; still < 5; ) {
        await new Promise<void>((resolve) => nodeClock.after(1_000, resolve))
        const now = (await metric('reconciles_total')) + (await metric('queue_depth'))
        still = now === before && (await metric('queue_depth')) === 0 ? still + 1 : 0
        before = now
      }
    },
  }
}

function run(t: TestContext, program: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [program], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
  return answer?.ok === true
}

/** Runs `work` on 0 to count-1, a few at a time. */
async function each(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: WIDE }, worker))
}

const nodeName = (index: number) => `n${index}`
const domainName = (index: number) => `d${index}`

async function makeNodes(client: ApiClient): Promise<void> {
  await each(NODES, (i) =>
    client.apply(
      MAIL_NODES,
      { metadata: { name: nodeName(i), namespace: 'mail' }, spec: {} },
      { fieldManager: TEST_MANAGER },
    ),
  )
}

/** With their keys: an RSA key takes a tenth of a second of a core, ten thousand of them are not what this is about. */
async function makeDomains(client: ApiClient): Promise<void> {
  const keys = await sameKeys()
  await each(DOMAIN_COUNT, async (i) => {
    const domain = domainOf(domainName(i), { name: `${domainName(i)}.test` })
    const secret = dkimSecret(domain, [{ keySet: 1, seenAt: '2026-01-01T00:00:00.000Z', retiredAt: null, keys }], null)
    await client.create(RESOURCE_TYPES.Secret, toApi(secret))
    const { name, namespace } = domain.metadata
    const spec = { name: domain.spec.name }
    await client.apply(DOMAINS, { metadata: { name, namespace }, spec }, { fieldManager: TEST_MANAGER })
  })
}

async function touchAll(client: ApiClient): Promise<void> {
  const patch = { metadata: { annotations: { 'example.test/touched': 'yes' } } }
  const touch = (type: ResourceType, name: string) => client.mergePatch(type, 'mail', name, patch)
  await each(DOMAIN_COUNT, (i) => touch(DOMAINS, domainName(i)))
  await each(NODES, (i) => touch(MAIL_NODES, nodeName(i)))
}

/** How many resources are not yet what they shall become here: Domains ready, MailNodes with a status. */
async function unready(client: ApiClient): Promise<number> {
  await new Promise<void>((resolve) => nodeClock.after(5_000, resolve)) // the list is long
  const phases = async (type: ResourceType) =>
    (await client.list(type, 'mail')).items.map((item) => (item['status'] as { phase?: string } | undefined)?.phase)
  const domains = (await phases(DOMAINS)).filter((phase) => phase !== 'Ready').length
  const nodes = (await phases(MAIL_NODES)).filter((phase) => phase === undefined).length
  return domains + nodes
}

/** Requests that change something, without the election's, as the API server counts them. */
async function writesOf(api: TestApi): Promise<number> {
  const { body } = await api.connection.request({ method: 'GET', path: '/metrics', doing: 'read metrics' })
  const lines = body.split('\n').filter((line) => line.startsWith('apiserver_request_total{'))
  const changes = lines.filter(
    (line) =>
      /verb="(PATCH|APPLY|POST|PUT|DELETE)"/.test(line) &&
      /group="(|apps|twinpost\.io|policy|networking\.k8s\.io|autoscaling|rbac\.authorization\.k8s\.io)"/.test(line),
  )
  return changes.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

function sumOf(text: string, start: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(start))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
