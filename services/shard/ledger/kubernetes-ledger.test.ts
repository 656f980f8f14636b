import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { type ShardName, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { type ApiClient, createApiClient } from '#operator/runtime/api-client.ts'
import type { ApiConnection } from '#operator/runtime/connection.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import { LEASES } from '#operator/runtime/resources.ts'
import {
  accountToken,
  connectTo,
  makeNamespace,
  ROLE_BINDINGS,
  ROLES,
  SERVICE_ACCOUNTS,
  TEST_MANAGER,
} from '#operator/runtime/testing/api-access.ts'
import { startTcpProxy } from '#operator/runtime/testing/tcp-proxy.ts'
import { type ApiServer, startApiServer, whyNoApiServer } from '../../../tools/kube/api-server.ts'
import { LedgerAgent } from './agent.ts'
import { KubernetesApi } from './kubernetes-api.ts'
import { KubernetesLedger, LEDGER_ANNOTATION, leaseName } from './kubernetes-ledger.ts'
import { contractEntry, ledgerContract, shardNames } from './testing/ledger-contract.ts'
import type { Ledger } from './types.ts'

const skip = whyNoApiServer()
const NAMESPACE = 'mail'
const SWAP_MS = 400
const nextShard = shardNames()
const folder = mkdtempSync(join(tmpdir(), 'twinpost-kubernetes-ledger-'))
const open: { close(): unknown }[] = []
let running: { server: ApiServer; connection: ApiConnection; admin: ApiClient } | null = null

before(async () => {
  if (skip) return
  const server = await startApiServer()
  const connection = connectTo(server)
  running = { server, connection, admin: createApiClient({ connection }) }
  await makeNamespace(running.admin, NAMESPACE)
})
after(async () => {
  for (const one of open) await one.close()
  await running?.connection.close()
  await running?.server.stop()
  rmSync(folder, { recursive: true })
})

function world() {
  return known(running, 'the API server was started')
}

/** What the operator does for a shard before members start. */
async function makeLease(shard: ShardName): Promise<void> {
  const metadata = { name: leaseName(shard), namespace: NAMESPACE, labels: { 'app.kubernetes.io/name': 'twinpost' } }
  await world().admin.apply(LEASES, { metadata }, { fieldManager: TEST_MANAGER })
}

async function emptyShard(): Promise<ShardName> {
  const shard = nextShard()
  await makeLease(shard)
  return shard
}

async function leaseOf(shard: ShardName): Promise<KubeObject> {
  return known(await world().admin.get(LEASES, NAMESPACE, leaseName(shard)), 'the Lease is there')
}

/** Writes the Lease anew with `annotations`, as somebody with all rights might. */
async function overwrite(shard: ShardName, annotations: Record<string, string>): Promise<void> {
  const lease = await leaseOf(shard)
  await world().admin.replace(LEASES, { ...lease, metadata: { ...lease.metadata, annotations } })
}

function tokenFile(token: string): string {
  const path = join(folder, `token-${open.length}-${nodeClock.monotonicMs()}`)
  writeFileSync(path, `${token}\n`)
  return path
}

function ledgerWith(token: string, url = world().server.url) {
  const path = tokenFile(token)
  const api = new KubernetesApi({ url, tokenFile: path, caFile: world().server.caFile, clock: nodeClock })
  open.push(api)
  return { ledger: new KubernetesLedger({ api, namespace: NAMESPACE, clock: nodeClock }), tokenPath: path }
}

const client = (): Ledger => ledgerWith(world().server.token()).ledger

ledgerContract(
  'KubernetesLedger',
  () => ({
    client,
    emptyShard,
    async lose(shard) {
      await overwrite(shard, {})
    },
    settle: (promise) => promise,
  }),
  { skip },
)

test('KubernetesLedger needs no more than get and update of the Lease by name', { skip }, async () => {
  const { admin, connection } = world()
  const [own, other] = [await emptyShard(), await emptyShard()]
  const member = { name: 'member', namespace: NAMESPACE }
  await admin.apply(SERVICE_ACCOUNTS, { metadata: member }, { fieldManager: TEST_MANAGER })
  const rule = {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [leaseName(own)],
    verbs: ['get', 'update'],
  }
  await admin.apply(ROLES, { metadata: member, rules: [rule] }, { fieldManager: TEST_MANAGER })
  const binding = {
    metadata: member,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'member' },
    subjects: [{ kind: 'ServiceAccount', ...member }],
  }
  await admin.apply(ROLE_BINDINGS, binding, { fieldManager: TEST_MANAGER })
  const { ledger } = ledgerWith(await accountToken(connection, NAMESPACE, 'member'))
  assert.equal(await ledger.read(own), null)
  assert.deepEqual(await ledger.compareAndSwap(own, null, contractEntry(1)), { kind: 'ok' })
  assert.deepEqual(await ledger.compareAndSwap(own, contractEntry(1), contractEntry(2)), { kind: 'ok' })
  await assert.rejects(ledger.read(other), { code: 'LEDGER_UNAVAILABLE', message: /403.*Role of the MailNode/ })
  await assert.rejects(ledger.compareAndSwap(other, null, contractEntry(1)), { code: 'LEDGER_UNAVAILABLE' })
})

test('KubernetesLedger finds nothing and writes nothing where the operator has made no Lease', { skip }, async () => {
  const shard = nextShard()
  const ledger = client()
  assert.equal(await ledger.read(shard), null)
  assert.deepEqual(await ledger.compareAndSwap(shard, null, contractEntry(1)), { kind: 'conflict' })
  await makeLease(shard)
  assert.deepEqual(await ledger.compareAndSwap(shard, null, contractEntry(1)), { kind: 'ok' })
})

test('KubernetesLedger leaves what others wrote and shows people who serves', { skip }, async () => {
  const shard = await emptyShard()
  await overwrite(shard, { 'example.test/note': 'keep' })
  const ledger = client()
  await ledger.compareAndSwap(shard, null, contractEntry(1))
  await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2))
  const { metadata, spec } = await leaseOf(shard)
  assert.equal(metadata.labels?.['app.kubernetes.io/name'], 'twinpost')
  assert.equal(metadata.annotations?.['example.test/note'], 'keep')
  const shown = spec as Record<string, unknown>
  assert.deepEqual([shown['holderIdentity'], shown['leaseTransitions']], ['member 0', 2])
  assert.match(String(shown['renewTime']), /\.\d{6}Z$/)
})

test('KubernetesLedger does not write over a Lease that was deleted and made again', { skip }, async () => {
  const shard = await emptyShard()
  const ledger = client()
  await ledger.compareAndSwap(shard, null, contractEntry(1))
  const copy = (await leaseOf(shard)).metadata.annotations ?? {}
  await world().admin.delete(LEASES, NAMESPACE, leaseName(shard))
  assert.deepEqual(await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2)), { kind: 'conflict' })
  await makeLease(shard)
  assert.deepEqual(await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2)), { kind: 'conflict' })
  await overwrite(shard, { ...copy })
  assert.deepEqual(await ledger.read(shard), contractEntry(1))
})

test('KubernetesLedger swaps from the version that was read, not from an equal one that was put there since', {
  skip,
}, async () => {
  const shard = await emptyShard()
  const ledger = client()
  await ledger.compareAndSwap(shard, null, contractEntry(1))
  const copy = (await leaseOf(shard)).metadata.annotations ?? {}
  assert.deepEqual(await client().compareAndSwap(shard, contractEntry(1), contractEntry(2)), { kind: 'ok' })
  await overwrite(shard, { ...copy })
  assert.deepEqual(await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(3)), { kind: 'conflict' })
})

test('KubernetesLedger refuses an entry that it cannot read instead of taking it for none', { skip }, async () => {
  const shard = await emptyShard()
  await overwrite(shard, { [LEDGER_ANNOTATION]: '{"version":3}' })
  const ledger = client()
  await assert.rejects(ledger.read(shard), { code: 'LEDGER_UNREADABLE' })
  await assert.rejects(ledger.compareAndSwap(shard, null, contractEntry(4)), { code: 'LEDGER_UNREADABLE' })
})

test('KubernetesLedger calls a swap unknown whose answer got lost, and a read settles it', { skip }, async () => {
  const { server } = world()
  const shard = await emptyShard()
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  open.push(proxy)
  const { ledger } = ledgerWith(server.token(), `https://127.0.0.1:${proxy.port}`)
  assert.equal(await ledger.read(shard), null)
  proxy.mode = 'deaf'
  const beganAtMs = nodeClock.monotonicMs()
  const outcome = await ledger.compareAndSwap(shard, null, contractEntry(1))
  assert.equal(outcome.kind, 'unknown')
  assert.ok(nodeClock.monotonicMs() - beganAtMs < 3_000, 'bounded')
  assert.deepEqual(await client().read(shard), contractEntry(1), 'it had landed')
  proxy.mode = 'pass'
  proxy.cut()
  assert.deepEqual(await ledger.read(shard), contractEntry(1))
  assert.deepEqual(await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2)), { kind: 'ok' })
})

test('KubernetesLedger calls a swap unknown on a wire that hangs, and the agent waits no longer than its bound', {
  skip,
}, async () => {
  const { server } = world()
  const shard = await emptyShard()
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  open.push(proxy)
  const { ledger } = ledgerWith(server.token(), `https://127.0.0.1:${proxy.port}`)
  const agent = new LedgerAgent({
    ledger,
    shard,
    clock: nodeClock,
    random: nodeRandom,
    seenVersion: 0,
    swapMs: SWAP_MS,
    onChange: () => {},
  })
  const { epoch, primary, inSync, replicas } = contractEntry(1)
  assert.equal(await agent.read(), true)
  assert.equal(await agent.swap(null, { epoch, primary, inSync, replicas }), 'ok')
  proxy.mode = 'hang'
  const beganAtMs = nodeClock.monotonicMs()
  const alone = { epoch, primary, inSync: [primary], replicas }
  assert.equal(await agent.swap(agent.base, alone), 'unknown')
  assert.ok(nodeClock.monotonicMs() - beganAtMs < 2 * SWAP_MS)
  assert.equal(agent.mayHold.length, 2)
  proxy.mode = 'pass'
  proxy.cut()
  assert.equal(await agent.swap(agent.base, alone), 'ok')
  assert.deepEqual((await client().read(shard))?.inSync, [primary])
})

test('KubernetesLedger shows the agent a ledger that was put back as lost', { skip }, async () => {
  const shard = await emptyShard()
  const agent = new LedgerAgent({
    ledger: client(),
    shard,
    clock: nodeClock,
    random: nodeRandom,
    seenVersion: 0,
    swapMs: 2_000,
    onChange: () => {},
  })
  const { epoch, primary, inSync, replicas } = contractEntry(1)
  const change = { epoch, primary, inSync, replicas }
  await agent.read()
  assert.equal(await agent.swap(null, change), 'ok')
  const older = (await leaseOf(shard)).metadata.annotations ?? {}
  assert.equal(await agent.swap(agent.base, change), 'ok')
  await overwrite(shard, { ...older })
  await agent.read()
  assert.equal(agent.health, 'lost')
  assert.equal(await agent.makeAnew(change), 'ok')
  assert.equal((await client().read(shard))?.version, 3)
})

test('KubernetesLedger takes a replaced token at once', { skip }, async () => {
  const shard = await emptyShard()
  const { ledger, tokenPath } = ledgerWith('expired')
  await assert.rejects(ledger.read(shard), { code: 'LEDGER_UNAVAILABLE', message: /401/ })
  writeFileSync(tokenPath, world().server.token())
  assert.equal(await ledger.read(shard), null)
})

test('KubernetesLedger outlives the API server: nothing is known while it is away, all goes on when it is back', {
  skip,
}, async () => {
  const { server } = world()
  const shard = await emptyShard()
  const ledger = client()
  await ledger.compareAndSwap(shard, null, contractEntry(1))
  await server.kill()
  await assert.rejects(ledger.read(shard), { code: 'LEDGER_UNAVAILABLE' })
  assert.equal(
    (await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2)).catch(() => null))?.kind ?? 'unknown',
    'unknown',
  )
  await server.restart()
  assert.deepEqual(await ledger.read(shard), contractEntry(1))
  assert.deepEqual(await ledger.compareAndSwap(shard, contractEntry(1), contractEntry(2)), { kind: 'ok' })
})

/** A server that answers what it is told, to see what each answer is taken for. */
function scripted(...answers: ({ status: number; body?: string } | 'silence')[]) {
  const api = {
    async send(method: string) {
      const answer = answers.shift()
      if (answer === undefined || answer === 'silence') throw new Error(`no answer to ${method}`)
      return { status: answer.status, body: answer.body ?? '' }
    },
  }
  return new KubernetesLedger({ api, namespace: NAMESPACE, clock: nodeClock })
}

function leaseBody(entry: ReturnType<typeof contractEntry> | null, resourceVersion = '5'): string {
  const annotations = entry === null ? {} : { [LEDGER_ANNOTATION]: JSON.stringify(entry) }
  return JSON.stringify({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'n1-0', resourceVersion, annotations },
  })
}

test('KubernetesLedger takes for unknown whatever does not say clearly that nothing was written', async () => {
  const shard = toShardName('n1/0')
  const found = { status: 200, body: leaseBody(contractEntry(1)) }
  const gone = { status: 404, body: '{"kind":"Status","reason":"NotFound"}' }
  const rows: [why: string, answers: Parameters<typeof scripted>, wanted: string][] = [
    ['written', [found, { status: 200, body: leaseBody(contractEntry(2), '6') }], 'ok'],
    ['written, though the answer is rubbish', [found, { status: 200, body: 'rubbish' }], 'ok'],
    ['no answer', [found, 'silence'], 'unknown'],
    ['the server failed', [found, { status: 500 }], 'unknown'],
    ['a gateway gave up', [found, { status: 504 }], 'unknown'],
    ['too many requests', [found, { status: 429 }], 'unknown'],
    ['forbidden', [found, { status: 403 }], 'unknown'],
    ['a 404 of whoever', [found, { status: 404, body: '404 page not found' }], 'unknown'],
    ['the Lease is gone', [found, gone], 'conflict'],
    [
      'another version',
      [found, { status: 409 }, { status: 200, body: leaseBody(contractEntry(2, 'theirs'), '7') }],
      'conflict',
    ],
    [
      'our own first try made the conflict',
      [found, { status: 409 }, { status: 200, body: leaseBody(contractEntry(2), '6') }],
      'ok',
    ],
    ['a conflict, and nobody says with what', [found, { status: 409 }, 'silence'], 'unknown'],
    ['a conflict with a deletion', [found, { status: 409 }, gone], 'conflict'],
    ['another entry than expected', [{ status: 200, body: leaseBody(contractEntry(1, 'theirs')) }], 'conflict'],
  ]
  for (const [why, answers, wanted] of rows) {
    const outcome = await scripted(...answers).compareAndSwap(shard, contractEntry(1), contractEntry(2))
    assert.equal(outcome.kind, wanted, why)
  }
  await assert.rejects(scripted({ status: 404, body: '404 page not found' }).read(shard), {
    code: 'LEDGER_UNAVAILABLE',
  })
  await assert.rejects(scripted({ status: 200, body: '{}' }).read(shard), { code: 'LEDGER_UNAVAILABLE' })
})
