import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listedName, reverseName } from './address-names.ts'

for (const [address, name] of [
  ['192.0.2.1', '1.2.0.192.in-addr.arpa'],
  ['2001:db8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
  ['::', `${Array.from({ length: 32 }, () => '0').join('.')}.ip6.arpa`],
  ['::ffff:192.0.2.1', '1.0.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa'],
  ['2001:db8:1:2:3:4:5:6', '6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
  ['mx.example.net', null],
  ['', null],
] as const) {
  test(`reverseName() of ${address}`, () => assert.equal(reverseName(address), name))
}
test('listedName() puts the list behind the address', () => {
  assert.equal(listedName('127.0.0.2', 'list.example'), '2.0.0.127.list.example')
})
