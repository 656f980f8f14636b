import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ScramClient } from '#lib/sasl/testing/scram-client.ts'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import type { WireClient } from '../testing/wire-client.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge()
})
after(() => fixture.close())
afterEach(() => {
  fixture.directory.down = false
})

const base64 = (text: string) => Buffer.from(text).toString('base64')
const unbase64 = (text: string) => Buffer.from(text, 'base64').toString()

async function greeted(): Promise<WireClient> {
  const client = await fixture.connectTls('imaps')
  assert.match(await client.expect(/ready\r\n/), /AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN/)
  return client
}

/** The challenge in the next line, decoded; or that line, if it is none. */
async function challenge(client: WireClient): Promise<string> {
  const line = (await client.expect(/\r\n/)).trimEnd()
  return line.startsWith('+ ') ? unbase64(line.slice(2)) : line
}

/** The whole exchange up to the tagged answer. */
async function login(client: WireClient, scram: ScramClient, mechanism: string): Promise<string> {
  client.send(`a AUTHENTICATE ${mechanism} ${base64(scram.first())}\r\n`)
  const serverFirst = await challenge(client)
  if (serverFirst.startsWith('a ')) return serverFirst
  client.send(`${base64(scram.final(serverFirst))}\r\n`)
  const serverFinal = await challenge(client)
  if (serverFinal.startsWith('a ')) return serverFinal
  assert.ok(scram.accepts(serverFinal), 'the server knows the keys')
  client.send('\r\n')
  return (await client.expect(/\r\n/)).trimEnd()
}

test('IMAP: SCRAM-SHA-256 and -PLUS open a session (RFC 5802, RFC 7677, RFC 9266)', async () => {
  for (const plus of [false, true]) {
    const client = await greeted()
    const binding = plus ? client.channelBinding() : null
    const opened = fixture.shard.nextSession()
    const scram = new ScramClient('anna@example.test', 'secret', binding)
    assert.match(await login(client, scram, plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256'), /^a OK /)
    assert.equal((await opened).open.login, 'anna@example.test')
    client.close()
  }
  assert.equal(await fixture.metric('twinpost_edge_logins_total', { mechanism: 'SCRAM-SHA-256-PLUS' }), 1)
})

const refused: [name: string, user: string, password: string, answer: RegExp][] = [
  ['a wrong password', 'anna@example.test', 'wrong', /^a NO \[AUTHENTICATIONFAILED\] .*an app password needs PLAIN/],
  [
    'an unknown name, in the same way',
    'nobody@example.test',
    'secret',
    /^a NO \[AUTHENTICATIONFAILED\] .*an app password needs PLAIN/,
  ],
  ['a suspended account, after its proof', 'eve@example.test', 'secret', /^a NO \[CONTACTADMIN\]/],
  [
    'a suspended account without proof like a wrong password',
    'eve@example.test',
    'x',
    /^a NO \[AUTHENTICATIONFAILED\]/,
  ],
]
for (const [name, user, password, answer] of refused) {
  test(`IMAP: SCRAM-SHA-256 refuses ${name}`, async () => {
    const client = await greeted()
    assert.match(await login(client, new ScramClient(user, password), 'SCRAM-SHA-256'), answer)
    client.close()
  })
}

test('IMAP: an unknown name gets the same salt at every try', async () => {
  const client = await greeted()
  const salts: string[] = []
  for (const tag of ['a', 'b']) {
    client.send(`${tag} AUTHENTICATE SCRAM-SHA-256 ${base64('n,,n=nobody@example.test,r=abc')}\r\n`)
    salts.push(/s=([^,]+)/.exec(await challenge(client))?.[1] ?? '')
    client.send('*\r\n')
    assert.match(await client.expect(/\r\n/), new RegExp(`^${tag} BAD `))
  }
  assert.equal(salts[0], salts[1])
  assert.notEqual(salts[0], '')
  client.close()
})

test('IMAP: a client that saw no -PLUS, though it was announced, is not let in: somebody is in between', async () => {
  const client = await greeted()
  const scram = new ScramClient('anna@example.test', 'secret', null, 'y')
  assert.match(await login(client, scram, 'SCRAM-SHA-256'), /^a NO \[AUTHENTICATIONFAILED\]/)
  client.close()
})

test('IMAP: a proof that is bound to another connection is refused', async () => {
  const client = await greeted()
  const binding = { type: 'tls-exporter', data: Buffer.alloc(32) }
  const scram = new ScramClient('anna@example.test', 'secret', binding)
  assert.match(await login(client, scram, 'SCRAM-SHA-256-PLUS'), /^a NO \[AUTHENTICATIONFAILED\]/)
  client.close()
})

test('IMAP: SCRAM without initial response, and after an attempt that was cancelled', async () => {
  const client = await greeted()
  client.send('a AUTHENTICATE SCRAM-SHA-256\r\n')
  assert.equal(await client.expect(/\r\n/), '+ \r\n')
  client.send('*\r\n')
  assert.match(await client.expect(/\r\n/), /^a BAD /)
  const opened = fixture.shard.nextSession()
  assert.match(await login(client, new ScramClient('anna@example.test', 'secret'), 'SCRAM-SHA-256'), /^a OK /)
  await opened
  client.close()
})

test('IMAP: SCRAM says UNAVAILABLE while the directory is away', async () => {
  const client = await greeted()
  fixture.directory.down = true
  assert.match(
    await login(client, new ScramClient('anna@example.test', 'secret'), 'SCRAM-SHA-256'),
    /^a NO \[UNAVAILABLE\]/,
  )
  client.close()
})

test('IMAP: failures of SCRAM count like those of passwords', async () => {
  const client = await greeted()
  for (let i = 0; i < 2; i++) await login(client, new ScramClient('anna@example.test', 'x'), 'SCRAM-SHA-256')
  client.send(`a AUTHENTICATE SCRAM-SHA-256 ${base64('garbage')}\r\n`)
  assert.match(await client.rest(), /a NO \[AUTH.*\* BYE/s)
})

test('POP3: SCRAM-SHA-256 opens a session (RFC 5034)', async () => {
  const client = await fixture.connectTls('pop3s')
  await client.expect(/ready\r\n/)
  client.send('CAPA\r\n')
  assert.match(await client.expect(/\r\n\.\r\n/), /\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n/)
  const scram = new ScramClient('anna@example.test', 'secret')
  const opened = fixture.shard.nextSession()
  client.send('AUTH SCRAM-SHA-256\r\n')
  assert.equal(await client.expect(/\r\n/), '+ \r\n')
  client.send(`${base64(scram.first())}\r\n`)
  client.send(`${base64(scram.final(await challenge(client)))}\r\n`)
  assert.ok(scram.accepts(await challenge(client)))
  client.send('\r\n')
  assert.match(await client.expect(/\r\n/), /^\+OK /)
  assert.equal((await opened).open.protocol, 'pop3')
  client.close()
})

test('SCRAM is not announced where the directory has no keys', async () => {
  const without = await openEdge({ scram: false })
  const client = await without.connectTls('imaps')
  assert.doesNotMatch(await client.expect(/ready\r\n/), /SCRAM/)
  client.send('a AUTHENTICATE SCRAM-SHA-256\r\n')
  assert.match(await client.expect(/\r\n/), /^a NO \[CANNOT\]/)
  await without.close()
})
