/** Whose wish holds, as tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalDomain } from '#lib/ldap/address.ts'
import {
  canonicalListed,
  effectiveFilter,
  type FilterWish,
  formatFilterWish,
  listedIn,
  NO_WISH,
  parseFilterWish,
  wishesOf,
} from './settings.ts'

const SYSTEM = { level: 'standard', allow: ['partner.example'], deny: ['bad.example'] } as const
const wish = (more: Partial<FilterWish>): FilterWish => ({ ...NO_WISH, ...more })

const levels: [what: string, wishes: FilterWish[], level: string][] = [
  ['nobody says anything', [], 'standard'],
  ['the Domain does', [NO_WISH, wish({ level: 'low' })], 'low'],
  ['the user does', [wish({ level: 'off' }), wish({ level: 'strict' })], 'off'],
  ['a user has lists and no level', [wish({ deny: ['a.example'] }), wish({ level: 'strict' })], 'strict'],
]
for (const [what, wishes, level] of levels) {
  test(`effectiveFilter() where ${what}`, () => assert.equal(effectiveFilter(SYSTEM, wishes).level, level))
}

const senders: [what: string, wishes: FilterWish[], address: string, list: string | null][] = [
  ['nobody names', [], 'ann@example.net', null],
  ['the system allows', [], 'ann@partner.example', 'allow'],
  ['the system allows by a parent domain', [], 'ann@a.partner.example', 'allow'],
  ['only looks like an allowed domain', [], 'ann@notpartner.example', null],
  ['the user denies and the system allows', [wish({ deny: ['partner.example'] })], 'ann@partner.example', 'deny'],
  ['the user allows and the system denies', [wish({ allow: ['ann@bad.example'] })], 'ann@bad.example', 'allow'],
  ['the user allows another of the denied domain', [wish({ allow: ['ann@bad.example'] })], 'bob@bad.example', 'deny'],
  [
    'the Domain denies and the user allows',
    [wish({ allow: ['x.example'] }), wish({ deny: ['x.example'] })],
    'a@x.example',
    'allow',
  ],
  ['one list both allows and denies', [wish({ allow: ['x.example'], deny: ['a@x.example'] })], 'a@x.example', 'deny'],
]
for (const [what, wishes, address, list] of senders) {
  test(`listedIn() of a sender that ${what}`, () => {
    assert.equal(listedIn(effectiveFilter(SYSTEM, wishes).wishes, address)?.list ?? null, list)
  })
}

test('parseFilterWish() reads what formatFilterWish() writes', () => {
  for (const one of [wish({ level: 'low' }), wish({ allow: ['a.example', "o'neil@b.example"], deny: ['c.example'] })]) {
    assert.deepEqual(parseFilterWish(formatFilterWish(one)), one)
  }
  assert.equal(formatFilterWish(NO_WISH), '')
})

test('parseFilterWish() takes nothing else', () => {
  const texts = [
    '',
    'low',
    '{"level":"all"}',
    '{"allow":["A.example"]}',
    '{"allow":["a b"]}',
    '{"deny":["@"]}',
    '{"level":null,"allow":[],"deny":[],"more":1}',
    JSON.stringify({ allow: Array.from({ length: 101 }, (_, i) => `a${i}.example`) }),
  ]
  for (const text of texts) assert.equal(parseFilterWish(text), null, text)
})

test('wishesOf() puts a group between its member and the domain', () => {
  const [own, group, domain] = [wish({ level: 'off' }), wish({ level: 'strict' }), wish({ level: 'low' })]
  assert.deepEqual(wishesOf({ own, domain }, group), [own, group, domain])
  assert.deepEqual(wishesOf({ own: null, domain }, group), [group, domain])
  assert.deepEqual(wishesOf(undefined, undefined), [])
})

const entries: [text: string, want: string | null][] = [
  ['Example.NET', 'example.net'],
  ['Ann@Bücher.example', 'ann@xn--bcher-kva.example'],
  ['@example.net', 'example.net'],
  ['a b@example.net', null],
  ['ann@', null],
  ['', null],
]
for (const [text, want] of entries) {
  test(`canonicalListed() of ${JSON.stringify(text)}`, () => assert.equal(canonicalListed(text, canonicalDomain), want))
}
