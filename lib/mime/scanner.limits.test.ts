import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_BYTES_MAX, ITEMS_MAX, NESTING_MAX, PARTS_MAX } from './limits.ts'
import { MessageScanner, parseMessage } from './scanner.ts'
import type { MimePart } from './types.ts'

function depthOf(root: MimePart): { depth: number; leaf: MimePart } {
  let depth = 0
  let part = root
  while (part.kind !== 'leaf') {
    const child = part.kind === 'message' ? part.message.root : part.parts[0]
    assert.ok(child !== undefined)
    part = child
    depth++
  }
  return { depth, leaf: part }
}

function nest(levels: number, level: (n: number) => string): Buffer {
  let text = ''
  for (let n = 0; n < levels; n++) text += level(n)
  return Buffer.from(text)
}

const multipart = (n: number) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`
const embedded = () => 'Content-Type: message/rfc822\r\n\r\n'

for (const [what, level] of [
  ['multiparts', multipart],
  ['embedded messages', embedded],
] as const) {
  test(`parseMessage() shows what lies in 100,000 nested ${what} as one opaque part`, () => {
    const message = nest(100_000, level)
    const { root } = parseMessage(message)
    const { depth, leaf } = depthOf(root)
    assert.equal(depth, NESTING_MAX)
    assert.deepEqual([leaf.type, leaf.subtype, leaf.bodyEnd], ['application', 'octet-stream', message.length])
  })
}

test(`parseMessage() opens ${NESTING_MAX} levels`, () => {
  const { depth, leaf } = depthOf(
    parseMessage(Buffer.concat([nest(NESTING_MAX, multipart), Buffer.from('\r\nhi')])).root,
  )
  assert.deepEqual([depth, leaf.type, leaf.subtype], [NESTING_MAX, 'text', 'plain'])
})

test(`parseMessage() gives all after ${PARTS_MAX} parts to the last one`, () => {
  const message = Buffer.from(
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(PARTS_MAX + 1000)}--b--\r\n`,
  )
  const { root } = parseMessage(message)
  assert.ok(root.kind === 'multipart')
  assert.equal(root.parts.length, PARTS_MAX - 1) // the message itself is one
  assert.equal(root.parts.at(-1)?.bodyEnd, message.length)
})

test('parseMessage() ignores fields beyond the header limit and finds the body all the same', () => {
  const filler = `X-Filler: ${'x'.repeat(4000)}\r\n`.repeat(Math.ceil(HEADER_BYTES_MAX / 4012))
  const message = Buffer.from(`Subject: early\r\n${filler}Message-ID: <late@x>\r\n\r\nbody\r\n`)
  const { envelope, root } = parseMessage(message)
  assert.deepEqual([envelope.subject, envelope.messageId], ['early', null])
  assert.equal(message.toString('latin1', root.headerEnd, root.bodyEnd), 'body\r\n')
})

test('parseMessage() counts addresses of all embedded messages against one limit', () => {
  const to = `To: ${'a,'.repeat(40_000)}\r\n`
  const message = Buffer.from(`${`${to}Content-Type: message/rfc822\r\n\r\n`.repeat(4)}${to}\r\n`)
  let count = 0
  for (let inside = parseMessage(message); ; ) {
    count += inside.envelope.to.length
    if (inside.root.kind !== 'message') break
    inside = inside.root.message
  }
  assert.equal(count, ITEMS_MAX)
})

/** Each of these once made some mail program slow or large. */
const hostile: [name: string, head: string, repeated: string][] = [
  ['empty lines', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n', '\n'],
  ['almost boundaries', 'Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n', '\n--bx'],
  ['boundaries', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n', '--b\n'],
  ['one-letter fields', '', 'a:\n'],
  ['folded lines', 'Subject: x\r\n', ' \n'],
  ['a field without end', 'To: ', 'a@b,'],
  ['quotes and backslashes', 'From: ', '"\\'],
  ['open comments', 'Date: ', '('],
  ['open brackets', 'To: ', '[<@a:'],
  ['halves of encoded words', 'To: ', '=?x?b?'],
  ['groups', 'To: ', 'a:;'],
  ['parameters', 'Content-Type: text/plain', ';a*1=b'],
  ['a line of spaces', 'Subject:', ' '],
  ['NULs', '', '\0'],
]
for (const [name, head, repeated] of hostile) {
  test(`MessageScanner holds little of 4 MiB of ${name}`, () => {
    const scanner = new MessageScanner()
    scanner.push(Buffer.from(head))
    const chunk = Buffer.alloc(64 * 1024 - ((64 * 1024) % repeated.length), repeated)
    for (let i = 0; i < 64; i++) scanner.push(chunk)
    const parsed = scanner.finish()
    assert.equal(parsed.root.bodyEnd, head.length + 64 * chunk.length)
    // the tree is what stays in memory; its text stands for its size
    assert.ok(JSON.stringify(parsed).length < 16 * 1024 * 1024)
  })
}
