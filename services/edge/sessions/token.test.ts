import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { generateKeyPair } from 'jose'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { OidcVerifier } from '../auth/oidc.ts'
import { parseTokenMessage } from '../auth/token-login.ts'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { LocalIssuer } from '../testing/local-issuer.ts'
import type { WireClient } from '../testing/wire-client.ts'

let issuer: LocalIssuer
let fixture: EdgeFixture
before(async () => {
  issuer = await LocalIssuer.start()
  fixture = await openEdge({}, { tokens: verifier() })
})
after(async () => {
  await fixture.close()
  await issuer.stop()
})
afterEach(() => {
  issuer.down = false
  issuer.calledOtherwise = null
})

function verifier(): OidcVerifier {
  return new OidcVerifier({ issuer: issuer.url, audience: 'twinpost', addressClaim: 'email', clock: nodeClock })
}

const ANNA = 'anna@example.test'
const base64 = (text: string) => Buffer.from(text).toString('base64')
const bearer = (user: string, token: string) =>
  base64(`n,a=${user},\u0001host=mx.example.test\u0001auth=Bearer ${token}\u0001\u0001`)
const xoauth2 = (user: string, token: string) => base64(`user=${user}\u0001auth=Bearer ${token}\u0001\u0001`)

async function greeted(): Promise<WireClient> {
  const client = await fixture.connectTls('imaps')
  assert.match(await client.expect(/ready\r\n/), /AUTH=OAUTHBEARER AUTH=XOAUTH2/)
  return client
}

/** What the client hears in the end; a challenge about a bad token is answered as RFC 7628 section 3.2.3 has it. */
async function login(client: WireClient, mechanism: string, message: string): Promise<string> {
  client.send(`a AUTHENTICATE ${mechanism} ${message}\r\n`)
  const line = (await client.expect(/\r\n/)).trimEnd()
  if (!line.startsWith('+ ')) return line
  const said: unknown = JSON.parse(Buffer.from(line.slice(2), 'base64').toString())
  assert.deepEqual(said, {
    status: 'invalid_token',
    schemes: 'bearer',
    'openid-configuration': `${issuer.url}/.well-known/openid-configuration`,
  })
  client.send(mechanism === 'XOAUTH2' ? '\r\n' : 'AQ==\r\n')
  return (await client.expect(/\r\n/)).trimEnd()
}

test('IMAP: OAUTHBEARER and XOAUTH2 open a session with a good token (RFC 7628)', async () => {
  const token = await issuer.token({ email: ANNA }, Date.now())
  for (const [mechanism, message] of [
    ['OAUTHBEARER', bearer(ANNA, token)],
    ['OAUTHBEARER', base64(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)],
    ['OAUTHBEARER', bearer('a.miller@example.test', token)],
    ['XOAUTH2', xoauth2(ANNA, token)],
  ] as const) {
    const client = await greeted()
    const opened = fixture.shard.nextSession()
    assert.match(await login(client, mechanism, message), /^a OK /)
    await opened
    client.close()
  }
})

const bad: [name: string, claims: Record<string, unknown>, user: string, answer: RegExp][] = [
  ['that is out of date', { email: ANNA, exp: 1_000_000_000 }, ANNA, /AUTHENTICATIONFAILED/],
  ['without an end', { email: ANNA, exp: undefined }, ANNA, /AUTHENTICATIONFAILED/],
  ['for somebody else', { email: ANNA, aud: 'another service' }, ANNA, /AUTHENTICATIONFAILED/],
  ['of another issuer', { email: ANNA, iss: 'https://elsewhere.example.test' }, ANNA, /AUTHENTICATIONFAILED/],
  ['without an address', {}, ANNA, /AUTHENTICATIONFAILED/],
  ['of another account', { email: 'carl@example.test' }, ANNA, /AUTHENTICATIONFAILED/],
  ['of nobody here', { email: 'nobody@example.test' }, 'nobody@example.test', /AUTHENTICATIONFAILED/],
  ['of an address with detail', { email: 'anna+x@example.test' }, ANNA, /AUTHENTICATIONFAILED/],
  ['of a suspended account', { email: 'eve@example.test' }, 'eve@example.test', /CONTACTADMIN/],
]
for (const [name, claims, user, answer] of bad) {
  test(`IMAP: OAUTHBEARER refuses a token ${name}`, async () => {
    const client = await greeted()
    assert.match(await login(client, 'OAUTHBEARER', bearer(user, await issuer.token(claims, Date.now()))), answer)
    client.close()
  })
}

test('IMAP: XOAUTH2 refuses a token that others have signed, in each way', async () => {
  const other = (await generateKeyPair('ES256')).privateKey
  const good = await issuer.token({ email: ANNA }, Date.now())
  const [head = '', claims = ''] = good.split('.')
  const unsigned = `${base64(JSON.stringify({ alg: 'none' })).replaceAll('=', '')}.${claims}.`
  for (const token of [
    await issuer.token({ email: ANNA }, Date.now(), other),
    await issuer.token({ email: ANNA }, Date.now(), Buffer.alloc(32, 1)),
    unsigned,
    `${head}.${claims}.`,
    'opaque',
  ]) {
    const client = await greeted()
    assert.match(await login(client, 'XOAUTH2', xoauth2(ANNA, token)), /^a NO \[AUTHENTICATIONFAILED\]/)
    client.close()
  }
})

test('a token login says UNAVAILABLE while the issuer cannot be asked or is another one, and works when it can', async () => {
  const token = await issuer.token({ email: ANNA }, Date.now())
  const tokens = verifier()
  issuer.down = true
  await assert.rejects(tokens.verify(token), { code: 'OIDC_UNAVAILABLE' })
  issuer.down = false
  issuer.calledOtherwise = 'https://elsewhere.example.test'
  await assert.rejects(tokens.verify(token), { code: 'OIDC_UNAVAILABLE' })
  issuer.calledOtherwise = null
  assert.equal(await tokens.verify(token), ANNA)
})

test('POP3: XOAUTH2 opens a session', async () => {
  const client = await fixture.connectTls('pop3s')
  await client.expect(/ready\r\n/)
  const opened = fixture.shard.nextSession()
  client.send(`AUTH XOAUTH2 ${xoauth2(ANNA, await issuer.token({ email: ANNA }, Date.now()))}\r\n`)
  assert.match(await client.expect(/\r\n/), /^\+OK /)
  await opened
  client.close()
})

const malformed = [
  '',
  'n,a=u,',
  'n,a=u,\u0001auth=Bearer t\u0001',
  'n,a=u,\u0001auth=Basic t\u0001\u0001',
  'p=tls-exporter,,\u0001auth=Bearer t\u0001\u0001',
  'n,a=u,\u0001auth=Bearer a\u0001auth=Bearer b\u0001\u0001',
  'user=u\u0001auth=Bearer t\u0001\u0001',
]
for (const text of malformed) {
  test(`parseTokenMessage() refuses ${JSON.stringify(text)} as OAUTHBEARER`, () => {
    assert.equal(parseTokenMessage('OAUTHBEARER', Buffer.from(text)), null)
  })
}
