import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  deriveScramKeys,
  fakeScramKeys,
  formatScramKeys,
  parseClientFirst,
  parseScramKeys,
  ScramExchange,
  type ScramKeys,
} from './scram.ts'

// RFC 7677 section 3: user "user", password "pencil".
const CLIENT_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const CLIENT_FINAL =
  'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='

const bytes = (text: string) => Buffer.from(text)

async function exchange(): Promise<ScramExchange> {
  const first = parseClientFirst(bytes(CLIENT_FIRST), false)
  assert.ok(first)
  assert.equal(first.user, 'user')
  return new ScramExchange(first, await deriveScramKeys('pencil', SALT, 4096), SERVER_NONCE)
}

test('ScramExchange speaks the example of RFC 7677 section 3', async () => {
  const scram = await exchange()
  assert.equal(
    scram.challenge,
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  )
  assert.deepEqual(scram.finish(bytes(CLIENT_FINAL)), {
    kind: 'ok',
    serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  })
})

const wrong: [name: string, final: string, message: string][] = [
  ['a wrong proof', CLIENT_FINAL.replace('p=dHz', 'p=dHy'), 'e=invalid-proof'],
  ['another nonce', CLIENT_FINAL.replace('r=rOp', 'r=rOq'), 'e=other-error'],
  ['another gs2 header', CLIENT_FINAL.replace('c=biws', 'c=eSws'), 'e=channel-bindings-dont-match'],
  ['no proof', 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0', 'e=invalid-encoding'],
  ['an empty message', '', 'e=invalid-encoding'],
]
for (const [name, final, message] of wrong)
  test(`ScramExchange denies ${name}`, async () => {
    assert.deepEqual((await exchange()).finish(bytes(final)), { kind: 'denied', message })
  })

const firsts: [name: string, text: string, plusOffered: boolean, user: string | null][] = [
  ['reads an escaped name', 'n,,n=a=2Cb=3Dc,r=x', false, 'a,b=c'],
  ['reads an authzid', 'n,a=admin,n=user,r=x', false, 'user'],
  ['refuses a stray equals sign', 'n,,n=a=b,r=x', false, null],
  ['refuses channel binding', 'p=tls-exporter,,n=user,r=x', false, null],
  ['refuses mandatory extensions', 'n,,m=1,n=user,r=x', false, null],
  ['takes y where -PLUS was not offered', 'y,,n=user,r=x', false, 'user'],
  ['sees a downgrade where -PLUS was offered', 'y,,n=user,r=x', true, null],
  ['refuses an empty nonce', 'n,,n=user,r=', false, null],
  ['refuses bytes that are not UTF-8', 'n,,n=\udc80,r=x', false, '\ufffd'],
]
for (const [name, text, plusOffered, user] of firsts)
  test(`parseClientFirst() ${name}`, () => assert.equal(parseClientFirst(bytes(text), plusOffered)?.user ?? null, user))

test('parseScramKeys() reads what formatScramKeys() wrote', async () => {
  const keys = await deriveScramKeys('pencil', SALT, 4096)
  const text = formatScramKeys(keys)
  assert.match(text, /^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$/)
  assert.deepEqual(parseScramKeys(text), keys)
})

test('fakeScramKeys() gives a name the same salt at every try, and others another', () => {
  const secret = Buffer.alloc(32, 7)
  assert.deepEqual(fakeScramKeys('a', secret), fakeScramKeys('a', secret))
  assert.notDeepEqual(fakeScramKeys('a', secret).salt, fakeScramKeys('b', secret).salt)
})

/** A client made from the RFC's formulas, to check the server against. */
function clientFinal(password: string, scram: ScramExchange, bare: string, gs2: string, keys: ScramKeys): string {
  const salted = pbkdf2Sync(password, keys.salt, keys.iterations, 32, 'sha256')
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const nonce = /^r=([^,]+)/.exec(scram.challenge)?.[1]
  const withoutProof = `c=${Buffer.from(gs2).toString('base64')},r=${nonce}`
  const signature = hmac(createHash('sha256').update(clientKey).digest(), `${bare},${scram.challenge},${withoutProof}`)
  return `${withoutProof},p=${Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')}`
}

test('ScramExchange accepts the right password and denies another, whatever they are', async () => {
  const word = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => /^[\x21-\x7e]+$/.test(text))
  await fc.assert(
    fc.asyncProperty(word, word, async (password, other) => {
      const keys = await deriveScramKeys(password, SALT, 4096)
      const first = parseClientFirst(bytes('n,,n=u,r=abc'), false)
      assert.ok(first)
      const run = (typed: string) => {
        const scram = new ScramExchange(first, keys, 'def')
        return scram.finish(bytes(clientFinal(typed, scram, first.bare, 'n,,', keys))).kind
      }
      assert.equal(run(password), 'ok')
      if (other !== password) assert.equal(run(other), 'denied')
    }),
    { numRuns: 15 },
  )
})
