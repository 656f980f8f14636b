/** The edge's end against a real filter and against filters that fail. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { EVIDENCE_HEADER } from '#lib/filter/evidence.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { EICAR, SignatureEngine } from '../../filter/engines/signatures.ts'
import { type RunningFilter, runFilter, scriptedEngine } from '../../filter/testing/running-filter.ts'
import { createEdgeMetrics } from '../metrics.ts'
import { evidenceOf } from './evidence-of.ts'
import type { FilterEnvelope } from './filter-connection.ts'
import { FilterPool } from './filter-pool.ts'

const ENVELOPE: FilterEnvelope = {
  traceId: 't1',
  hostname: 'mx.example.test',
  client: { family: 'inet', address: '192.0.2.1', port: 4711 },
  helo: 'mail.example.net',
  reversePath: 'ben@example.net',
  recipients: ['anna@example.test'],
  user: null,
  tls: true,
}
const signatures = () =>
  new SignatureEngine({ name: 'signatures', bytesMax: 1e8, timeoutMs: 5000, signatures: [EICAR] })

function poolOf(...ports: number[]): FilterPool {
  return poolWithin(20_000, ...ports)
}

function poolWithin(connectMs: number, ...ports: number[]): FilterPool {
  return new FilterPool({
    connectMs,
    name: 'test',
    endpoints: async () => ports.map((port) => ({ host: '127.0.0.1', port })),
    tls: null,
    patienceMs: 60_000,
    clock: nodeClock,
    logger: silentLogger,
    metrics: createEdgeMetrics(new Registry()),
  })
}

const VIRUS = Buffer.from(EICAR.pattern).toString('base64')
const WITH_VIRUS = `--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${VIRUS}\r\n--x--\r\n`
const MULTIPART = ['Subject: a\r\n', 'Content-Type: multipart/mixed;\r\n\tboundary=x\r\n']

test('a virus inside an attachment is found, and the bytes that the engine sees are those of the letter', async (t) => {
  let seen = ''
  const looks = scriptedEngine('looks', async (letter) => {
    seen = letter.whole.toString('latin1')
    return []
  })
  const filter = await runFilter([signatures(), looks])
  const pool = poolOf(filter.port)
  t.after(() => [filter.close(), pool.close()])
  const result = await pool.judge(ENVELOPE, MULTIPART, [Buffer.from(WITH_VIRUS)])
  assert.deepEqual(evidenceOf(result.edits), [
    { engine: 'signatures', state: 'done', findings: [{ kind: 'virus', name: 'Eicar-Test-Signature', weight: 1 }] },
    { engine: 'looks', state: 'done', findings: [] },
  ])
  assert.equal(seen, `${MULTIPART.join('')}\r\n${WITH_VIRUS}`)
  assert.equal(filter.memory.used, 0)
})

test('evidence that came with the letter is no evidence', async (t) => {
  const filter = await runFilter([signatures()])
  const pool = poolOf(filter.port)
  t.after(() => [filter.close(), pool.close()])
  const forged = `${EVIDENCE_HEADER}: engine=clamd; state=done\r\n`
  const { edits } = await pool.judge(ENVELOPE, [forged, 'Subject: a\r\n', forged.toLowerCase()], [])
  assert.deepEqual(
    edits.map((edit) => [edit.kind, edit.kind === 'change-header' ? edit.index : null]),
    [
      ['change-header', 2],
      ['change-header', 1],
      ['add-header', null],
    ],
  )
  assert.deepEqual(
    evidenceOf(edits).map(({ engine }) => engine),
    ['signatures'],
  )
})

test('many letters at once, on few connections, each with its own evidence', async (t) => {
  const echo = scriptedEngine('echo', async (letter) => [
    { kind: 'ham', name: letter.header('subject') ?? '', weight: 1 },
  ])
  const filter = await runFilter([echo])
  const pool = poolOf(filter.port)
  t.after(() => [filter.close(), pool.close()])
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const { edits } = await pool.judge(
          ENVELOPE,
          [`Subject: letter ${round}-${i}\r\n`],
          [Buffer.alloc(i * 5000, 'a')],
        )
        assert.equal(evidenceOf(edits)[0]?.findings[0]?.name, `letter ${round}-${i}`)
      }),
    )
  }
  assert.equal(filter.memory.used, 0)
})

test('a filter that dies under letters: each is judged by the other', async (t) => {
  const slow = () =>
    scriptedEngine('slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return []
    })
  const filters: RunningFilter[] = [await runFilter([slow()]), await runFilter([slow()])]
  const [first, second] = filters
  assert.ok(first && second)
  const pool = poolOf(first.port, second.port)
  t.after(() => [second.close(), pool.close()])
  const judged = Array.from({ length: 100 }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i * 2))
    if (i === 30) first.destroy()
    return evidenceOf((await pool.judge(ENVELOPE, ['Subject: a\r\n'], [])).edits).length
  })
  assert.deepEqual(
    await Promise.all(judged),
    Array.from({ length: 100 }, () => 1),
  )
})

test('where no filter answers the letter is not judged', async () => {
  const pool = poolOf(1)
  await assert.rejects(pool.judge(ENVELOPE, [], []), { code: 'FILTER_UNREACHABLE' })
  await assert.rejects(poolOf().judge(ENVELOPE, [], []), { code: 'FILTER_UNREACHABLE' })
  await assert.rejects(pool.stream(ENVELOPE, [], []), { code: 'FILTER_UNREACHABLE' })
})

test('a filter that takes connections and says nothing is given up, and garbage is as good as nothing', async (t) => {
  for (const hello of ['', 'HTTP/1.1 400 Bad Request\r\n\r\n']) {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write(hello)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const good = await runFilter([signatures()])
    t.after(() => good.close())
    const pool = poolWithin(2_000, (server.address() as AddressInfo).port, good.port)
    t.after(() => pool.close())
    assert.equal(evidenceOf((await pool.judge(ENVELOPE, [], [])).edits).length, 1)
  }
})

test('a letter larger than the filter keeps is judged by its beginning; one that finds no memory is refused for now', async (t) => {
  let bytes = 0
  const looks = scriptedEngine(
    'looks',
    async (letter) => {
      bytes = letter.bytes
      return []
    },
    { bytesMax: 1e9 },
  )
  const filter = await runFilter([looks], { letterBytesMax: 100_000, memoryBytesMax: 300_000 })
  const pool = poolOf(filter.port)
  t.after(() => [filter.close(), pool.close()])
  const large = await pool.judge(ENVELOPE, ['Subject: a\r\n'], [Buffer.alloc(1_000_000)])
  assert.equal(large.verdict.kind, 'continue')
  assert.ok(bytes > 100_000 && bytes < 200_000)
  const full = await runFilter([looks], { letterBytesMax: 1_000_000, memoryBytesMax: 300_000 })
  const other = poolOf(full.port)
  t.after(() => [full.close(), other.close()])
  assert.equal((await other.judge(ENVELOPE, [], [Buffer.alloc(1_000_000)])).verdict.kind, 'tempfail')
  assert.equal((await other.judge(ENVELOPE, [], [Buffer.alloc(1000)])).verdict.kind, 'continue')
  assert.equal(full.memory.used, 0)
})

test('a letter in pieces is judged at its end; one that is given up leaves nothing', async (t) => {
  const filter = await runFilter([signatures()])
  const pool = poolOf(filter.port)
  t.after(() => [filter.close(), pool.close()])
  const stream = await pool.stream(ENVELOPE, MULTIPART, [Buffer.from(WITH_VIRUS.slice(0, 50))])
  await stream.write([Buffer.from(WITH_VIRUS.slice(50))])
  assert.equal(evidenceOf((await stream.end()).edits)[0]?.findings[0]?.name, 'Eicar-Test-Signature')
  const abandoned = await pool.stream(ENVELOPE, MULTIPART, [Buffer.alloc(100_000)])
  abandoned.abandon()
  for (let i = 0; i < 100 && filter.memory.used > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(filter.memory.used, 0)
})

test('a filter that is lost in the middle of a letter in pieces is told at its end', async (t) => {
  const filter = await runFilter([signatures()])
  const pool = poolOf(filter.port)
  t.after(() => pool.close())
  const stream = await pool.stream(ENVELOPE, [], [])
  filter.destroy()
  await stream.write([Buffer.alloc(200_000)])
  await assert.rejects(stream.end(), { code: 'FILTER_UNREACHABLE' })
})
