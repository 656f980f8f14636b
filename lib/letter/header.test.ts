import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerBlocks, receivedField, returnPathField, type TransportFacts } from './header-block.ts'
import { countHops, headerSection } from './header-section.ts'
import { submissionEdit } from './submission.ts'

const facts: TransportFacts = {
  protocol: 'ESMTPS',
  helo: 'mail.example.net',
  clientAddress: '192.0.2.7',
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
  serverName: 'mx.example.test',
  traceId: 'abcdefghijklmnop',
  nowMs: Date.UTC(2026, 10, 24, 7, 52, 43),
}
const DATE = 'Tue, 24 Nov 2026 07:52:43 +0000'

test('headerBlocks() writes Return-Path, Delivered-To and Received for a single recipient', () => {
  const [block] = headerBlocks(facts, 'ben@example.net', ['anna@example.test'])
  assert.equal(
    block?.toString(),
    'Return-Path: <ben@example.net>\r\n' +
      'Delivered-To: anna@example.test\r\n' +
      'Received: from mail.example.net ([192.0.2.7])\r\n' +
      '\tby mx.example.test (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n' +
      '\twith ESMTPS id abcdefghijklmnop for <anna@example.test>;\r\n' +
      `\t${DATE}\r\n`,
  )
})

test('headerBlocks() names no recipient in Received when there are several', () => {
  const blocks = headerBlocks(facts, '', ['anna@example.test', 'carl@example.test']).map(String)
  assert.deepEqual(
    blocks.map((block) => /^Delivered-To: (.*)\r$/m.exec(block)?.[1]),
    ['anna@example.test', 'carl@example.test'],
  )
  for (const block of blocks) {
    assert.match(block, /^Return-Path: <>\r\n/)
    assert.doesNotMatch(block, / for </)
  }
})

const fromClauses: [name: string, change: Partial<TransportFacts>, want: RegExp][] = [
  [
    'tags an IPv6 address',
    { clientAddress: '2001:db8::1' },
    /^Received: from mail\.example\.net \(\[IPv6:2001:db8::1\]\)/,
  ],
  ['keeps an address literal as HELO name', { helo: '[192.0.2.7]' }, /^Received: from \[192\.0\.2\.7\] \(/],
  ['replaces a HELO name that would open a comment', { helo: 'a(b' }, /^Received: from unknown \(\[/],
  ['replaces a HELO name with a line break', { helo: 'a\r\nX: b' }, /^Received: from unknown \(\[/],
  [
    'withholds the address of a user',
    { clientAddress: null },
    /^Received: from submission \(client address withheld\)/,
  ],
  ['leaves TLS out without TLS', { tls: null, protocol: 'SMTP' }, /by mx\.example\.test\r\n\twith SMTP id/],
]
for (const [name, change, want] of fromClauses) {
  test(`receivedField() ${name}`, () => assert.match(receivedField({ ...facts, ...change }, null), want))
}

test('returnPathField() does not repeat a path that could end the line', () => {
  assert.equal(returnPathField('a\r\nb@example.net'), 'Return-Path: <>\r\n')
})

const sections: [name: string, pieces: string[], want: string][] = [
  ['ends at the empty line', ['A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n'], 'A: 1\r\nB: 2\r\n'],
  ['goes over borders', ['A: 1\r', '\n\r', '\nbody'], 'A: 1\r\n'],
  ['is empty when the letter begins with an empty line', ['\r\nbody'], ''],
  ['is empty over a border too', ['\r', '\nbody\r\n\r\n'], ''],
  ['is all of a letter without an empty line', ['A: 1\r\n'], 'A: 1\r\n'],
  ['is empty for no bytes', [], ''],
]
for (const [name, pieces, want] of sections) {
  test(`headerSection() ${name}`, () => assert.equal(headerSection(pieces.map((piece) => Buffer.from(piece))), want))
}

test('headerSection() looks at a bounded part of an endless header', () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  assert.equal(headerSection(Array.from({ length: 40 }, () => piece)).length, 256 * 1024)
})

test('countHops() counts fields of this name only, in any case', () => {
  assert.equal(countHops('Received: a\r\n\tb\r\nRECEIVED : c\r\nX-Received: d\r\nSubject: received:\r\n'), 2)
})

const edits: [name: string, header: string, want: string | null][] = [
  ['adds nothing to a whole header', 'From: a\r\nDate: d\r\nMessage-ID: <m>\r\n', ''],
  ['adds Date', 'From: a\r\nmessage-id: <m>\r\n', `Date: ${DATE}\r\n`],
  ['adds Message-ID', 'Date: d\r\nfrom : a\r\n', 'Message-ID: <id@mx.example.test>\r\n'],
  [
    'is not deceived by Resent fields',
    'From: a\r\nDate: d\r\nResent-Message-ID: <m>\r\n',
    'Message-ID: <id@mx.example.test>\r\n',
  ],
  ['refuses a letter without From', 'Date: d\r\n', null],
  ['refuses a letter without fields', 'Hello,\r\nFrom: a\r\n', null],
  ['refuses an empty header', '', null],
]
for (const [name, header, want] of edits) {
  test(`submissionEdit() ${name}`, () => {
    const edit = submissionEdit(header, facts.nowMs, 'id', 'mx.example.test')
    assert.equal(edit.kind === 'prefix' ? edit.bytes.toString() : null, want)
  })
}
