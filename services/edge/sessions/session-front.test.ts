import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, afterEach, before, test } from 'node:test'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { fakeAccountId } from '../testing/fake-directory.ts'
import type { FakeSession } from '../testing/fake-shard.ts'
import type { WireClient } from '../testing/wire-client.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge({ sessionsPerAccountMax: 2 })
})
after(() => fixture.close())
afterEach(() => {
  fixture.shard.refusal = null
  fixture.otherShard.refusal = null
  fixture.directory.down = false
})

async function imap(login = 'LOGIN anna@example.test secret'): Promise<{ client: WireClient; session: FakeSession }> {
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  const opened = fixture.shard.nextSession()
  client.send(`a ${login}\r\n`)
  const session = await opened
  assert.match(await client.expect(/\r\n/), /^a OK \[CAPABILITY IMAP4rev1 IDLE\] Logged in\r\n$/)
  return { client, session }
}

/** Resolves when the shard's side has received `wanted`; fails when it is something else. */
async function receives(session: FakeSession, wanted: string): Promise<void> {
  let text = ''
  session.stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  session.stream.resume()
  while (text.length < wanted.length) await once(session.stream, 'data')
  assert.equal(text, wanted)
}

async function gone(client: WireClient, session: FakeSession): Promise<void> {
  const closed = session.stream.closed ? Promise.resolve() : once(session.stream, 'close')
  client.close()
  session.stream.resume()
  await closed
}

test('SessionFront hands a session over with all the facts, and splices both ways', async () => {
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  const opened = fixture.shard.nextSession()
  client.send('a ID ("name" "tester")\r\nb LOGIN anna@example.test secret\r\n')
  const session = await opened
  await client.expect(/b OK [^\r]*\r\n/)
  const { open } = session
  assert.equal(open.protocol, 'imap')
  assert.equal(open.account, fakeAccountId('anna@example.test'))
  assert.equal(open.login, 'anna@example.test')
  assert.equal(open.clientAddress, '127.0.0.1')
  assert.match(open.tls ?? '', /^TLSv1\.3 TLS_/)
  assert.deepEqual(open.clientId, ['name', 'tester'])
  client.send('c NOOP\r\n')
  await receives(session, 'c NOOP\r\n')
  session.stream.write('c OK Done\r\n')
  assert.equal(await client.expect(/Done\r\n/), 'c OK Done\r\n')
  await gone(client, session)
})

test('SessionFront passes on what a client pipelines behind its login', async () => {
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  const opened = fixture.shard.nextSession()
  client.send('a LOGIN anna@example.test secret\r\nb SELECT INBOX\r\nc FETCH 1 FLAGS\r\n')
  const session = await opened
  await receives(session, 'b SELECT INBOX\r\nc FETCH 1 FLAGS\r\n')
  await gone(client, session)
})

test('SessionFront passes a large stream both ways with pauses, unchanged', async () => {
  const { client, session } = await imap()
  const bytes = '0123456789abcdef'.repeat(256 * 1024)
  session.stream.write(`${bytes}\r\n`)
  assert.equal(await client.expect(/\r\n/), `${bytes}\r\n`)
  client.send(bytes)
  await receives(session, bytes)
  await gone(client, session)
})

test('SessionFront refuses LOGIN without TLS, and takes it after STARTTLS', async () => {
  const client = await fixture.connect('imap')
  assert.match(await client.expect(/ready\r\n/), /STARTTLS LOGINDISABLED/)
  client.send('a LOGIN anna@example.test secret\r\n')
  assert.match(await client.expect(/\r\n/), /^a NO \[PRIVACYREQUIRED\]/)
  client.send('b STARTTLS\r\n')
  assert.match(await client.expect(/\r\n/), /^b OK /)
  await client.startTls(fixture.tls)
  const opened = fixture.shard.nextSession()
  client.send('c LOGIN anna@example.test secret\r\n')
  const session = await opened
  await client.expect(/c OK [^\r]*\r\n/)
  await gone(client, session)
})

test('SessionFront drops what is said in clear text behind STARTTLS', async () => {
  const client = await fixture.connect('imap')
  await client.expect(/ready\r\n/)
  const before = fixture.directory.logins.length
  client.send('a STARTTLS\r\nb LOGIN anna@example.test secret\r\n')
  assert.match(await client.expect(/\r\n/), /^a OK /)
  await client.startTls(fixture.tls)
  client.send('c NOOP\r\n')
  assert.match(await client.expect(/\r\n/), /^c OK /)
  assert.equal(fixture.directory.logins.length, before)
})

test('SessionFront closes after three wrong passwords', async () => {
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  client.send('a LOGIN anna@example.test x\r\nb LOGIN nobody@example.test x\r\nc LOGIN anna@example.test y\r\n')
  assert.match(await client.rest(), /a NO \[AUTHENTICATIONFAILED\].*b NO \[AUTH.*c NO \[AUTH.*\* BYE/s)
})

test('SessionFront goes on after a login that could not be judged', async () => {
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  fixture.directory.down = true
  client.send('a LOGIN anna@example.test secret\r\n')
  assert.match(await client.expect(/\r\n/), /^a NO \[UNAVAILABLE\]/)
  fixture.directory.down = false
  const opened = fixture.shard.nextSession()
  client.send('b LOGIN anna@example.test secret\r\n')
  await gone(client, await opened)
})

const refusals: [reason: 'suspended' | 'unavailable' | 'unknown-account' | 'limit', reply: RegExp][] = [
  ['suspended', /^a NO \[CONTACTADMIN\]/],
  ['limit', /^a NO \[LIMIT\]/],
  ['unavailable', /^a NO \[UNAVAILABLE\]/],
  ['unknown-account', /^a NO \[UNAVAILABLE\]/],
]
for (const [reason, reply] of refusals) {
  test(`SessionFront tells the client when the shard refuses with ${reason}`, async () => {
    fixture.shard.refusal = { reason, message: 'no', target: null }
    const client = await fixture.connectTls('imaps')
    await client.expect(/ready\r\n/)
    client.send('a LOGIN anna@example.test secret\r\n')
    assert.match(await client.expect(/\r\n/), reply)
  })
}

test('SessionFront follows an account to its new shard', async () => {
  fixture.shard.refusal = { reason: 'moved', message: 'moved', target: 'n1/2' }
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  const opened = fixture.otherShard.nextSession()
  client.send('a LOGIN anna@example.test secret\r\n')
  const session = await opened
  await client.expect(/a OK [^\r]*\r\n/)
  await gone(client, session)
})

test('SessionFront bounds the sessions of an account', async () => {
  const first = await imap()
  const second = await imap()
  const client = await fixture.connectTls('imaps')
  await client.expect(/ready\r\n/)
  client.send('a LOGIN anna@example.test secret\r\n')
  assert.match(await client.expect(/\r\n/), /^a NO \[LIMIT\]/)
  await gone(first.client, first.session)
  await gone(second.client, second.session)
})

test('SessionFront says BYE when the shard is lost', async () => {
  const { client, session } = await imap()
  session.stream.destroy()
  assert.match(await client.rest(), /^\* BYE The mail store went away/)
})

test('SessionFront adds nothing when the session ended with a goodbye of its own', async () => {
  const { client, session } = await imap()
  client.send('b LOGOUT\r\n')
  session.stream.end('* BYE Goodbye\r\nb OK Done\r\n')
  assert.equal(await client.rest(), '* BYE Goodbye\r\nb OK Done\r\n')
})

test('SessionFront says nothing in the middle of a line', async () => {
  const { client, session } = await imap()
  session.stream.write('* 1 FETCH (BODY[] {1000}', () => session.stream.destroy())
  assert.equal(await client.rest(), '* 1 FETCH (BODY[] {1000}')
})

test('SessionFront lets a client that has ended its side read to the end', async () => {
  const { client, session } = await imap()
  session.stream.once('data', () => session.stream.end('* BYE Goodbye\r\nb OK Done\r\n'))
  session.stream.resume()
  client.send('b LOGOUT\r\n')
  client.end()
  assert.equal(await client.rest(), '* BYE Goodbye\r\nb OK Done\r\n')
})

test('Edge.endSessions() ends the live sessions of one account', async () => {
  const { client } = await imap()
  const other = await fixture.connectTls('imaps')
  await other.expect(/ready\r\n/)
  const opened = fixture.shard.nextSession()
  other.send('a LOGIN carl@example.test secret\r\n')
  const carl = await opened
  assert.equal(fixture.edge.endSessions(fakeAccountId('anna@example.test'), 'Account suspended'), 1)
  assert.match(await client.rest(), /^\* BYE Account suspended\r\n$/)
  assert.equal(fixture.edge.sessionCount, 1)
  await gone(other, carl)
})

async function pop3(): Promise<{ client: WireClient; session: FakeSession }> {
  const client = await fixture.connectTls('pop3s')
  await client.expect(/\+OK [^\r]*\r\n/)
  client.send('USER anna@example.test\r\n')
  await client.expect(/\+OK [^\r]*\r\n/)
  const opened = fixture.shard.nextSession()
  client.send('PASS secret\r\nSTAT\r\n')
  const session = await opened
  await client.expect(/\+OK [^\r]*\r\n/)
  return { client, session }
}

test('SessionFront hands a POP3 session over with what was pipelined', async () => {
  const { client, session } = await pop3()
  assert.equal(session.open.protocol, 'pop3')
  await receives(session, 'STAT\r\n')
  session.stream.end('+OK 0 0\r\n')
  assert.equal(await client.rest(), '+OK 0 0\r\n')
})

test('SessionFront tells the shard who the user is for others, where mailboxes are shared', async (t) => {
  const sharing = await openEdge({ sharing: true })
  t.after(() => sharing.close())
  for (const [edge, identity] of [
    [sharing, { address: 'anna@example.test', addresses: ['anna@example.test', 'a.miller@example.test'] }],
    [fixture, undefined],
  ] as const) {
    const client = await edge.connectTls('imaps')
    await client.expect(/ready\r\n/)
    const opened = edge.shard.nextSession()
    client.send('a LOGIN anna@example.test secret\r\n')
    const session = await opened
    assert.deepEqual(session.open.identity, identity)
    await gone(client, session)
  }
})

test('SessionFront tells the shard that a POP3 client said UTF8 (RFC 6856)', async () => {
  for (const [said, clientId] of [
    ['UTF8\r\n', ['utf8', '']],
    ['', []],
  ] as const) {
    const client = await fixture.connectTls('pop3s')
    await client.expect(/ready\r\n/)
    const opened = fixture.shard.nextSession()
    client.send(`${said}USER anna@example.test\r\nPASS secret\r\n`)
    const session = await opened
    assert.deepEqual(session.open.clientId, clientId)
    await gone(client, session)
  }
})

test('SessionFront lets an account wait between two POP3 logins, and not for IMAP', async (t) => {
  const slow = await openEdge({ pop3LoginDelaySeconds: 60 })
  t.after(() => slow.close())
  const login = async () => {
    const client = await slow.connectTls('pop3s')
    await client.expect(/ready\r\n/)
    const opened = slow.shard.nextSession()
    client.send('CAPA\r\nUSER anna@example.test\r\nPASS secret\r\n')
    return { client, opened }
  }
  const first = await login()
  assert.match(await first.client.expect(/\r\n\.\r\n/), /\r\nLOGIN-DELAY 60\r\n/)
  const session = await first.opened
  assert.deepEqual(session.open.clientId, ['login-delay', '60'])
  await gone(first.client, session)
  const second = await login()
  assert.match(await second.client.expect(/-ERR [^\r]*\r\n/), /-ERR \[LOGIN-DELAY\]/)
  second.client.close()
  const imap = await slow.connectTls('imaps')
  await imap.expect(/ready\r\n/)
  imap.send('a LOGIN anna@example.test secret\r\n')
  await imap.expect(/a OK [^\r]*\r\n/)
  await gone(imap, await second.opened)
})

test('SessionFront says nothing to a POP3 client whose shard is lost', async () => {
  const { client, session } = await pop3()
  session.stream.destroy()
  assert.equal(await client.rest(), '')
})

test('SessionFront refuses POP3 logins without TLS, and takes them after STLS', async () => {
  const client = await fixture.connect('pop3')
  await client.expect(/\+OK [^\r]*\r\n/)
  client.send('USER anna@example.test\r\n')
  assert.match(await client.expect(/\r\n/), /^-ERR/)
  client.send('STLS\r\nUSER anna@example.test\r\n')
  assert.match(await client.expect(/\r\n/), /^\+OK/)
  await client.startTls(fixture.tls)
  client.send('PASS secret\r\n')
  assert.match(await client.expect(/\r\n/), /^-ERR/) // the USER in clear text is forgotten
  client.send('USER anna@example.test\r\nPASS wrong\r\n')
  assert.match(await client.expect(/-ERR[^\r]*\r\n/), /\[AUTH\]/)
})

test('SessionFront tells a POP3 client that its maildrop is in use', async () => {
  fixture.shard.refusal = { reason: 'in-use', message: 'no', target: null }
  const client = await fixture.connectTls('pop3s')
  await client.expect(/\+OK [^\r]*\r\n/)
  client.send('USER anna@example.test\r\nPASS secret\r\n')
  assert.match(await client.expect(/-ERR[^\r]*\r\n/), /\[IN-USE\]/)
})

test('SessionFront counts every connection out, with and without TLS', async () => {
  const own = await openEdge()
  try {
    const plain = await own.connect('imap')
    await plain.expect(/ready\r\n/)
    const [login, session] = [await own.connectTls('imaps'), own.shard.nextSession()]
    login.send('a LOGIN anna@example.test secret\r\n')
    await session
    const count = async () =>
      (await own.metric('twinpost_edge_connections', { listener: 'imap' })) +
      (await own.metric('twinpost_edge_connections', { listener: 'imaps' }))
    assert.equal(await count(), 2)
    plain.close()
    login.close()
    while ((await count()) > 0) await new Promise(setImmediate)
    assert.equal(own.edge.sessionCount, 0)
  } finally {
    await own.close()
  }
})
