import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageScanner, parseMessage } from './scanner.ts'
import type { MimePart } from './types.ts'

/** A letter as written here has LF; on the wire it has CRLF. */
const crlf = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')

/** `type/subtype lines "body"` per leaf, containers with what they contain. */
function outline(part: MimePart, bytes: Buffer): unknown {
  const name = `${part.type}/${part.subtype}`
  if (part.kind === 'multipart') return { [name]: part.parts.map((child) => outline(child, bytes)) }
  if (part.kind === 'message') return { [name]: [part.message.envelope.subject, outline(part.message.root, bytes)] }
  return `${name} ${part.lines} ${JSON.stringify(bytes.toString('latin1', part.headerEnd, part.bodyEnd)).replaceAll('\\r\\n', '|')}`
}

const mixed = 'Content-Type: multipart/mixed; boundary=b\n\n'

const shapes: [name: string, message: string, expected: unknown][] = [
  ['reads a plain letter', 'Subject: x\n\nhello\n', 'text/plain 1 "hello|"'],
  ['counts a last line without a line end', 'Subject: x\n\nhello\nthere', 'text/plain 2 "hello|there"'],
  ['reads an empty message', '', 'text/plain 0 ""'],
  ['reads a message of one line end', '\n', 'text/plain 0 ""'],
  ['reads a header without a body', 'Subject: x\n', 'text/plain 0 ""'],
  ['reads a header that is cut off', 'Subject: x', 'text/plain 0 ""'],
  ['reads a body without a header', '\nhello\n', 'text/plain 1 "hello|"'],
  [
    'keeps the text of a letter without any header',
    'hello there\nsecond: line\n',
    'text/plain 2 "hello there|second: line|"',
  ],
  [
    'begins the body at the first line that is no field',
    'Subject: x\nhello\n\nthere\n',
    'text/plain 3 "hello||there|"',
  ],
  ['takes an mbox line for a part of the header', 'From a@b Fri 17:06\nSubject: x\n\nhello\n', 'text/plain 1 "hello|"'],
  ['takes a line of spaces for a folded one', 'Subject: x\n \nTo: y\n\nhello\n', 'text/plain 1 "hello|"'],
  ['accepts spaces before the colon of a field', 'Subject : x\n\nhello\n', 'text/plain 1 "hello|"'],
  [
    'gives the line end before a boundary to the boundary',
    `${mixed}--b\n\none\n--b\n\ntwo\n\n--b--\n`,
    { 'multipart/mixed': ['text/plain 1 "one"', 'text/plain 1 "two|"'] },
  ],
  [
    'leaves preamble and epilogue outside of all parts',
    `${mixed}--x\n-b\npreamble\n--b\n\none\n--b--\n--b\nepilogue\n`,
    { 'multipart/mixed': ['text/plain 1 "one"'] },
  ],
  [
    'reads nested multiparts and what follows them',
    `${mixed}--b\nContent-Type: multipart/alternative; boundary="c d"\n\n--c d\n\none\n--c d\nContent-Type: text/html\n\n<p>\n--c d--\n\n--b\n\nlast\n--b--\n`,
    {
      'multipart/mixed': [
        { 'multipart/alternative': ['text/plain 1 "one"', 'text/html 1 "<p>"'] },
        'text/plain 1 "last"',
      ],
    },
  ],
  [
    'ends inner parts at an outer boundary when theirs is missing',
    `${mixed}--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\nlast\n--b--\n`,
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain 1 "one"'] }, 'text/plain 1 "last"'] },
  ],
  [
    'ends a part at the end of a truncated multipart',
    `${mixed}--b\n\none\n`,
    { 'multipart/mixed': ['text/plain 1 "one|"'] },
  ],
  [
    'reads a part that is cut off in its header',
    `${mixed}--b\nContent-Type: text/html\n`,
    { 'multipart/mixed': ['text/html 0 ""'] },
  ],
  ['reads a message that ends at a boundary', `${mixed}--b`, { 'multipart/mixed': ['text/plain 0 ""'] }],
  [
    'reads a part whose header meets the boundary',
    `${mixed}--b\nContent-Type: text/html\n--b\n\n\n--b\n\n--b--\n`,
    { 'multipart/mixed': ['text/html 0 ""', 'text/plain 0 ""', 'text/plain 0 ""'] },
  ],
  [
    'takes the longer of two boundaries that begin alike, outside',
    'Content-Type: multipart/mixed; boundary=bb\n\n--bb\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--bb\n\ntwo\n--bb--\n',
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain 1 "one"'] }, 'text/plain 1 "two"'] },
  ],
  [
    'takes the longer of two boundaries that begin alike, inside',
    `${mixed}--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n`,
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain 1 "one"'] }, 'text/plain 1 "two"'] },
  ],
  [
    'tells a boundary that ends with hyphens from the last one of another',
    'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b--\n\n--b--\n\none\n--b----\n--b\n\ntwo\n--b--\n',
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain 1 "one"'] }, 'text/plain 1 "two"'] },
  ],
  [
    'gives a boundary used twice to the inner multipart until its end',
    `${mixed}--b\n${mixed}--b\n\none\n--b--\n--b\n\ntwo\n--b--\n`,
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain 1 "one"'] }, 'text/plain 1 "two"'] },
  ],
  [
    'ignores padding after a boundary',
    `${mixed}--b \t\n\none\n--b-- \n`,
    { 'multipart/mixed': ['text/plain 1 "one"'] },
  ],
  [
    'ignores a boundary within a line',
    `${mixed}--b\n\nx --b\n--bx\n--b-\n--b--x\n`,
    { 'multipart/mixed': ['text/plain 4 "x --b|--bx|--b-|--b--x|"'] },
  ],
  [
    'shows a multipart without a boundary as text',
    'Content-Type: multipart/mixed\n\n--b\n\none\n',
    'text/plain 3 "--b||one|"',
  ],
  [
    'shows a multipart with an empty boundary as text',
    'Content-Type: multipart/mixed; boundary=""\n\n--\n',
    'text/plain 1 "--|"',
  ],
  ['shows a multipart whose boundary never comes as text', `${mixed}hello\n`, 'text/plain 1 "hello|"'],
  [
    'reads a boundary that is folded in quotes',
    'Content-Type: multipart/mixed; boundary="east\n\twest"\n\n--east\twest\n\none\n--east\twest--\n',
    { 'multipart/mixed': ['text/plain 1 "one"'] },
  ],
  [
    'reads a boundary in pieces (RFC 2231)',
    'Content-Type: multipart/mixed; boundary*0=f; boundary*1=oo\n\n--foo\n\none\n--foo--\n',
    { 'multipart/mixed': ['text/plain 1 "one"'] },
  ],
  [
    'reads an embedded message with its envelope',
    `${mixed}--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nhello\n--b--\n`,
    { 'multipart/mixed': [{ 'message/rfc822': ['inner', 'text/plain 1 "hello"'] }] },
  ],
  [
    'reads messages in messages',
    'Content-Type: message/rfc822\n\nSubject: one\nContent-Type: message/global\n\nSubject: two\n\nhello\n',
    { 'message/rfc822': ['one', { 'message/global': ['two', 'text/plain 1 "hello|"'] }] },
  ],
  [
    'reads an embedded message that is not there',
    'Content-Type: message/rfc822\n\n',
    { 'message/rfc822': [null, 'text/plain 0 ""'] },
  ],
  [
    'reads an embedded message without a header',
    'Content-Type: message/rfc822\n\nhello\n',
    { 'message/rfc822': [null, 'text/plain 1 "hello|"'] },
  ],
  [
    'reads an embedded message right after a header without a blank line',
    `${mixed}--b\nContent-Type: message/rfc822\n--b--\n`,
    { 'multipart/mixed': [{ 'message/rfc822': [null, 'text/plain 0 ""'] }] },
  ],
  [
    'ends an inner multipart at an outer boundary that meets the header of its part',
    `${mixed}--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/html\n--b--\n`,
    { 'multipart/mixed': [{ 'multipart/mixed': ['text/html 0 ""'] }] },
  ],
  [
    'takes the parts of a digest for messages',
    'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: m1\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n',
    { 'multipart/digest': [{ 'message/rfc822': ['m1', 'text/plain 1 "one"'] }, 'text/plain 1 "two"'] },
  ],
  [
    'leaves message/delivery-status closed',
    'Content-Type: message/delivery-status\n\nA: b\n',
    'message/delivery-status 1 "A: b|"',
  ],
  ['takes an unreadable type for text', 'Content-Type: nonsense\n\nhello\n', 'text/plain 1 "hello|"'],
  [
    'passes over NULs and 8-bit bytes',
    `${mixed}--b\n\n\0\xff\n\0--b\n--b--\n`,
    { 'multipart/mixed': [`text/plain 2 "\\u0000\xff|\\u0000--b"`] },
  ],
]

for (const [name, message, expected] of shapes) {
  test(`parseMessage() ${name}`, () => {
    const bytes = crlf(message)
    const { root } = parseMessage(bytes)
    assert.deepEqual(outline(root, bytes), expected)
    assertNested(root, 0, bytes.length)
  })
}

function assertNested(part: MimePart, from: number, to: number): void {
  const { headerStart, headerEnd, bodyEnd } = part
  assert.ok(from <= headerStart && headerStart <= headerEnd && headerEnd <= bodyEnd && bodyEnd <= to)
  const children = part.kind === 'multipart' ? part.parts : part.kind === 'message' ? [part.message.root] : []
  for (const child of children) assertNested(child, headerEnd, bodyEnd)
}

test('parseMessage() reads the same shapes with bare LF', () => {
  for (const [name, message, expected] of shapes) {
    const bytes = Buffer.from(message, 'latin1')
    const seen = JSON.stringify(outline(parseMessage(bytes).root, bytes))
    assert.equal(seen.replaceAll('\\\\n', '|'), JSON.stringify(expected), name)
  }
})

test('MessageScanner reads the same shapes in small chunks', () => {
  for (const [name, message] of shapes) {
    const bytes = crlf(message)
    for (const size of [1, 2, 3, 7]) {
      const scanner = new MessageScanner()
      for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size))
      assert.deepEqual(scanner.finish(), parseMessage(bytes), `${name}, ${size} bytes at a time`)
    }
  }
})

test('parseMessage() reads mixed line ends: a boundary takes just its own', () => {
  const bytes = Buffer.from(`${mixed}--b\r\n\none\r\n\n--b\n\r\ntwo\n\r\n--b--\n`)
  const { root } = parseMessage(bytes)
  assert.equal(root.kind, 'multipart')
  const bodies =
    root.kind === 'multipart' ? root.parts.map((part) => bytes.toString('latin1', part.headerEnd, part.bodyEnd)) : []
  assert.deepEqual(bodies, ['one\r\n', 'two\n'])
})

test('parseMessage() does not take a bare CR for a line end', () => {
  const bytes = Buffer.from('Subject: x\r\rTo: y\r\n\r\na\rb\r\n')
  const { envelope, root } = parseMessage(bytes)
  assert.equal(envelope.subject, 'x  To: y')
  assert.equal(root.lines, 1)
})

test('parseMessage() gives offsets of header, body and lines at every level', () => {
  const bytes = crlf(
    `Subject: outer\n${mixed}--b\nContent-Type: message/rfc822\n\nSubject: in\n\none\ntwo\n\n--b--\nend\n`,
  )
  const { root } = parseMessage(bytes)
  const at = (text: string) => bytes.indexOf(text.replaceAll('\n', '\r\n'))
  assert.deepEqual([root.headerStart, root.headerEnd, root.bodyEnd, root.lines], [0, at('--b\n'), bytes.length, 10])
  assert.ok(root.kind === 'multipart')
  const [part] = root.parts
  assert.ok(part?.kind === 'message')
  const bodyEnd = at('\n--b--')
  assert.deepEqual(
    [part.headerStart, part.headerEnd, part.bodyEnd, part.lines],
    [at('Content-Type: message'), at('Subject: in'), bodyEnd, 4],
  )
  const inner = part.message.root
  assert.deepEqual(
    [inner.headerStart, inner.headerEnd, inner.bodyEnd, inner.lines],
    [at('Subject: in'), at('one'), bodyEnd, 2],
  )
})

test('parseMessage() reads all Content fields of a part', () => {
  const { root } = parseMessage(
    crlf(`Content-Type: Text/HTML; Charset="utf-8" (comment); format=flowed
Content-ID: <id@x>
Content-Description: =?utf-8?Q?a?= b
Content-Transfer-Encoding: BASE64 (why)
Content-MD5: Q2hlY2s=
Content-Disposition: Attachment; filename*=utf-8''%e2%82%ac
Content-Language: en, zh (x)
Content-Location: http://x/y

`),
  )
  assert.deepEqual(root, {
    kind: 'leaf',
    headerStart: 0,
    headerEnd: root.headerEnd,
    bodyEnd: root.headerEnd,
    lines: 0,
    type: 'text',
    subtype: 'html',
    params: [
      { name: 'charset', value: 'utf-8', wireName: 'charset', wireValue: 'utf-8' },
      { name: 'format', value: 'flowed', wireName: 'format', wireValue: 'flowed' },
    ],
    id: '<id@x>',
    description: '=?utf-8?Q?a?= b',
    encoding: 'base64',
    md5: 'Q2hlY2s=',
    disposition: {
      type: 'attachment',
      params: [{ name: 'filename', value: '€', wireName: 'filename*', wireValue: "utf-8''%e2%82%ac" }],
    },
    language: ['en', 'zh'],
    location: 'http://x/y',
  })
})
