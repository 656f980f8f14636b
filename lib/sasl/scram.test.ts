import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  deriveScramKeys,
  fakeScramKeys,
  formatScramKeys,
  parseClientFirst,
  parseScramKeys,
  ScramExchange,
} from './scram.ts'
import { ScramClient } from './testing/scram-client.ts'

// RFC 7677 section 3: user "user", password "pencil".
const CLIENT_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const CLIENT_FINAL =
  'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='

const bytes = (text: string) => Buffer.from(text)

async function exchange(): Promise<ScramExchange> {
  const first = parseClientFirst(bytes(CLIENT_FIRST), { plus: false, plusOffered: false })
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

const firsts: [name: string, text: string, policy: { plus: boolean; plusOffered: boolean }, user: string | null][] = [
  ['reads an escaped name', 'n,,n=a=2Cb=3Dc,r=x', { plus: false, plusOffered: false }, 'a,b=c'],
  ['reads an authzid', 'n,a=admin,n=user,r=x', { plus: false, plusOffered: false }, 'user'],
  ['refuses a stray equals sign', 'n,,n=a=b,r=x', { plus: false, plusOffered: false }, null],
  ['refuses channel binding without -PLUS', 'p=tls-exporter,,n=user,r=x', { plus: false, plusOffered: true }, null],
  ['takes channel binding with -PLUS', 'p=tls-exporter,,n=user,r=x', { plus: true, plusOffered: true }, 'user'],
  ['refuses -PLUS without channel binding', 'n,,n=user,r=x', { plus: true, plusOffered: true }, null],
  ['refuses mandatory extensions', 'n,,m=1,n=user,r=x', { plus: false, plusOffered: false }, null],
  ['takes y where -PLUS was not offered', 'y,,n=user,r=x', { plus: false, plusOffered: false }, 'user'],
  ['sees a downgrade where -PLUS was offered', 'y,,n=user,r=x', { plus: false, plusOffered: true }, null],
  ['takes n where -PLUS was offered', 'n,,n=user,r=x', { plus: false, plusOffered: true }, 'user'],
  ['refuses an empty nonce', 'n,,n=user,r=', { plus: false, plusOffered: false }, null],
  ['refuses bytes that are not UTF-8', 'n,,n=\udc80,r=x', { plus: false, plusOffered: false }, '\ufffd'],
]
for (const [name, text, policy, user] of firsts)
  test(`parseClientFirst() ${name}`, () => assert.equal(parseClientFirst(bytes(text), policy)?.user ?? null, user))

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

test('ScramExchange accepts the right password and denies another, whatever they are', async () => {
  const word = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => /^[\x21-\x7e]+$/.test(text))
  await fc.assert(
    fc.asyncProperty(word, word, async (password, other) => {
      const keys = await deriveScramKeys(password, SALT, 4096)
      const run = (typed: string) => {
        const client = new ScramClient('u', typed)
        const first = parseClientFirst(bytes(client.first()), { plus: false, plusOffered: true })
        assert.ok(first)
        const scram = new ScramExchange(first, keys, 'def')
        const verdict = scram.finish(bytes(client.final(scram.challenge)))
        if (verdict.kind === 'ok') assert.ok(client.accepts(verdict.serverFinal))
        return verdict.kind
      }
      assert.equal(run(password), 'ok')
      if (other !== password) assert.equal(run(other), 'denied')
    }),
    { numRuns: 15 },
  )
})

test('ScramExchange with -PLUS holds only on the connection whose data the proof covers', async () => {
  const keys = await deriveScramKeys('pencil', SALT, 4096)
  const own = Buffer.from('this connection')
  const run = (data: Uint8Array) => {
    const client = new ScramClient('user', 'pencil', { type: 'tls-exporter', data })
    const first = parseClientFirst(bytes(client.first()), { plus: true, plusOffered: true })
    assert.ok(first)
    const scram = new ScramExchange(first, keys, 'def', own)
    return scram.finish(bytes(client.final(scram.challenge)))
  }
  assert.equal(run(own).kind, 'ok')
  const passedOn = run(Buffer.from('the connection of somebody in between'))
  assert.deepEqual(passedOn, { kind: 'denied', message: 'e=channel-bindings-dont-match' })
})
