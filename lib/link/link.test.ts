import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import { FrameDecoder } from '#lib/frames/codec.ts'
import {
  decodeHello,
  encodeRefusal,
  encodeSessionOpened,
  FrameType,
  type SessionOpen,
} from '#lib/frames/shard-protocol.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { createDialer } from './dialer.ts'
import { RpcClient, writeFrame } from './rpc-client.ts'
import { type LinkServer, listenLinks } from './server.ts'
import { createShardRouter } from './shard-router.ts'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-link-'))
const servers: LinkServer[] = []
after(async () => {
  await Promise.all(servers.map((server) => server.close()))
  rmSync(folder, { recursive: true })
})

const shard = toShardName('n1/0')
const noTls = () => {
  throw new Error('no TLS in this test')
}

/** A replica that answers every frame of a stream with what `answer` writes. */
async function replica(socketDir: string, answer: (stream: Duplex, type: number, id: number, payload: Buffer) => void) {
  const server = await listenLinks({
    unix: { path: join(socketDir, 'shard-0.sock'), identity: { role: 'edge', owner: 'n1-0' } },
    tls: null,
    onStream: (stream) => {
      const decoder = new FrameDecoder()
      stream.on('data', (chunk: Buffer) => {
        decoder.push(chunk)
        for (let frame = decoder.next(); frame; frame = decoder.next()) {
          answer(stream, frame.type, frame.requestId, Buffer.from(frame.payload))
        }
      })
    },
    clock: nodeClock,
    onRejected: () => {},
  })
  servers.push(server)
  return server
}

function router(socketDir: string, clock: Clock = nodeClock) {
  return createShardRouter({
    dialer: createDialer({
      tls: noTls,
      resolve: async (host) => Promise.reject(new Error(`no ${host}`)),
      clock: nodeClock,
    }),
    addressing: { hostPattern: '{mailNode}-{member}', pod: 'n1-0', socketDir },
    clock,
    caller: 'test',
  })
}

function socketDirectory(): string {
  return mkdtempSync(join(folder, 's'))
}

test('RpcClient matches answers to requests whatever their order', async () => {
  const dir = socketDirectory()
  const asked: [Duplex, number, Buffer][] = []
  await replica(dir, (stream, type, id, payload) => {
    if (type === FrameType.hello) {
      assert.deepEqual(decodeHello(payload), { purpose: 'rpc', shard, caller: 'test' })
      return
    }
    asked.push([stream, id, payload])
    if (asked.length === 2) for (const [s, i, p] of asked.reverse()) writeFrame(s, FrameType.done, i, [p])
  })
  const dialer = createDialer({ tls: noTls, resolve: async (host) => host, clock: nodeClock })
  const rpc = new RpcClient(
    await dialer.dial({ kind: 'unix', path: join(dir, 'shard-0.sock') }),
    { shard, caller: 'test' },
    () => {},
  )
  const answers = await Promise.all([
    rpc.request(FrameType.sessionsEnd, [Buffer.from('one')]),
    rpc.request(FrameType.sessionsEnd, [Buffer.from('t'), Buffer.from('wo')]),
  ])
  assert.deepEqual(answers.map(String), ['one', 'two'])
  rpc.close()
})

test('RpcClient rejects every open request when the stream is lost', async () => {
  const dir = socketDirectory()
  await replica(dir, (stream, type) => {
    if (type !== FrameType.hello) stream.destroy()
  })
  const dialer = createDialer({ tls: noTls, resolve: async (host) => host, clock: nodeClock })
  let lost = 0
  const rpc = new RpcClient(
    await dialer.dial({ kind: 'unix', path: join(dir, 'shard-0.sock') }),
    { shard, caller: 'test' },
    () => lost++,
  )
  const results = await Promise.allSettled([
    rpc.request(FrameType.sessionsEnd, []),
    rpc.request(FrameType.sessionsEnd, []),
  ])
  for (const result of results) assert.equal(result.status === 'rejected' && result.reason.code, 'LINK_LOST')
  await assert.rejects(rpc.request(FrameType.sessionsEnd, []), { code: 'LINK_LOST' })
  assert.equal(lost, 1)
})

/** A hundred times as fast. */
const hastyClock: Clock = {
  ...nodeClock,
  monotonicMs: () => nodeClock.monotonicMs() * 100,
  after: (delayMs, action) => nodeClock.after(delayMs / 100, action),
}

test('RpcClient gives up a peer that is silent while something waits, and only then', async () => {
  const dir = socketDirectory()
  await replica(dir, (stream, type, id) => {
    if (type === FrameType.statusQuery) writeFrame(stream, FrameType.done, id, [])
  })
  const dialer = createDialer({ tls: noTls, resolve: async (host) => host, clock: nodeClock })
  const rpc = new RpcClient(
    await dialer.dial({ kind: 'unix', path: join(dir, 'shard-0.sock') }),
    { shard, caller: 'test' },
    () => {},
    hastyClock,
  )
  await rpc.request(FrameType.statusQuery, [])
  await new Promise((resolve) => setTimeout(resolve, 120))
  assert.equal(rpc.lost, false, 'silence while nothing waits is no fault')
  await assert.rejects(rpc.request(FrameType.sessionsEnd, []), { code: 'LINK_LOST' })
})

test('ShardRouter.withPrimary() asks again after not-primary, and dials again after a restart', async () => {
  const dir = socketDirectory()
  let primary = false
  const serve = () =>
    replica(dir, (stream, type, id, payload) => {
      if (type === FrameType.hello) return
      if (primary) writeFrame(stream, FrameType.done, id, [payload])
      else
        writeFrame(stream, FrameType.refused, id, [
          encodeRefusal({ reason: 'not-primary', message: 'standing by', target: null }),
        ])
      primary = true
    })
  const first = await serve()
  const route = router(dir)
  const ask = () => route.withPrimary(shard, 5_000, (rpc) => rpc.request(FrameType.sessionsEnd, [Buffer.from('x')]))
  assert.equal(String(await ask()), 'x')
  await first.close()
  const waiting = ask()
  await serve()
  assert.equal(String(await waiting), 'x')
  route.close()
})

test('ShardRouter.withPrimary() gives up after its patience with the last reason', async () => {
  const route = router(socketDirectory())
  await assert.rejects(
    route.withPrimary(shard, 0, (rpc) => rpc.request(FrameType.sessionsEnd, [])),
    { code: 'ROUTE_NO_PRIMARY' },
  )
  route.close()
})

const open: SessionOpen = {
  protocol: 'imap',
  account: toAccountId('a'.repeat(16)),
  login: 'anna@example.test',
  sessionId: 's1',
  clientAddress: '127.0.0.1',
  clientPort: 1,
  tls: null,
  clientId: [],
}

test('ShardRouter.openSession() gives the raw stream with the bytes that came early', async () => {
  const dir = socketDirectory()
  await replica(dir, (stream, type) => {
    if (type !== FrameType.sessionOpen) return
    writeFrame(stream, FrameType.sessionOpened, 0, [encodeSessionOpened({ capabilities: 'IMAP4rev1' })])
    stream.write('* 1 EXISTS\r\n')
  })
  const route = router(dir)
  const session = await route.openSession(shard, 1_000, open)
  assert.ok(session.kind === 'opened')
  assert.equal(session.opened.capabilities, 'IMAP4rev1')
  let text = session.early.toString()
  if (text === '') {
    session.stream.resume()
    text = await new Promise((resolve) => session.stream.once('data', (chunk: Buffer) => resolve(String(chunk))))
  }
  assert.equal(text, '* 1 EXISTS\r\n')
  session.stream.destroy()
  route.close()
})

test('ShardRouter.openSession() gives up a replica that takes the stream and never answers', async () => {
  const dir = socketDirectory()
  await replica(dir, () => {})
  const route = router(dir, hastyClock)
  await assert.rejects(route.openSession(shard, 10, open), { code: 'ROUTE_NO_PRIMARY' })
  route.close()
})

test('ShardRouter.openSession() passes refusals on that waiting does not mend', async () => {
  const dir = socketDirectory()
  await replica(dir, (stream, type) => {
    if (type !== FrameType.sessionOpen) return
    writeFrame(stream, FrameType.refused, 0, [encodeRefusal({ reason: 'moved', message: 'gone', target: 'n2/1' })])
  })
  const route = router(dir)
  const session = await route.openSession(shard, 1_000, open)
  assert.deepEqual(session, { kind: 'refused', refusal: { reason: 'moved', message: 'gone', target: 'n2/1' } })
  route.close()
})
