import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FilterParser } from 'ldapts'
import { and, dn, endsWith, equals, escapeDnValue, escapeFilterValue, not, or, parseDn } from './names.ts'

// RFC 4514 section 4, and what an attacker would like to write.
const dnValues: [value: string, want: string][] = [
  ['James "Jim" Smith, III', 'James \\22Jim\\22 Smith\\2c III'],
  ['Before\rAfter', 'Before\\0dAfter'],
  ['#leading', '\\23leading'],
  [' both ', '\\20both\\20'],
  ['in # side', 'in # side'],
  ['a+b;c<d>e=f\\g', 'a\\2bb\\3bc\\3cd\\3ee\\3df\\5cg'],
  ['x,ou=people,o=twinpost', 'x\\2cou\\3dpeople\\2co\\3dtwinpost'],
  ['nul\0', 'nul\\00'],
  ['Lučić', 'Lučić'],
]
for (const [value, want] of dnValues)
  test(`escapeDnValue() of ${JSON.stringify(value)}`, () => assert.equal(escapeDnValue(value), want))

// RFC 4515 section 4.
const filterValues: [value: string, want: string][] = [
  ['Parens R Us (for all your parenthetical needs)', 'Parens R Us \\28for all your parenthetical needs\\29'],
  ['*', '\\2a'],
  ['C:\\MyFile', 'C:\\5cMyFile'],
  ['nul\0', 'nul\\00'],
  ['*)(objectClass=*', '\\2a\\29\\28objectClass=\\2a'],
]
for (const [value, want] of filterValues)
  test(`escapeFilterValue() of ${JSON.stringify(value)}`, () => assert.equal(escapeFilterValue(value), want))

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })

test('parseDn() reads back every value that dn() wrote, as one value', () => {
  fc.assert(
    fc.property(text, (value) => {
      assert.deepEqual(parseDn(dn([['mail', value]], 'ou=people,o=twinpost')), [
        { type: 'mail', value },
        { type: 'ou', value: 'people' },
        { type: 'o', value: 'twinpost' },
      ])
    }),
  )
})

test('equals() stays one equality with its value, whatever the value is', () => {
  fc.assert(
    fc.property(
      text.filter((value) => /^[\0-\x7f]+$/.test(value)), // the parser used here knows no UTF-8 pairs
      (value) => {
        const filter = FilterParser.parseString(and(equals('a', 'b'), equals('mail', value)))
        assert.deepEqual(JSON.parse(JSON.stringify(filter)), {
          type: 0xa0,
          filters: [
            { type: 0xa3, attribute: 'a', value: 'b' },
            { type: 0xa3, attribute: 'mail', value },
          ],
        })
      },
    ),
  )
})

test('and(), or(), not(), endsWith() build filters', () => {
  assert.equal(
    and(or(equals('a', '1'), equals('b', '2')), not(endsWith('mail', '*@x'))),
    '(&(|(a=1)(b=2))(!(mail=*\\2a@x)))',
  )
})

const broken = [
  'no equals',
  '=value',
  'cn=',
  'cn=a+sn=b',
  'cn="a"',
  'cn=#04024869',
  'cn=a\\',
  'cn=a\\zz',
  'cn=\\ff',
  '1a=b',
  'cn=a,,o=b',
]
for (const name of broken) test(`parseDn() refuses ${JSON.stringify(name)}`, () => assert.equal(parseDn(name), null))

test('parseDn() ignores blanks around names and values, and the case of types', () => {
  assert.deepEqual(parseDn(' CN = a b\\20 , O=x'), [
    { type: 'cn', value: 'a b ' },
    { type: 'o', value: 'x' },
  ])
})
