import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalAddress, canonicalDomain, splitDetail } from './address.ts'

const domains: [text: string, want: string | null][] = [
  ['Example.TEST', 'example.test'],
  ['example.test.', 'example.test'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
  ['localhost', 'localhost'],
  ['', null],
  ['.', null],
  ['a..b', null],
  ['-a.example', null],
  ['a_b.example', null],
  ['1.2.3.4', null],
  ['1.2', null],
  ['[1.2.3.4]', null],
  ['exa%6dple.test', null],
  ['a.example/x', null],
  ['a.example:25', null],
  ['a b.example', null],
  [`${'a'.repeat(64)}.example`, null],
  [`${'a.'.repeat(127)}example`, null],
]
for (const [text, want] of domains)
  test(`canonicalDomain() of ${JSON.stringify(text.slice(0, 40))}`, () => assert.equal(canonicalDomain(text), want))

const addresses: [text: string, want: string | null][] = [
  ['Anna@Example.TEST', 'anna@example.test'],
  ["o'neil=x#1*@example.test", "o'neil=x#1*@example.test"],
  ['a.b@example.test', 'a.b@example.test'],
  ['a+b@example.test', null],
  ['.a@example.test', null],
  ['a..b@example.test', null],
  ['"a b"@example.test', null],
  ['a@b@example.test', null],
  ['änna@example.test', null],
  ['a\0@example.test', null],
  ['@example.test', null],
  ['anna', null],
  [`${'a'.repeat(65)}@example.test`, null],
]
for (const [text, want] of addresses)
  test(`canonicalAddress() of ${JSON.stringify(text.slice(0, 40))}`, () => assert.equal(canonicalAddress(text), want))

const details: [local: string, user: string, detail: string | null][] = [
  ['anna', 'anna', null],
  ['anna+lists', 'anna', 'lists'],
  ['anna+a+b', 'anna', 'a+b'],
  ['anna+', 'anna', ''],
  ['+anna', '+anna', null],
]
for (const [local, user, detail] of details)
  test(`splitDetail() of ${local}`, () => assert.deepEqual(splitDetail(local), { user, detail }))
