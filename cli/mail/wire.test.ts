import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imapDate, parseImapDate } from './mailbox-client.ts'
import { type Token, WireReader } from './wire.ts'

async function lines(bytes: string, size: number): Promise<unknown[]> {
  async function* chunks(): AsyncGenerator<Buffer> {
    const all = Buffer.from(bytes)
    for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
  }
  const reader = new WireReader(chunks(), Buffer.alloc(0))
  const found: unknown[] = []
  try {
    for (;;) found.push((await reader.next()).map(shown))
  } catch (error) {
    assert.match(String(error), /the session ended/)
    return found
  }
}

function shown(token: Token): unknown {
  if (Buffer.isBuffer(token)) return { bytes: token.toString() }
  return typeof token === 'string' ? token : token.map(shown)
}

const responses: [name: string, bytes: string, want: unknown[]][] = [
  [
    'a status with words that look like syntax',
    'a1 NO [TOOBIG] it\'s (too "big\r\n',
    ['a1', 'NO', '[TOOBIG] it\'s (too "big'],
  ],
  [
    'a list',
    '* LIST (\\HasNoChildren \\Sent) "/" "A \\"b\\""\r\n',
    ['*', 'LIST', ['\\HasNoChildren', '\\Sent'], { bytes: '/' }, { bytes: 'A "b"' }],
  ],
  [
    'a literal in a list',
    '* 1 FETCH (UID 7 BODY[] {7}\r\na)\r\n"({ FLAGS ())\r\n',
    ['*', '1', 'FETCH', ['UID', '7', 'BODY[]', { bytes: 'a)\r\n"({' }, 'FLAGS', []]],
  ],
  [
    'an atom with a list in its brackets',
    '* 1 FETCH (BODY[HEADER.FIELDS (TO)]<0> {0}\r\n)\r\n',
    ['*', '1', 'FETCH', ['BODY[HEADER.FIELDS (TO)]<0>', { bytes: '' }]],
  ],
]
for (const [name, bytes, want] of responses)
  test(`WireReader reads ${name}, however it is cut`, async () => {
    for (const size of [1, 3, 1000]) assert.deepEqual(await lines(bytes + bytes, size), [want, want])
  })

test('WireReader refuses a list that never ends', async () => {
  await assert.rejects(lines('* LIST (a\r\n', 100), /never ends|session ended/)
})

test('imapDate() and parseImapDate() agree, in whatever zone', () => {
  const date = new Date('2026-02-05T04:05:06Z')
  assert.equal(imapDate(date), '"05-Feb-2026 04:05:06 +0000"')
  assert.equal(parseImapDate('05-Feb-2026 04:05:06 +0000').getTime(), date.getTime())
  assert.equal(parseImapDate(' 5-Feb-2026 06:35:06 +0230').getTime(), date.getTime())
})
