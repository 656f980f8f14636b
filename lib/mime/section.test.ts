import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from './scanner.ts'
import { partAt, section } from './section.ts'
import type { SectionText } from './types.ts'

const nested = Buffer.from(
  [
    'Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n',
    '--b\r\nContent-Type: text/html\r\n\r\n<p>',
    '--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nhello',
    '--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n',
    '--c\r\nX: 1\r\n\r\none',
    '--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: deep\r\n\r\ndeep text',
    '--c--',
    '--b\r\nContent-Type: multipart/alternative; boundary=d\r\n',
    '--d\r\n\r\nfour one',
    '--d--',
    '--b--\r\n',
  ].join('\r\n'),
)
const plain = Buffer.from('Subject: x\r\n\r\nhello\r\n')
const wrapped = Buffer.from(
  'Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: letter\r\n\r\ndear all\r\n',
)

type Case = [message: Buffer, path: number[], what: SectionText, expected: string | null]
const cases: Case[] = [
  [plain, [], null, 'Subject: x\r\n\r\nhello\r\n'],
  [plain, [], 'HEADER', 'Subject: x\r\n\r\n'],
  [plain, [], 'TEXT', 'hello\r\n'],
  [plain, [], 'MIME', null],
  [plain, [1], null, 'hello\r\n'],
  [plain, [1], 'MIME', 'Subject: x\r\n\r\n'],
  [plain, [1], 'HEADER', null],
  [plain, [1], 'TEXT', null],
  [plain, [1, 1], null, null],
  [plain, [2], null, null],
  [plain, [0], null, null],
  [nested, [1], null, '<p>'],
  [nested, [1], 'MIME', 'Content-Type: text/html\r\n\r\n'],
  [nested, [1], 'TEXT', null],
  [nested, [1, 1], null, null],
  [nested, [2], null, 'Subject: plain\r\n\r\nhello'],
  [nested, [2], 'MIME', 'Content-Type: message/rfc822\r\n\r\n'],
  [nested, [2], 'HEADER', 'Subject: plain\r\n\r\n'],
  [nested, [2], 'TEXT', 'hello'],
  [nested, [2, 1], null, 'hello'],
  [nested, [2, 1], 'MIME', 'Subject: plain\r\n\r\n'],
  [nested, [2, 1, 1], null, null],
  [nested, [2, 2], null, null],
  [nested, [3], 'HEADER', 'Subject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n'],
  [nested, [3, 1], null, 'one'],
  [nested, [3, 1], 'MIME', 'X: 1\r\n\r\n'],
  [nested, [3, 2], 'HEADER', 'Subject: deep\r\n\r\n'],
  [nested, [3, 2], 'TEXT', 'deep text'],
  [nested, [3, 2, 1], null, 'deep text'],
  [nested, [3, 3], null, null],
  [nested, [4], null, '--d\r\n\r\nfour one\r\n--d--'],
  [nested, [4], 'HEADER', null],
  [nested, [4, 1], null, 'four one'],
  [nested, [4, 1], 'MIME', '\r\n'],
  [nested, [5], null, null],
  [nested, [1.5], null, null],
  [nested, [-1], null, null],
  [wrapped, [1], null, 'Content-Type: message/rfc822\r\n\r\nSubject: letter\r\n\r\ndear all\r\n'],
  [wrapped, [1], 'HEADER', 'Content-Type: message/rfc822\r\n\r\n'],
  [wrapped, [1], 'TEXT', 'Subject: letter\r\n\r\ndear all\r\n'],
  [wrapped, [1, 1], null, 'Subject: letter\r\n\r\ndear all\r\n'],
  [wrapped, [1, 1], 'HEADER', 'Subject: letter\r\n\r\n'],
  [wrapped, [1, 1], 'TEXT', 'dear all\r\n'],
  [wrapped, [1, 1, 1], null, 'dear all\r\n'],
  [wrapped, [1, 1, 1, 1], null, null],
]

const names = new Map<Buffer, string>([
  [plain, 'a plain letter'],
  [nested, 'a nested letter'],
  [wrapped, 'a letter in a letter'],
])
for (const [message, path, what, expected] of cases) {
  const specifier = [...path, ...(what === null ? [] : [what])].join('.')
  test(`section() finds BODY[${specifier}] of ${names.get(message)}`, () => {
    const range = section(parseMessage(message), path, what)
    assert.equal(range === null ? null : message.toString('latin1', range.start, range.end), expected)
  })
}

test('partAt() of an empty path is no part', () => assert.equal(partAt(parseMessage(plain), []), null))
