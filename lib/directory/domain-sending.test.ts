import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { openSending, sealingOf, sealSending } from './domain-sending.ts'

const SENDING = { keys: [{ selector: 'tp1-rsa', pem: 'a private key' }], smarthost: null }
const sealing = (text: string) => known(sealingOf(text), 'a word')
const sealed = sealSending('example.test', SENDING, sealing('one'))
const changed = `${sealed.slice(0, 40)}${sealed[40] === 'A' ? 'B' : 'A'}${sealed.slice(41)}`

test('What was sealed can be opened, and is the same text each time', () => {
  assert.deepEqual(openSending('example.test', sealed, sealing('one')), SENDING)
  assert.equal(sealSending('example.test', SENDING, sealing('one')), sealed)
  assert.ok(!Buffer.from(sealed.split('.')[2] ?? '', 'base64').includes('private'))
})
test('Other content has another nonce', () => {
  const other = { ...SENDING, keys: [{ selector: 'tp2-rsa', pem: 'a private key' }] }
  assert.notEqual(sealSending('example.test', other, sealing('one')).slice(0, 28), sealed.slice(0, 28))
})
test('A new word before the old one opens what the old one sealed, and seals anew', () => {
  const both = sealing('two\n one ')
  assert.deepEqual(openSending('example.test', sealed, both), SENDING)
  const anew = sealSending('example.test', SENDING, both)
  assert.notEqual(anew, sealed)
  assert.deepEqual(openSending('example.test', anew, sealing('two')), SENDING)
})
for (const [name, domain, text, words] of [
  ['another word', 'example.test', sealed, 'two'],
  ['another domain', 'evil.example', sealed, 'one'],
  ['a changed byte', 'example.test', changed, 'one'],
  ['half of it', 'example.test', sealed.slice(0, 30), 'one'],
  ['another version', 'example.test', sealed.replace('v1', 'v2'), 'one'],
  ['nothing', 'example.test', '', 'one'],
] as const) {
  test(`Nothing is opened with ${name}`, () => assert.equal(openSending(domain, text, sealing(words)), null))
}
test('Blanks are no word', () => assert.equal(sealingOf(' \n'), null))
