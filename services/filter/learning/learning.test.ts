/** Lessons and memories over mutual TLS, by role, and a pod that comes back. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import { identityUri, type Role } from '#lib/tls/roles.ts'
import { createAuthority, issueLeaf, type KeyPair, namesRequest } from '#operator/pki/certificates.ts'
import { createPoolTeacher } from '../../shard/learning/pool-teacher.ts'
import { BayesMemory, ENOUGH } from '../bayes/memory.ts'
import { LESSON_BYTES_MAX } from '../limits.ts'
import { Memory } from '../memory.ts'
import { createFilterMetrics } from '../metrics.ts'
import { FilterListener } from '../milter/listener.ts'
import { MemoryKeeper } from './keeper.ts'
import { LearningRequests } from './requests.ts'

const ANNA = 'anna@example.test'
const HOST = '127.0.0.1'
let authority: KeyPair
let folder: string
before(async () => {
  authority = await createAuthority('Test', Date.now(), nodeRandom)
  folder = mkdtempSync(join(tmpdir(), 'learning-'))
})
after(() => rmSync(folder, { recursive: true }))

async function material(role: Role): Promise<TlsMaterial> {
  const wanted = namesRequest(role, ['localhost'], [identityUri({ role, owner: role })])
  const { cert, key } = await issueLeaf(authority, wanted, Date.now(), nodeRandom)
  return { cert, key, ca: authority.cert }
}

interface Pod {
  readonly port: number
  readonly memory: BayesMemory
  close(): Promise<void>
}

async function pod(memory: BayesMemory | null): Promise<Pod> {
  const metrics = createFilterMetrics(new Registry())
  const lessons = new LearningRequests({ memory, logger: silentLogger, metrics })
  const listener = new FilterListener({
    host: HOST,
    port: 0,
    tls: await material('filter'),
    connectionsMax: 10,
    letterBytesMax: 1_000_000,
    scan: async () => [],
    others: (socket) => lessons.accept(socket),
    memory: new Memory(1_000_000),
    clock: nodeClock,
    logger: silentLogger,
    metrics,
  })
  const port = await listener.listen()
  const close = async () => {
    lessons.close()
    await listener.close()
  }
  return { port, memory: memory ?? new BayesMemory(10), close }
}

/** @returns The status, or why there was none. */
async function ask(
  port: number,
  role: Role,
  method: string,
  path: string,
  body = '',
  headers = {},
): Promise<number | string> {
  const tls = await material(role)
  return await new Promise((resolve) => {
    const options = {
      host: HOST,
      port,
      method,
      path,
      headers,
      agent: false,
      ...tls,
      checkServerIdentity: () => undefined,
    }
    const asked = request(options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', (error) => resolve(error.message))
    asked.end(body)
  })
}

const lesson = { 'X-Lesson': 'junk', 'X-Owner': ANNA }

test('who may say what: members and the command line teach, filters read, nobody else is heard', async (t) => {
  const { port, close } = await pod(new BayesMemory(14))
  t.after(close)
  const answers: [role: Role, method: string, path: string, status: number][] = [
    ['member', 'POST', '/lessons', 204],
    ['cli', 'POST', '/lessons', 204],
    ['filter', 'POST', '/lessons', 403],
    ['member', 'GET', '/memory', 404],
    ['filter', 'GET', '/memory', 200],
    ['member', 'POST', '/', 404],
  ]
  for (const [role, method, path, status] of answers) {
    assert.equal(await ask(port, role, method, path, method === 'POST' ? 'Subject: x\r\n\r\ny' : '', lesson), status)
  }
  assert.equal(typeof (await ask(port, 'provision', 'POST', '/lessons', '', lesson)), 'string')
})

test('a lesson that is none, or too large, is refused, and a pool that does not learn says so', async (t) => {
  const [learning, other] = [await pod(new BayesMemory(14)), await pod(null)]
  t.after(() => Promise.all([learning.close(), other.close()]))
  const letter = 'Subject: x\r\n\r\ny'
  assert.equal(await ask(learning.port, 'member', 'POST', '/lessons', letter, { ...lesson, 'X-Lesson': 'maybe' }), 400)
  const large = await ask(learning.port, 'member', 'POST', '/lessons', 'x'.repeat(LESSON_BYTES_MAX + 1), lesson)
  assert.ok(large === 400 || typeof large === 'string')
  assert.deepEqual(learning.memory.learned(''), { junk: 0, other: 0 })
  assert.equal(await ask(other.port, 'member', 'POST', '/lessons', letter, lesson), 404)
})

test('what shards tell is learned under the address that the letter came to, without its detail', async (t) => {
  const { port, memory, close } = await pod(new BayesMemory(14))
  t.after(close)
  const tls = await material('member')
  const told: string[] = []
  const teacher = createPoolTeacher({
    host: 'pool.test',
    port,
    resolve: async () => [HOST],
    tls: () => tls,
    logger: silentLogger,
    told: (outcome) => told.push(outcome),
  })
  await teacher.teach({
    kind: 'junk',
    owner: 'Anna+Lists@Example.test',
    letter: Buffer.from('Subject: x\r\n\r\ncasino\r\n'),
  })
  await teacher.teach({ kind: 'other', owner: 'nöbody', letter: Buffer.from('Subject: y\r\n\r\nmeeting\r\n') })
  assert.deepEqual(told, ['told', 'told'])
  assert.deepEqual(memory.learned(ANNA), { junk: 1, other: 0 })
  assert.deepEqual(memory.learned(''), { junk: 1, other: 1 })
  await close()
  await teacher.teach({ kind: 'junk', owner: '', letter: Buffer.from('x') })
  assert.equal(told.at(-1), 'failed')
})

test('a pod knows what it knew: from a sibling, else from its file', async (t) => {
  const first = await pod(new BayesMemory(14))
  for (let i = 0; i < ENOUGH.user; i++) first.memory.learn(new Set(['casino']), 'junk', `${i}`, ANNA)
  const tls = await material('filter')
  const file = join(folder, 'learned')
  const keeperOf = (memory: BayesMemory, peers: readonly string[]) =>
    new MemoryKeeper({
      memory,
      file,
      peers: async () => [HOST, ...peers],
      ownAddress: HOST,
      port: first.port,
      tls,
      clock: nodeClock,
      logger: silentLogger,
    })
  const second = new BayesMemory(14)
  const keeper = keeperOf(second, ['127.0.0.2', 'localhost'])
  await keeper.begin()
  assert.deepEqual(second.learned(ANNA), { junk: ENOUGH.user, other: 0 })
  second.learn(new Set(['meeting']), 'other', 'o', ANNA)
  keeper.stop()
  await first.close()
  const third = new BayesMemory(14)
  const again = keeperOf(third, ['localhost'])
  t.after(() => again.stop())
  await again.begin()
  assert.deepEqual(third.learned(ANNA), { junk: ENOUGH.user, other: 1 })
})
