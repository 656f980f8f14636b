import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAddressList } from './address.ts'

type Short = [name: string | null, adl: string | null, mailbox: string | null, host: string | null]

const cases: [name: string, value: string, expected: Short[]][] = [
  ['reads a bare address', 'a@b.c', [[null, null, 'a', 'b.c']]],
  [
    'reads a name and an address',
    'Joe Q. Public <john.q.public@example.com>',
    [['Joe Q. Public', null, 'john.q.public', 'example.com']],
  ],
  ['undoes quotes of a name', '"Giant; \\"Big\\" Box" <a@b>', [['Giant; "Big" Box', null, 'a', 'b']]],
  [
    'undoes quotes of a local part',
    '"a b"@c, "x@y"@z',
    [
      [null, null, 'a b', 'c'],
      [null, null, 'x@y', 'z'],
    ],
  ],
  ['joins a name of words and quotes', 'A "b c" d <a@b>', [['A b c d', null, 'a', 'b']]],
  [
    'leaves encoded words, also with specials in them',
    '=?utf-8?Q?Doe,_J@x?= =?utf-8?B?4oKs?= <a@b>',
    [['=?utf-8?Q?Doe,_J@x?= =?utf-8?B?4oKs?=', null, 'a', 'b']],
  ],
  ['takes a comment for the name', 'a@b (Real Name)', [['Real Name', null, 'a', 'b']]],
  ['prefers a name to a comment', 'Name (comment) <a@b> (other)', [['Name', null, 'a', 'b']]],
  ['reads comments within comments', 'a@b (x (y\\) z) w)', [['x (y) z) w', null, 'a', 'b']]],
  ['ignores comments and spaces around the parts (obsolete)', ' a . b (c) @ (d) e . f ', [['c', null, 'a.b', 'e.f']]],
  ['reads a route (obsolete)', '<@r1,@r2:a@b>', [[null, '@r1,@r2', 'a', 'b']]],
  [
    'reads a domain literal',
    'a@[192.0.2.1], <b@[IPv6:::1]>',
    [
      [null, null, 'a', '[192.0.2.1]'],
      [null, null, 'b', '[IPv6:::1]'],
    ],
  ],
  [
    'marks groups',
    'Ops: anna@east.test, Bo <bo@west.test>;, Dev: cy@east.test;',
    [
      [null, null, 'Ops', null],
      [null, null, 'anna', 'east.test'],
      ['Bo', null, 'bo', 'west.test'],
      [null, null, null, null],
      [null, null, 'Dev', null],
      [null, null, 'cy', 'east.test'],
      [null, null, null, null],
    ],
  ],
  [
    'reads an empty group',
    'undisclosed-recipients:;',
    [
      [null, null, 'undisclosed-recipients', null],
      [null, null, null, null],
    ],
  ],
  [
    'ends a group that is not ended',
    '"A b": c@d',
    [
      [null, null, 'A b', null],
      [null, null, 'c', 'd'],
      [null, null, null, null],
    ],
  ],
  ['passes over empty entries', ' , ,a@b,,', [[null, null, 'a', 'b']]],
  ['gives nothing for nothing', ' ', []],
  [
    'gives an empty host to an address without one',
    'root, Name <root>',
    [
      [null, null, 'root', ''],
      ['Name', null, 'root', ''],
    ],
  ],
  ['reads an empty path', 'Name <>', [['Name', null, '', '']]],
  [
    'takes semicolons for commas outside of groups',
    'a@b; c@d',
    [
      [null, null, 'a', 'b'],
      [null, null, 'c', 'd'],
    ],
  ],
  [
    'recovers from a missing bracket',
    'X <a@b, Y <c@d>',
    [
      ['X', null, 'a', 'b'],
      ['Y', null, 'c', 'd'],
    ],
  ],
  [
    'recovers from a missing comma',
    'X <a@b> Y <c@d>',
    [
      ['X', null, 'a', 'b'],
      ['Y', null, 'c', 'd'],
    ],
  ],
  ['recovers from an open quote', '"John <a@b>', [['"John', null, 'a', 'b']]],
  ['recovers from an open comment', '(John <a@b>', [['(John', null, 'a', 'b']]],
  ['takes stray words for the name', 'John Smith a@b', [['John Smith', null, 'a', 'b']]],
  ['takes the last of several at signs', 'a@b@c', [[null, null, 'a@b', 'c']]],
  ['reads 8-bit names', '张三 <zhang@例子.测试>', [['张三', null, 'zhang', '例子.测试']]],
]

for (const [name, value, expected] of cases) {
  test(`parseAddressList() ${name}`, () => {
    const seen = parseAddressList(value).map((a): Short => [a.name, a.adl, a.mailbox, a.host])
    assert.deepEqual(seen, expected)
  })
}

test('parseAddressList() balances groups and gives every address a mailbox and a host, whatever comes', () => {
  const piece = fc.constantFrom(
    'a',
    '@',
    ',',
    ';',
    ':',
    '<',
    '>',
    '"',
    '\\',
    '(',
    ')',
    '[',
    ']',
    '.',
    ' ',
    '=?x?q?',
    '?=',
    '\u20ac',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60, size: 'max' }), (pieces) => {
      let open = 0
      for (const address of parseAddressList(pieces.join(''))) {
        if (address.host !== null) assert.ok(address.mailbox !== null)
        else open += address.mailbox === null ? -1 : 1
        assert.ok(open === 0 || open === 1)
      }
      assert.equal(open, 0)
    }),
  )
})

test('parseAddressList() reads back what was written', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9]{1,8}$/)
  const entry = fc.record({ name: fc.array(word, { minLength: 1, maxLength: 3 }), mailbox: word, host: fc.domain() })
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const text = entries.map(({ name, mailbox, host }) => `${name.join(' ')} <${mailbox}@${host}>`).join(', ')
      const expected = entries.map(({ name, mailbox, host }) => ({ name: name.join(' '), adl: null, mailbox, host }))
      assert.deepEqual(parseAddressList(text), expected)
    }),
  )
})
