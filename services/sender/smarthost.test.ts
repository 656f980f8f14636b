/** A Domain whose letters all go out over one server. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { testTlsMaterial } from '#edge/testing/certificates.ts'
import { type Smarthost, sealSending } from '#lib/directory/domain-sending.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import { RemoteServer } from './testing/remote-server.ts'
import { SEALING, SenderWorld } from './testing/sender-world.ts'

const ZONE = `
example.net. MX 10 mx.example.net.
mx.example.net. A 127.0.0.1
relay.example. A 127.0.0.1
`
const LETTER = 'From: <anna@example.test>\r\n\r\nHello\r\n'
const authority = await createAuthority('An authority', Date.now(), nodeRandom)
const good = await issueLeaf(authority, namesRequest('relay', ['relay.example'], []), Date.now(), nodeRandom)
const byAddress = await issueLeaf(authority, namesRequest('relay', ['127.0.0.1'], []), Date.now(), nodeRandom)

let relay: RemoteServer
let direct: RemoteServer
let world: SenderWorld
beforeEach(async () => {
  relay = await new RemoteServer().start()
  relay.tls = good
  relay.login = 'anna:secret'
  direct = await new RemoteServer().start()
  const connection = { hostname: 'mx.example.test', localAddress: null, ca: authority.cert, clock: nodeClock }
  world = await SenderWorld.make(ZONE, direct.port, { connection: { ...connection, tls: 'opportunistic' } })
})
afterEach(async () => {
  await world.stop()
  await relay.stop()
  await direct.stop()
})

const login = { user: 'anna', password: 'secret' }
function goesVia(more: Partial<Smarthost> = {}): void {
  const smarthost: Smarthost = { host: 'relay.example', port: relay.port, tls: 'starttls', login, ...more }
  world.sending = sealSending('example.test', { keys: [], smarthost }, SEALING)
}
const done = () => world.store.queue.totals().entries === 0
const why = () => {
  const [entry] = world.index.queue.openEntries(0, 10)
  return entry === undefined ? '' : (world.index.queue.recipients(entry.entry)[0]?.reply ?? '')
}

for (const [name, more, change] of [
  ['after STARTTLS', {}, () => undefined],
  [
    'over TLS from the first byte',
    { tls: 'implicit' },
    () => {
      relay.implicitTls = true
    },
  ],
  [
    'by its address',
    { host: '127.0.0.1' },
    () => {
      relay.tls = byAddress
    },
  ],
] as const) {
  test(`All letters of a Domain go to its smarthost, ${name}, with the login`, async () => {
    change()
    goesVia(more)
    await world.submit(['ben@example.net', 'cleo@elsewhere.example'], LETTER)
    await world.until(done)
    assert.deepEqual(relay.letters.map(({ to, secure }) => [to.join(), secure]).sort(), [
      ['ben@example.net', true],
      ['cleo@elsewhere.example', true],
    ])
    assert.ok(relay.logins.length > 0 && relay.logins.every((user) => user === 'anna'))
    assert.equal(direct.connections, 0)
  })
}

test('A smarthost of the own network may be without TLS and login', async () => {
  relay.tls = null
  relay.login = null
  goesVia({ tls: 'opportunistic', login: null, host: '127.0.0.1' })
  await world.submit(['ben@example.net'], LETTER)
  await world.until(done)
  assert.equal(relay.letters[0]?.secure, false)
})

for (const [name, change, wanted] of [
  [
    'whose certificate is of nobody',
    () => {
      relay.tls = testTlsMaterial('relay.example')
    },
    /^451 4\.7\.5 relay\.example cannot be trusted/,
  ],
  [
    'without TLS',
    () => {
      relay.tls = null
    },
    /offers no TLS, and it is required/,
  ],
  [
    'that refuses the login',
    () => {
      relay.login = 'anna:other'
    },
    /^the login was refused: 535/,
  ],
] as const) {
  test(`A smarthost ${name} gets no letter, and nobody else does`, async () => {
    change()
    goesVia()
    await world.submit(['ben@example.net'], LETTER)
    await world.until(() => why() !== '')
    assert.match(why(), wanted)
    assert.deepEqual([relay.letters, relay.logins, direct.connections], [[], [], 0])
  })
}

test('A smarthost that cannot be reached does not hold up letters of others', async () => {
  goesVia({ port: 1 })
  await world.submit(['ben@example.net'], LETTER)
  await world.until(() => why().includes('ECONNREFUSED'))
  // To the same domain, by an author without a smarthost.
  await world.submit(['ben@example.net'], 'From: <eve@other.example>\r\n\r\nHello\r\n')
  await world.until(() => direct.letters.length === 1)
  // And the next one of the Domain is told at once.
  await world.submit(['cleo@example.net'], LETTER)
  const replies = () =>
    world.index.queue.openEntries(0, 10).map(({ entry }) => world.index.queue.recipients(entry)[0]?.reply ?? '')
  await world.until(() => replies().length === 2 && replies().every((reply) => reply.includes('ECONNREFUSED')))
})
