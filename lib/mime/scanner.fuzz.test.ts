/**
 * The scanner against arbitrary bytes, and against messages whose structure is known because they were made from it.
 * Runs are few by default; FUZZ_RUNS asks for more.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findHeaderEnd } from './headers.ts'
import { MessageScanner, parseMessage } from './scanner.ts'
import { section } from './section.ts'
import { partText, textParts } from './text.ts'
import type { MimeMessage, MimePart } from './types.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 1000)

const structure = fc.constantFrom('', '', '', '--b', '--b', '--bb', '--b--', '--bb--', 'x')
const fields = fc.constantFrom(
  'Content-Type: multipart/mixed; boundary=b',
  'Content-Type: multipart/digest; boundary="bb"',
  'Content-Type: message/rfc822',
  "Content-Type: text/plain; charset*0*=gb18030''%; charset*1=x",
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  'Subject: =?utf-8?B?4oKs?=',
  'From: a <b@c>, d:e;',
)
const junk = fc.constantFrom(
  ...[
    ' ',
    '\t',
    '-',
    '--',
    '--b \t',
    '\0',
    '\xff\xfe',
    '"',
    '(',
    '=?x?b?',
    'To: (',
    'From x',
    'Subject',
    ' boundary=b',
  ],
  ...[': x', 'a\rb', 'QUJD=', '=E4=A', 'x'.repeat(999), 'x'.repeat(1000), `${'x'.repeat(1200)}: y`],
)
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\n', '\r', '')
const line = fc.oneof(
  { weight: 6, arbitrary: structure },
  { weight: 3, arbitrary: fields },
  { weight: 1, arbitrary: junk },
)

/** Lines that mean something, in an order that means little. */
const broken = fc
  .record({
    first: fc.constantFrom('', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n'),
    lines: fc.array(fc.tuple(line, lineEnd), { maxLength: 40, size: 'max' }),
  })
  .map(({ first, lines }) => Buffer.from(first + lines.flat().join(''), 'latin1'))

function parseInPieces(bytes: Buffer, sizes: readonly number[]): MimeMessage {
  const scanner = new MessageScanner()
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    const chunk = Buffer.from(bytes.subarray(at, at + size))
    scanner.push(chunk)
    chunk.fill(0xee) // nothing of a chunk may be kept
    at += size
  }
  return scanner.finish()
}

const chunkSizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 2000 })), {
  minLength: 1,
})

test('MessageScanner gives the same tree for chunks of any size', () => {
  const property = fc.property(broken, chunkSizes, (bytes, sizes) => {
    assert.deepEqual(parseInPieces(bytes, sizes), parseMessage(bytes))
  })
  fc.assert(property, { numRuns })
})

test('MessageScanner takes empty chunks', () => {
  const scanner = new MessageScanner()
  for (const chunk of ['', 'Subject: x\r', '', '\n\r', '', '\nhello', '']) scanner.push(Buffer.from(chunk))
  assert.deepEqual(scanner.finish(), parseMessage(Buffer.from('Subject: x\r\n\r\nhello')))
})

test('parseMessage() keeps its invariants on arbitrary bytes', () => {
  const bytes = fc.oneof(
    broken,
    fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array)),
  )
  fc.assert(
    fc.property(bytes, (message) => {
      const parsed = parseMessage(message)
      assert.deepEqual(section(parsed, [], null), { start: 0, end: message.length })
      checkNesting(parsed.root, message, 0, message.length)
      const { headerEnd } = parsed.root
      assert.equal(findHeaderEnd(message, true), headerEnd)
      const found = findHeaderEnd(message.subarray(0, headerEnd + 1), false)
      assert.ok(found === headerEnd || found === null)
      for (const part of textParts(parsed)) partText(part, message)
    }),
    { numRuns },
  )
})

function checkNesting(part: MimePart, message: Buffer, from: number, to: number): void {
  assert.ok(from <= part.headerStart && part.headerStart <= part.headerEnd)
  assert.ok(part.headerEnd <= part.bodyEnd && part.bodyEnd <= to)
  const body = message.toString('latin1', part.headerEnd, part.bodyEnd)
  const ends = body.split('\n').length - 1
  assert.equal(part.lines, body === '' || body.endsWith('\n') ? ends : ends + 1)
  if (part.kind === 'message') {
    assert.equal(part.message.root.headerStart, part.headerEnd)
    assert.equal(part.message.root.bodyEnd, part.bodyEnd)
    checkNesting(part.message.root, message, part.headerEnd, part.bodyEnd)
  } else if (part.kind === 'multipart') {
    assert.ok(part.parts.length > 0)
    let at = part.headerEnd
    for (const child of part.parts) {
      checkNesting(child, message, at, part.bodyEnd)
      at = child.bodyEnd
    }
  } else {
    assert.ok(part.type !== 'multipart')
    assert.ok(part.type !== 'message' || !['rfc822', 'global'].includes(part.subtype))
  }
}

/** What a message was made from. */
type Made =
  | { kind: 'leaf'; body: string }
  | { kind: 'multipart'; preamble: string; parts: Made[]; epilogue: string; closed: boolean }
  | { kind: 'message'; root: Made }

const bodyText = fc
  .array(fc.constantFrom('', 'hello', '--', '-- ', '--x', ' folded', 'A: b', '\0\xff'), { maxLength: 4 })
  .map((lines) => lines.join('\r\n'))
const made = fc.letrec<{ part: Made }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('leaf' as const), body: bodyText }),
    fc.record({
      kind: fc.constant('multipart' as const),
      preamble: bodyText,
      parts: fc.array(tie('part'), { minLength: 1, maxLength: 4, size: 'max' }),
      epilogue: bodyText,
      closed: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('message' as const), root: tie('part') }),
  ),
})).part

interface Written {
  kind: Made['kind']
  range: [headerStart: number, headerEnd: number, bodyEnd: number]
  parts: Written[]
}

/** Writes a part with a boundary of its own for each multipart, and notes where everything went. */
function write(part: Made, out: { text: string; boundaries: number }): Written {
  const headerStart = out.text.length
  const boundary = `b${'x'.repeat(out.boundaries++ % 3)}${out.boundaries}`
  if (part.kind === 'multipart') out.text += `Content-Type: multipart/mixed;\r\n boundary=${boundary}\r\n`
  if (part.kind === 'message') out.text += 'Content-Type: message/rfc822\r\n'
  if (part.kind === 'leaf') out.text += 'Content-Type: text/plain\r\n'
  out.text += '\r\n'
  const headerEnd = out.text.length
  const parts: Written[] = []
  if (part.kind === 'leaf') out.text += part.body
  if (part.kind === 'message') parts.push(write(part.root, out))
  if (part.kind === 'multipart') {
    out.text += part.preamble
    for (const child of part.parts) {
      out.text += `\r\n--${boundary}\r\n`
      parts.push(write(child, out))
    }
    // what follows a multipart that is not closed belongs to its last part: then nothing may follow
    if (part.closed) out.text += `\r\n--${boundary}--\r\n${part.epilogue}`
  }
  return { kind: part.kind, range: [headerStart, headerEnd, out.text.length], parts }
}

function rangesOf(part: MimePart): Written {
  const parts = part.kind === 'multipart' ? part.parts : part.kind === 'message' ? [part.message.root] : []
  return { kind: part.kind, range: [part.headerStart, part.headerEnd, part.bodyEnd], parts: parts.map(rangesOf) }
}

test('parseMessage() finds every part of a message where it was written', () => {
  const property = fc.property(made, chunkSizes, (part, sizes) => {
    const out = { text: '', boundaries: 0 }
    const written = write(part, out)
    assert.deepEqual(rangesOf(parseInPieces(Buffer.from(out.text, 'latin1'), sizes).root), written)
  })
  fc.assert(property, { numRuns })
})
