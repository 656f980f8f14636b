/** Connections whose other end is frozen, cut off or gone, over real sockets with mutual TLS and a clock that is moved by hand. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import { identityUri, type Role } from '#lib/tls/roles.ts'
import { createAuthority, issueLeaf, type KeyPair } from '#operator/pki/certificates.ts'
import { ManualClock } from '#shard/log/testing.ts'
import { ASK_MS } from './connect-race.ts'
import { DEADLINE_LOOKS } from './deadline.ts'
import { createDialer, type Dialer } from './dialer.ts'
import { listenLinks } from './server.ts'
import { IDLE_TRUST_MS, LOOK_MS } from './session-watch.ts'
import { type Direction, TcpRelay } from './testing/tcp-relay.ts'

const HOST = '127.0.0.1'
/** The first look sees what came before the silence. */
const LOOKS_UNTIL_LOST = 1 + 4

let authority: KeyPair
let member: TlsMaterial
let edge: TlsMaterial
before(async () => {
  authority = await createAuthority('test', Date.now(), nodeRandom)
  member = await material('member')
  edge = await material('edge')
})
const cleanups: (() => unknown)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

async function material(role: Role): Promise<TlsMaterial> {
  const request = { commonName: role, dns: [], ips: [HOST], uris: [identityUri({ role, owner: 'n1-0' })] }
  return { ...(await issueLeaf(authority, request, Date.now(), nodeRandom)), ca: authority.cert }
}

interface World {
  readonly relay: TcpRelay
  readonly clock: ManualClock
  readonly dial: () => Promise<Duplex>
  /** Streams as the server has them. */
  readonly served: Duplex[]
  readonly rejected: string[]
  readonly stopServer: () => Promise<void>
}

/** A server that echoes, a relay in front of it, a dialer. */
async function world(serverClock: Clock = new ManualClock()): Promise<World> {
  const served: Duplex[] = []
  const rejected: string[] = []
  const port = await freePort()
  const server = await listenLinks({
    unix: null,
    tls: { host: HOST, port, material: member },
    clock: serverClock,
    onStream: (stream) => {
      served.push(stream)
      stream.pipe(stream)
    },
    onRejected: (reason) => rejected.push(reason),
  })
  const relay = await TcpRelay.listen({ host: HOST, port: 0 }, { host: HOST, port })
  const clock = new ManualClock()
  const dialer = dialerOf(clock)
  cleanups.push(
    () => server.close(),
    () => relay.close(),
  )
  return { relay, clock, served, rejected, stopServer: () => server.close(), dial: () => dial(dialer, relay) }
}

function dialerOf(clock: Clock): Dialer {
  const dialer = createDialer({ tls: () => edge, resolve: async () => HOST, clock })
  cleanups.push(() => dialer.close())
  return dialer
}

async function dial(dialer: Dialer, relay: TcpRelay): Promise<Duplex> {
  const stream = await dialer.dial({ kind: 'tls', host: 'n1-0.test', port: relay.place.port })
  stream.on('error', () => {})
  return stream
}

/** Lets a deadline of `ms` pass. */
function pass(clock: ManualClock, ms: number): void {
  for (let look = 0; look < DEADLINE_LOOKS; look++) clock.advance(ms / DEADLINE_LOOKS)
}

async function freePort(): Promise<number> {
  const relay = await TcpRelay.listen({ host: HOST, port: 0 }, { host: HOST, port: 1 })
  await relay.close()
  return relay.place.port
}

async function echoes(stream: Duplex): Promise<void> {
  stream.write('ping')
  const [chunk] = await once(stream, 'data')
  assert.equal(String(chunk), 'ping')
}

/** Waits until something new came through the relay, and was read. */
async function arrived(relay: TcpRelay, direction: Direction, before: number): Promise<void> {
  while (relay.carried(direction) === before) await pause(2)
  await pause(20)
}

const faults: [name: string, directions: Direction[]][] = [
  ['takes bytes and answers nothing (frozen)', ['back']],
  ['reads nothing any more', ['there']],
  ['vanished', ['there', 'back']],
]
for (const [name, directions] of faults) {
  test(`a connection whose other end ${name} is lost within five looks, and the next dial makes a new one`, async () => {
    const { relay, clock, dial } = await world()
    const stream = await dial()
    await echoes(stream)
    relay.cut(...directions)
    for (let look = 1; look <= LOOKS_UNTIL_LOST; look++) {
      assert.equal(stream.destroyed, false, `open before look ${look}`)
      clock.advance(LOOK_MS)
    }
    if (!stream.destroyed) await once(stream, 'close')
    relay.heal()
    await echoes(await dial())
    assert.equal(relay.connections, 2)
  })
}

test('a connection on which nobody speaks is kept while its other end answers pings', async () => {
  const { relay, clock, dial } = await world()
  const stream = await dial()
  await echoes(stream)
  clock.advance(LOOK_MS)
  for (let pings = 0; pings < LOOKS_UNTIL_LOST; pings++) {
    const before = relay.carried('back')
    clock.advance(LOOK_MS) // silence: a ping
    await arrived(relay, 'back', before)
    clock.advance(LOOK_MS) // its answer
  }
  assert.equal(stream.destroyed, false)
  await echoes(stream)
})

test('a process that was frozen itself reads what came meanwhile before it gives a connection up', async () => {
  const { relay, clock, dial } = await world()
  const stream = await dial()
  await echoes(stream)
  relay.cut('back')
  const before = relay.carried('back')
  clock.advance(LOOK_MS)
  clock.advance(100 * LOOK_MS)
  relay.heal()
  await arrived(relay, 'back', before)
  for (let look = 1; look < LOOKS_UNTIL_LOST; look++) clock.advance(LOOK_MS)
  assert.equal(stream.destroyed, false)
  await echoes(stream)
})

test('an idle connection is asked before it is used again', async () => {
  const { relay, clock, dial } = await world()
  const first = await dial()
  await echoes(first)
  first.destroy()
  await once(first, 'close')
  clock.advance(10 * IDLE_TRUST_MS)
  await echoes(await dial())
  assert.equal(relay.connections, 1)
})

test('an idle connection whose other end vanished is never used again', async () => {
  const { relay, clock, dial } = await world()
  const first = await dial()
  await echoes(first)
  first.destroy()
  await once(first, 'close')
  relay.cut()
  clock.advance(IDLE_TRUST_MS + 1)
  const failing = assert.rejects(dial(), { code: 'LINK_UNREACHABLE' })
  await pause(20)
  pass(clock, IDLE_TRUST_MS)
  await failing
  relay.heal()
  await echoes(await dial())
  assert.equal(relay.connections, 2)
})

test('a dead connection that is dialled again and again is given up all the same', async () => {
  const { relay, clock, dial } = await world()
  const first = await dial()
  await echoes(first)
  relay.cut()
  first.destroy()
  await once(first, 'close')
  for (let tries = 0; tries < 3; tries++) {
    const stream = await dial() // its asker waits a second for an answer, and gives up
    clock.advance(LOOK_MS - 1)
    stream.destroy()
    await once(stream, 'close')
  }
  const failing = assert.rejects(dial(), { code: 'LINK_UNREACHABLE' })
  await pause(20)
  pass(clock, IDLE_TRUST_MS)
  await failing
  relay.heal()
  await echoes(await dial())
  assert.equal(relay.connections, 2)
})

test('a handshake that takes longer than anybody waits is not begun anew, and ends with a connection', async () => {
  const { relay, clock, dial } = await world()
  relay.cut()
  const failing = assert.rejects(dial(), { code: 'LINK_UNREACHABLE', message: /timed out/ })
  await pause(20)
  pass(clock, ASK_MS)
  await failing
  relay.heal()
  await arrived(relay, 'back', 0)
  await echoes(await dial())
  assert.equal(relay.connections, 1)
})

test('a dial whose name gets no answer ends', async () => {
  const clock = new ManualClock()
  const dialer = createDialer({ tls: () => edge, resolve: () => new Promise(() => {}), clock })
  const failing = assert.rejects(dialer.dial({ kind: 'tls', host: 'n1-0.test', port: 1 }), {
    code: 'LINK_UNREACHABLE',
    message: /timed out/,
  })
  pass(clock, ASK_MS)
  await failing
  dialer.close()
})

test('a connection ends with its server at once, and a dial until there is another one is unreachable', async () => {
  const { dial, stopServer } = await world()
  const stream = await dial()
  await echoes(stream)
  const closed = once(stream, 'close')
  await stopServer()
  await closed
  await assert.rejects(dial(), { code: 'LINK_UNREACHABLE' })
})

test('a server that says goodbye keeps its streams and gets no new ones', async () => {
  const sessions: ServerHttp2Session[] = []
  const server = createSecureServer({ ...member, requestCert: true })
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream) => {
    stream.respond()
    stream.pipe(stream)
  })
  const port = await freePort()
  server.listen(port, HOST)
  await once(server, 'listening')
  cleanups.push(() => server.close())
  const relay = await TcpRelay.listen({ host: HOST, port: 0 }, { host: HOST, port })
  cleanups.push(() => relay.close())
  const dialer = dialerOf(new ManualClock())
  const old = await dial(dialer, relay)
  await echoes(old)
  const before = relay.carried('back')
  sessions[0]?.close()
  await arrived(relay, 'back', before)
  await echoes(await dial(dialer, relay))
  assert.equal(relay.connections, 2)
  await echoes(old)
})

test('a server ends the streams of a caller that vanished, and says who it was', async () => {
  const serverClock = new ManualClock()
  const { relay, dial, served, rejected } = await world(serverClock)
  await echoes(await dial())
  relay.cut()
  const [stream] = served
  assert.ok(stream)
  for (let look = 0; look < 19; look++) serverClock.advance(LOOK_MS)
  assert.equal(stream.destroyed, false)
  for (let look = 0; look < 2; look++) serverClock.advance(LOOK_MS)
  if (!stream.destroyed) await once(stream, 'close')
  assert.deepEqual(rejected, ['edge n1-0 is silent'])
})
