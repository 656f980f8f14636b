/** Adapters of foreign engines against peers that answer as those do, and as they should not. */
import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { Letter } from '../letter/letter.ts'
import { ENGINE_ANSWER_BYTES_MAX } from '../limits.ts'
import { ClamdEngine, readClamdAnswer } from './clamd.ts'
import { parseEngineAddress } from './foreign.ts'
import { RspamdEngine, readRspamdAnswer } from './rspamd.ts'
import { readSpamdAnswer, SpamdEngine } from './spamd.ts'

const TEXT = 'Subject: a\r\n\r\nb\r\n'
const LETTER = new Letter(
  {
    clientAddress: '192.0.2.1',
    helo: 'h',
    sender: 'ben@example.net',
    recipients: ['anna@example.test'],
    user: null,
    traceId: 't1',
  },
  [],
  [Buffer.from('Subject: a\r\n\r\n'), Buffer.alloc(0), Buffer.from('b\r\n')],
)
const BOUNDS = { concurrency: 1, bytesMax: 1000, timeoutMs: 1000 }
const never = () => new AbortController().signal

/** Reads all until `complete`, answers, ends. */
async function peer(
  complete: (text: string) => boolean,
  answer: string | Buffer,
): Promise<{ port: number; seen: () => string; server: Server }> {
  let seen = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      if (complete(seen)) socket.end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, seen: () => seen, server }
}

test('clamd gets the letter in chunks and its answer is understood', async (t) => {
  const clamd = await peer((text) => text.endsWith('\0\0\0\0'), 'stream: Eicar-Test-Signature FOUND\0')
  t.after(() => clamd.server.close())
  const engine = new ClamdEngine({ name: 'clamd', address: { host: '127.0.0.1', port: clamd.port }, ...BOUNDS })
  assert.deepEqual(await engine.scan(LETTER, never()), [{ kind: 'virus', name: 'Eicar-Test-Signature', weight: 1 }])
  assert.equal(clamd.seen(), `zINSTREAM\0\0\0\0\x0eSubject: a\r\n\r\n\0\0\0\x03b\r\n\0\0\0\0`)
})

test('spamd gets the length first and its answer is understood', async (t) => {
  const spamd = await peer(
    (text) => text.endsWith('b\r\n'),
    'SPAMD/1.1 0 EX_OK\r\nContent-length: 12\r\nSpam: True ; 15.0 / 5.0\r\n\r\nGTUBE,MISSING\r\n',
  )
  t.after(() => spamd.server.close())
  const engine = new SpamdEngine({ name: 'spamd', address: { host: '127.0.0.1', port: spamd.port }, ...BOUNDS })
  assert.deepEqual(await engine.scan(LETTER, never()), [
    { kind: 'spam', name: 'score', weight: 3 },
    { kind: 'spam', name: 'GTUBE', weight: 0 },
    { kind: 'spam', name: 'MISSING', weight: 0 },
  ])
  assert.equal(spamd.seen(), `SYMBOLS SPAMC/1.5\r\nContent-length: ${TEXT.length}\r\n\r\n${TEXT}`)
})

test('rspamd gets the envelope in headers and its answer is understood', async (t) => {
  let seen: unknown = null
  const rspamd = createHttpServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen = [
      request.url,
      request.headers['from'],
      request.headers['rcpt'],
      request.headers['ip'],
      request.headers['queue-id'],
      body,
    ]
    response.end(
      JSON.stringify({
        score: 9,
        thresholds: { reject: 15, 'add header': 6, greylist: null },
        symbols: { A: { score: 3 }, B: { score: 6 }, GOOD: { score: -1 } },
      }),
    )
  })
  await new Promise<void>((resolve) => rspamd.listen(0, '127.0.0.1', resolve))
  t.after(() => rspamd.close())
  const { port } = rspamd.address() as AddressInfo
  const engine = new RspamdEngine({ name: 'rspamd', url: `http://127.0.0.1:${port}`, ...BOUNDS })
  assert.deepEqual(await engine.scan(LETTER, never()), [
    { kind: 'spam', name: 'score', weight: 1.5 },
    { kind: 'spam', name: 'B', weight: 1 },
    { kind: 'spam', name: 'A', weight: 0.5 },
  ])
  assert.deepEqual(seen, ['/checkv2', 'ben@example.net', 'anna@example.test', '192.0.2.1', 't1', TEXT])
})

test('an engine that is not there, says nothing, or says too much has failed', async (t) => {
  const silent = await peer(() => true, '')
  const endless = await peer(() => true, Buffer.alloc(ENGINE_ANSWER_BYTES_MAX + 1, 'a'))
  t.after(() => [silent.server.close(), endless.server.close()])
  const ask = (port: number) =>
    new ClamdEngine({ name: 'clamd', address: { host: '127.0.0.1', port }, ...BOUNDS }).scan(LETTER, never())
  await assert.rejects(ask(1), { code: 'ENGINE_UNREACHABLE' })
  await assert.rejects(ask(silent.port), { code: 'ENGINE_UNREACHABLE' })
  await assert.rejects(ask(endless.port), { code: 'ENGINE_ANSWER' })
  const url = `http://127.0.0.1:1`
  await assert.rejects(new RspamdEngine({ name: 'rspamd', url, ...BOUNDS }).scan(LETTER, never()), {
    code: 'ENGINE_UNREACHABLE',
  })
})

test('a question that nobody waits for any more ends', async (t) => {
  const hanging = await peer(() => false, '')
  t.after(() => hanging.server.close())
  const abort = new AbortController()
  const asked = new ClamdEngine({ name: 'clamd', address: { host: '127.0.0.1', port: hanging.port }, ...BOUNDS }).scan(
    LETTER,
    abort.signal,
  )
  abort.abort()
  await assert.rejects(asked, { code: 'ENGINE_UNREACHABLE' })
})

for (const answer of ['', 'stream: ', 'OK', 'INSTREAM size limit exceeded. ERROR', 'stream: Access denied. ERROR']) {
  test(`clamd cannot say ${JSON.stringify(answer)}`, () => {
    assert.throws(() => readClamdAnswer(answer), { code: 'ENGINE_ANSWER' })
  })
}
for (const answer of [
  '',
  'SPAMD/1.5 76 Bad header line\r\n\r\n',
  'SPAMD/1.5 0 EX_OK\r\n\r\n',
  'SPAMD/1.5 0 EX_OK\r\nSpam: True ; x / y\r\n\r\n',
]) {
  test(`spamd cannot say ${JSON.stringify(answer)}`, () => {
    assert.throws(() => readSpamdAnswer(answer), { code: 'ENGINE_ANSWER' })
  })
}
for (const answer of ['', '[]', '{"score":"high"}', '{"error":"scan failed"}']) {
  test(`rspamd cannot say ${JSON.stringify(answer)}`, () => {
    assert.throws(() => readRspamdAnswer(answer), { code: 'ENGINE_ANSWER' })
  })
}
test('addresses of engines', () => {
  assert.deepEqual(parseEngineAddress('clamd.svc:3310'), { host: 'clamd.svc', port: 3310 })
  assert.deepEqual(parseEngineAddress('[::1]:3310'), { host: '::1', port: 3310 })
  assert.deepEqual(parseEngineAddress('/run/clamd.ctl'), { path: '/run/clamd.ctl' })
  for (const wrong of ['', 'host', 'host:', 'host:0', 'host:99999', '::1:3310', 'a b:1'])
    assert.equal(parseEngineAddress(wrong), null)
})
