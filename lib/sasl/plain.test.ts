import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { formatAppPassword, matchesAppPassword, newAppPassword, parseAppPassword } from './app-password.ts'
import { decodeBase64Line, decodeLogin, decodePlain } from './plain.ts'
import { saslPrepare } from './prepare.ts'

const plain: [name: string, message: string, want: ReturnType<typeof decodePlain>][] = [
  [
    'reads the example of RFC 4616',
    '\0tim\0tanstaaftanstaaf',
    { authzid: '', authcid: 'tim', password: 'tanstaaftanstaaf' },
  ],
  ['reads an authzid', 'Ursel\0Kurt\0xipj3plmq', { authzid: 'Ursel', authcid: 'Kurt', password: 'xipj3plmq' }],
  ['refuses a missing part', 'tim\0secret', null],
  ['refuses a fourth part', '\0tim\0sec\0ret', null],
  ['refuses an empty name', '\0\0secret', null],
  ['refuses an empty password', '\0tim\0', null],
  ['refuses an empty message', '', null],
]
for (const [name, message, want] of plain)
  test(`decodePlain() ${name}`, () => assert.deepEqual(decodePlain(Buffer.from(message)), want))

test('decodePlain() refuses bytes that are not UTF-8', () =>
  assert.equal(decodePlain(Buffer.from([0, 0x61, 0, 0xff])), null))

test('decodeLogin() refuses NUL and the empty answer', () => {
  assert.equal(decodeLogin(Buffer.from('anna')), 'anna')
  assert.equal(decodeLogin(Buffer.from('an\0na')), null)
  assert.equal(decodeLogin(Buffer.alloc(0)), null)
})

const lines: [line: string, want: string | null][] = [
  ['YW5uYQ==', 'anna'],
  ['=', ''],
  ['YW5uYQ=', null],
  ['YW5u YQ=', null],
  ['*', null],
]
for (const [line, want] of lines)
  test(`decodeBase64Line() takes ${JSON.stringify(line)} as ${JSON.stringify(want)}`, () =>
    assert.equal(decodeBase64Line(line)?.toString() ?? null, want))

// RFC 4013 section 3.
const prepared: [name: string, text: string, want: string | null][] = [
  ['maps a soft hyphen to nothing', 'I\u00adX', 'IX'],
  ['leaves ASCII alone', 'user', 'user'],
  ['keeps the case', 'USER', 'USER'],
  ['folds the feminine ordinal', '\u00aa', 'a'],
  ['folds the Roman numeral nine', '\u2168', 'IX'],
  ['refuses BEL', '\u0007', null],
  ['maps an ideographic space', 'a\u3000b', 'a b'],
  ['keeps Chinese', '密碼', '密碼'],
]
for (const [name, text, want] of prepared) test(`saslPrepare() ${name}`, () => assert.equal(saslPrepare(text), want))

test('matchesAppPassword() accepts the secret however it is typed, and no other', () => {
  const { secret, stored } = newAppPassword('phone', ['imap', 'smtp'], nodeRandom)
  assert.match(secret, /^([a-z2-7]{4}-){4}[a-z2-7]{4}$/)
  for (const typed of [secret, secret.replaceAll('-', ''), secret.toUpperCase(), secret.replaceAll('-', ' ')])
    assert.equal(matchesAppPassword(stored, typed), true)
  assert.equal(matchesAppPassword(stored, newAppPassword('phone', ['imap'], nodeRandom).secret), false)
  assert.deepEqual(parseAppPassword(formatAppPassword(stored)), stored)
})

test('parseAppPassword() refuses an unknown scope', () => {
  const { stored } = newAppPassword('phone', ['imap'], nodeRandom)
  assert.equal(parseAppPassword(formatAppPassword(stored).replace('imap', 'imap,root')), null)
})
