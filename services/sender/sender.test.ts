import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { testTlsMaterial } from '#edge/testing/certificates.ts'
import { RemoteServer, type Step } from './testing/remote-server.ts'
import { SenderWorld } from './testing/sender-world.ts'

const ZONE = `
example.net. MX 10 mx.example.net.
mx.example.net. A 127.0.0.1
two.example. MX 10 dead.two.example.
two.example. MX 20 mx.example.net.
dead.two.example. A 127.0.0.9
dead.example. MX 10 dead.two.example.
closed.example. MX 0 .
self.example. MX 10 mx.example.test.
mx.example.test. A 127.0.0.1
`
let server: RemoteServer
let world: SenderWorld
beforeEach(async () => {
  server = await new RemoteServer().start()
  world = await SenderWorld.make(ZONE, server.port)
})
afterEach(async () => {
  await world.stop()
  await server.stop()
})

/** What the queue says of the only recipient that is left. */
const left = () => {
  const [entry] = world.index.queue.openEntries(0, 10)
  return entry === undefined ? null : (world.index.queue.recipients(entry.entry)[0] ?? null)
}
const idle = () => world.store.queue.totals().attempting === 0
const done = () => world.store.queue.totals().entries === 0
const deferred = () => idle() && (left()?.attempts ?? 0) > 0

test('Sender brings a letter to its domain, byte for byte behind the trace fields', async () => {
  const body = 'From: <anna@example.test>\r\n\r\n.dots\r\n..\r\nend\r\n'
  await world.submit(['ben@example.net', 'cleo@example.net'], body)
  await world.until(done)
  assert.deepEqual(server.letters, [
    {
      from: 'anna@example.test',
      to: ['ben@example.net', 'cleo@example.net'],
      body: `Received: by mx.example.test\r\n${body}`,
      secure: false,
    },
  ])
})

test('Sender sends a letter of several MiB', async () => {
  const body = `From: <anna@example.test>\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(40_000)}`
  await world.submit(['ben@example.net'], body)
  await world.until(done)
  assert.equal(server.letters[0]?.body.length, body.length + 'Received: by mx.example.test\r\n'.length)
})

test('Sender uses TLS where it is offered, whoever vouches for it', async () => {
  const leaf = testTlsMaterial('mx.example.net')
  server.tls = leaf
  await world.submit(['ben@example.net'])
  await world.until(done)
  assert.equal(server.letters[0]?.secure, true)
})

test('Sender goes without TLS where the handshake fails', async () => {
  const leaf = testTlsMaterial('mx.example.net')
  server.tls = leaf
  server.brokenTls = true
  await world.submit(['ben@example.net'])
  await world.until(done)
  assert.equal(server.letters[0]?.secure, false)
})

test('Sender sends many letters over few connections', async () => {
  for (let i = 0; i < 60; i++) await world.submit([`ben${i}@example.net`])
  await world.until(done)
  assert.equal(server.letters.length, 60)
  assert.ok(server.connections <= 20, `${server.connections} connections`)
  assert.equal(new Set(server.letters.flatMap(({ to }) => to)).size, 60)
})

test('Sender opens another connection where the server has ended the idle one', async () => {
  await world.submit(['ben@example.net'])
  await world.until(() => done() && world.sender.connections === 1)
  server.hangUp()
  await new Promise((resolve) => setTimeout(resolve, 50)) // it hears of that, and goes on waiting for a letter
  await world.submit(['cleo@example.net'])
  await world.until(done)
  assert.deepEqual(
    server.letters.map(({ to }) => to),
    [['ben@example.net'], ['cleo@example.net']],
  )
})

test('Sender goes on to the next host of a domain', async () => {
  await world.submit(['ben@two.example'])
  await world.until(done)
  assert.equal(server.letters.length, 1)
})

const refusals: [name: string, address: string, status: RegExp][] = [
  ['a domain that takes no mail', 'ben@closed.example', /Status: 5\.1\.10/],
  ['a domain that does not exist', 'ben@none.example', /Status: 5\.1\.2/],
  ['a domain that leads back to us', 'ben@self.example', /Status: 5\.4\.6/],
]
for (const [name, address, status] of refusals) {
  test(`Sender brings a notification home about ${name}`, async () => {
    await world.submit([address])
    await world.until(() => world.delivered.length === 1 && done())
    assert.match(world.delivered[0]?.header ?? '', /^Return-Path: <>\r\nDelivered-To: anna@example\.test\r\n/)
    assert.match(world.delivered[0]?.body ?? '', status)
    assert.equal(server.connections, 0)
  })
}

test('Sender tells of each recipient what the server said of it', async () => {
  server.recipient = (address) => (address.startsWith('ben') ? '250 ok' : '550 5.1.1 No such user')
  await world.submit(['ben@example.net', 'cleo@example.net'])
  await world.until(() => world.delivered.length === 1 && done())
  assert.deepEqual(server.letters[0]?.to, ['ben@example.net'])
  assert.match(
    world.delivered[0]?.body ?? '',
    /Final-Recipient: rfc822; cleo@example\.net\r\nAction: failed\r\nStatus: 5\.1\.1/,
  )
})

test('Sender defers what a server refuses for now, and says why', async () => {
  server.end = () => '451 4.7.1 Greylisted'
  await world.submit(['ben@example.net'])
  await world.until(deferred)
  assert.equal(left()?.reply, '451 4.7.1 Greylisted')
  assert.equal(left()?.remote, 'mx.example.net')
})

for (const step of ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'body', 'dot'] as const satisfies Step[]) {
  test(`Sender defers a letter when the server goes away at ${step}, and brings it once the server is back`, async () => {
    server.dropAt = step
    await world.submit(['ben@example.net'])
    await world.until(deferred)
    assert.notEqual(left()?.reply, '')
    if (step === 'dot') assert.match(left()?.reply ?? '', /may have been taken/)
  })
}

test('Sender lets a dead destination slow nobody down', async () => {
  for (let i = 0; i < 40; i++) await world.submit([`ben${i}@dead.example`])
  await world.submit(['cleo@example.net'])
  await world.until(() => server.letters.length === 1)
  await world.until(() => idle())
  assert.equal(world.store.queue.totals().waiting, 40)
  await world.submit(['dora@example.net'])
  await world.until(() => server.letters.length === 2)
})

test('Sender goes on with a letter through a failover, and nobody sends it a second time', async () => {
  let release = () => {}
  server.onLetter = () =>
    new Promise((resolve) => {
      release = resolve
    })
  await world.submit(['ben@example.net'])
  await world.until(() => server.letters.length === 1)
  world.failOver()
  await new Promise((resolve) => setTimeout(resolve, 4_500)) // longer than the doubt of the new primary
  assert.equal(server.letters.length, 1)
  release()
  await world.until(done)
  assert.equal(server.letters.length, 1)
})

test('Sender does not end a letter when the shard may not answer any more', async () => {
  world.mayServe = false
  await world.submit(['ben@example.net'])
  await world.until(() => server.connections > 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual(server.letters, [])
  assert.equal(world.store.queue.totals().entries, 1)
})

test('Sender gives back at the stop what it has not begun', async () => {
  server.hangAt = 'connect'
  for (let i = 0; i < 8; i++) await world.submit([`ben${i}@example.net`])
  await world.until(() => world.store.queue.totals().attempting > 4)
  await world.sender.stop(100)
  await world.until(() => world.store.queue.totals().waiting >= 4)
})
