/** Letters that pretend, and honest ones that look a little like it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookAlikeOf, mixedScripts, registrable, skeleton } from './domains.ts'
import { phishingMarks } from './marks.ts'

const KNOWN = ['example.test', 'paypal.com']
const marksOf = (from: string, html = '') =>
  Object.fromEntries(
    phishingMarks({ from: [from], texts: [{ subtype: 'html', text: html }], known: KNOWN }).map(({ name, weight }) => [
      name,
      weight,
    ]),
  )

const letters: [what: string, from: string, html: string, want: Record<string, number>][] = [
  ['an honest one', 'Ann <ann@shop.example>', '<a href="https://shop.example/a">our shop</a>', {}],
  [
    'an author whose name is another address',
    '"boss@example.test" <x@evil.example>',
    '',
    { 'name-address example.test': 1 },
  ],
  ['an author whose name is the own address', '"ann@mail.shop.example" <ann@shop.example>', '', {}],
  ['an encoded name', '=?utf-8?b?Ym9zc0BleGFtcGxlLnRlc3Q=?= <x@evil.example>', '', { 'name-address example.test': 1 }],
  [
    'a domain with letters of two scripts',
    'x@xn--pypal-4ve.com', // pаypal.com with a Cyrillic а
    '',
    { 'author-scripts pаypal.com Latin+Cyrillic': 1, 'author-look-alike pаypal.com>paypal.com': 1 },
  ],
  ['a domain with a digit for a letter', 'x@paypa1.com', '', { 'author-look-alike paypa1.com>paypal.com': 1 }],
  ['a domain with rn for m', 'x@exarnple.test', '', { 'author-look-alike exarnple.test>example.test': 1 }],
  ['a subdomain of the real one', 'x@mail.paypal.com', '', {}],
  ['Japanese in three scripts', 'x@日本のドメインabc.example', '', {}],
  [
    'a link that shows another address',
    'x@shop.example',
    '<a href="https://evil.example/login">https://www.bank.example/login</a>',
    { 'link-text www.bank.example>evil.example': 0.7 },
  ],
  [
    'a link that shows the address of a domain that is protected',
    'x@shop.example',
    '<a href="https://evil.example/">www.paypal.com</a>',
    { 'link-text www.paypal.com>evil.example': 1 },
  ],
  [
    'a newsletter that counts clicks itself',
    'news@shop.example',
    '<a href="https://click.shop.example/1">www.partner.example</a>',
    {},
  ],
  [
    'a link with a password',
    'x@shop.example',
    '<a href="https://bank.example@evil.example/">here</a>',
    { 'link-userinfo evil.example': 1 },
  ],
  [
    'a link to a number behind an address',
    'x@shop.example',
    '<a href="http://192.0.2.7/bank">bank.example</a>',
    { 'link-number 192.0.2.7': 0.7, 'link-text bank.example>192.0.2.7': 1 },
  ],
  ['a link that runs', 'x@shop.example', '<a href="JavaScript:alert(1)">click</a>', { 'link-active': 1 }],
  ['a form', 'x@shop.example', '<form action="https://a.example"><input></form>', { form: 0.6 }],
  ['a link with words', 'x@shop.example', '<a href="https://evil.example/">Dr. Who, see p. 3</a>', {}],
]
for (const [what, from, html, want] of letters) {
  test(`phishingMarks() of ${what}`, () => assert.deepEqual(marksOf(from, html), want))
}

test('lookAlikeOf() does not take a name for itself, its own subdomains or an unrelated one', () => {
  for (const name of ['paypal.com', 'a.paypal.com', 'paypal.example', 'pay-day.com']) {
    assert.equal(lookAlikeOf(name, KNOWN), null, name)
  }
})

test('registrable() knows where people register names', () => {
  assert.deepEqual(['a.b.co.uk', 'x.github.io', 'bücher.example', 'localhost'].map(registrable), [
    'b.co.uk',
    'x.github.io',
    'xn--bcher-kva.example',
    'localhost',
  ])
})

test('skeleton() is the same for names that look the same', () => {
  for (const [one, other] of [
    ['рауреl', 'paypel'],
    ['rnicrosoft', 'microsoft'],
    ['g00gle', 'google'],
    ['vvorld', 'world'],
  ] as const) {
    assert.equal(skeleton(one), skeleton(other))
  }
})

test('mixedScripts() names scripts that no language writes together', () => {
  assert.deepEqual(mixedScripts('αbc.example'), ['Latin', 'Greek'])
  assert.deepEqual(mixedScripts('пример.example'), []) // each label by itself
  assert.deepEqual(mixedScripts('中文abc.example'), [])
})
