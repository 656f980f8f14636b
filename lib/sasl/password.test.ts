import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { hashPassword, isPasswordHash, verifyPassword } from './password.ts'

const CHEAP = { memoryKib: 64, passes: 1, lanes: 1 }

test('verifyPassword() accepts the password that was hashed and no other', async () => {
  const stored = await hashPassword('correct horse', nodeRandom, CHEAP)
  assert.match(stored, /^\$argon2id\$v=19\$m=64,t=1,p=1\$/)
  assert.equal(await verifyPassword(stored, 'correct horse'), true)
  assert.equal(await verifyPassword(stored, 'correct horse '), false)
  assert.equal(await verifyPassword(stored, ''), false)
})

test('verifyPassword() knows a hash made by the reference implementation', async () => {
  // argon2 command line tool: password "password", salt "somesalt", -id -t 2 -m 16 -p 1
  const stored = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.equal(await verifyPassword(stored, 'password'), true)
  assert.equal(await verifyPassword(stored, 'passwore'), false)
})

test('verifyPassword() takes two ways of typing one character as the same', async () => {
  const stored = await hashPassword('caf\u00e9', nodeRandom, CHEAP)
  assert.equal(await verifyPassword(stored, 'cafe\u0301'), true)
})

test('hashPassword() salts: the same password gives different strings', async () => {
  assert.notEqual(await hashPassword('a', nodeRandom, CHEAP), await hashPassword('a', nodeRandom, CHEAP))
})

for (const bad of ['', 'a\u0000b', 'line\nfeed', 'x'.repeat(1025), '\u200b'])
  test(`hashPassword() refuses ${JSON.stringify(bad.slice(0, 12))}`, async () => {
    await assert.rejects(hashPassword(bad, nodeRandom, CHEAP), { code: 'SASL_SECRET' })
  })

const stored: [name: string, text: string, want: boolean][] = [
  [
    'accepts its own format',
    '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    true,
  ],
  ['refuses argon2i', '$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA', false],
  [
    'refuses memory beyond the limit',
    '$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
    false,
  ],
  ['refuses no passes', '$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA', false],
  ['refuses clear text', 'secret', false],
]
for (const [name, text, want] of stored)
  test(`isPasswordHash() ${name}`, () => assert.equal(isPasswordHash(text), want))
