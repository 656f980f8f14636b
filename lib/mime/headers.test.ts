import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findHeaderEnd, Headers } from './headers.ts'

const block = [
  'Received: from a\r\n\tby b;\r\n Tue, 24 Nov 2026 07:52:43 +0000\r\n',
  'SUBJECT: one\r\n two \r\n',
  'From : x@y\r\n',
  'subject:second\r\n',
  'X-Empty:\r\n',
  '\r\n',
].join('')
const headers = new Headers(Buffer.from(block))

test('Headers gives fields in order, as spelled', () => {
  assert.deepEqual(
    headers.fields.map((field) => field.name),
    ['Received', 'SUBJECT', 'From', 'subject', 'X-Empty'],
  )
})

test('Headers.first() unfolds the first field of a name in any case', () => {
  assert.equal(headers.first('Subject'), 'one two')
  assert.equal(headers.first('received'), 'from a\tby b; Tue, 24 Nov 2026 07:52:43 +0000')
  assert.equal(headers.first('from'), 'x@y')
  assert.equal(headers.first('x-empty'), '')
  assert.equal(headers.first('to'), null)
})

test('Headers.all() gives every field of a name', () => {
  assert.deepEqual(headers.all('subject'), ['one two', 'second'])
})

test('Headers.pick() gives the exact bytes in the order of the message, with the blank line', () => {
  assert.equal(
    headers.pick(['SUBJECT', 'Received', 'To']).toString(),
    'Received: from a\r\n\tby b;\r\n Tue, 24 Nov 2026 07:52:43 +0000\r\nSUBJECT: one\r\n two \r\nsubject:second\r\n\r\n',
  )
  assert.equal(headers.pick([]).toString(), '\r\n')
})

test('Headers.omit() gives the exact bytes of all others, with the blank line', () => {
  assert.equal(headers.omit(['subject', 'received']).toString(), 'From : x@y\r\nX-Empty:\r\n\r\n')
  assert.equal(headers.omit([]).toString(), block)
})

test('Headers adds no blank line to a block without one', () => {
  assert.equal(new Headers(Buffer.from('A: 1\r\nB: 2')).pick(['b']).toString(), 'B: 2')
})

test('Headers ends at the first blank line', () => {
  assert.equal(new Headers(Buffer.from('A: 1\n\nB: 2\n')).first('b'), null)
})

test('Headers.value() reads raw UTF-8 and falls back to windows-1252', () => {
  const raw = new Headers(
    Buffer.concat([Buffer.from('A: 日本 "x"\r\nB: '), Buffer.from([0x66, 0xfc, 0x72]), Buffer.from('\r\n\r\n')]),
  )
  assert.equal(raw.first('a'), '日本 "x"')
  assert.equal(raw.first('b'), 'für')
})

test('Headers.value() reads raw text in the charset of the block where it is not UTF-8', () => {
  const bytes = Buffer.from(
    'Subject: \xd6\xd0\r\nContent-Type: text/plain;\r\n\tcharset="gb2312"\r\nX: \r\n\r\n',
    'latin1',
  )
  assert.equal(new Headers(bytes).first('subject'), '中')
})

test('Headers.value() holds no CR, LF or NUL', () => {
  assert.equal(new Headers(Buffer.from('A: a\rb\0c\r\n\r\n')).first('a'), 'a b c')
})

test('Headers keeps a line that is no field under no name', () => {
  const mbox = new Headers(Buffer.from('From a@b Fri 17:06\r\nA: 1\r\n\r\n'))
  assert.deepEqual(mbox.all('from'), [])
  assert.equal(mbox.omit(['a', '']).toString(), 'From a@b Fri 17:06\r\n\r\n')
})

test('Headers loses no byte: pick and omit of the same names are the whole block', () => {
  const line = fc.constantFrom('A: 1', 'b:2', ' folded', '\t', 'no field', ': x', 'C\xff: y', 'A : z', '\r', '')
  const blocks = fc
    .array(fc.tuple(line, fc.constantFrom('\r\n', '\n', '')))
    .map((lines) => Buffer.from(lines.flat().join(''), 'latin1'))
  fc.assert(
    fc.property(blocks, (bytes) => {
      const parsed = new Headers(bytes)
      const fields = parsed.fields.map((field) => parsed.raw(field))
      const blank = parsed.pick([])
      assert.deepEqual(Buffer.concat([...fields, blank]), bytes)
      assert.equal(parsed.pick(['a']).length + parsed.omit(['a']).length - blank.length, bytes.length)
    }),
  )
})

const ends: [name: string, bytes: string, whole: boolean, expected: number | null][] = [
  ['after the blank line', 'A: 1\r\n\r\nB', false, 8],
  ['after a blank line of LF', 'A: 1\n\nB', false, 6],
  ['before a line that is no field', 'A: 1\r\nhello\r\n', false, 6],
  ['at the end of a message without a body', 'A: 1\r\n', true, 6],
  ['nowhere yet', 'A: 1\r\n', false, null],
  ['nowhere yet, within a line', 'A: 1\r\nhel', false, null],
  ['at the beginning of a message without a header', 'hello', true, 0],
  ['after a folded field of a long line', `A: ${'x'.repeat(2000)}\r\n y\r\n\r\n`, true, 2011],
]
for (const [name, bytes, whole, expected] of ends) {
  test(`findHeaderEnd() finds it ${name}`, () => assert.equal(findHeaderEnd(Buffer.from(bytes), whole), expected))
}
