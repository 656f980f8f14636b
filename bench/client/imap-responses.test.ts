import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImapResponses } from './imap-responses.ts'

const STREAM = [
  '* OK ready\r\n',
  '* 1 FETCH (BODY[] {11}\r\na1 OK no\r\n+ FLAGS ())\r\n',
  '* 2 FETCH (BODY[HEADER] {0}\r\n BODY[TEXT] {2}\r\n{3)\r\n',
  '+ go on\r\n',
  'a1 OK [READ-WRITE] done {3\r\n',
  'a2 NO refused\r\n',
].join('')

const EXPECTED = [
  { kind: 'untagged', text: 'OK ready', literalBytes: 0 },
  { kind: 'untagged', text: '1 FETCH (BODY[] {11} FLAGS ())', literalBytes: 11 },
  { kind: 'untagged', text: '2 FETCH (BODY[HEADER] {0} BODY[TEXT] {2})', literalBytes: 2 },
  { kind: 'continuation' },
  { kind: 'tagged', tag: 'a1', status: 'OK', text: '[READ-WRITE] done {3' },
  { kind: 'tagged', tag: 'a2', status: 'NO', text: 'refused' },
]

test('ImapResponses skips literals by their length', () => {
  assert.deepEqual(new ImapResponses().push(Buffer.from(STREAM)), EXPECTED)
})

for (const size of [1, 2, 3, 7, 20]) {
  test(`ImapResponses gives the same for chunks of ${size}`, () => {
    const responses = new ImapResponses()
    const seen = []
    for (let at = 0; at < STREAM.length; at += size)
      seen.push(...responses.push(Buffer.from(STREAM.slice(at, at + size))))
    assert.deepEqual(seen, EXPECTED)
  })
}
