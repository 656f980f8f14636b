import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CommandPart, CommandReader, type ReaderEvent, type ReaderRules } from './command-reader.ts'

const RULES: ReaderRules = {
  lineBytesMax: 100,
  literalsMax: 3,
  nonSyncBytesMax: 50,
  skipBytesMax: 500,
  literalBytesMax: (name) => (name === 'APPEND' ? 80 : 60),
}

function events(chunks: readonly Uint8Array[]): ReaderEvent[] {
  const reader = new CommandReader(RULES)
  const seen: ReaderEvent[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let event = reader.next(); event !== null; event = reader.next()) seen.push(event)
  }
  return seen
}

/** Literals as text, so that events compare whatever the pieces were. */
function flat(seen: readonly ReaderEvent[]): unknown[] {
  return seen.map((event) => {
    if (event.kind === 'command')
      return { ...event, command: { ...event.command, parts: flatParts(event.command.parts) } }
    return event.kind === 'literal' ? { ...event, parts: flatParts(event.parts) } : event
  })
}

function flatParts(parts: readonly CommandPart[]): unknown[] {
  return parts.map((part) =>
    typeof part === 'string' ? part : { literal: Buffer.concat(part.pieces).toString('latin1'), binary: part.binary },
  )
}

const cases: [name: string, input: string, expected: unknown[]][] = [
  ['reads a command', 'a1 noop\r\n', [{ kind: 'command', command: { tag: 'a1', name: 'NOOP', parts: [''] } }]],
  [
    'joins UID with its command',
    'a1 uid fetch 1 x\r\n',
    [{ kind: 'command', command: { tag: 'a1', name: 'UID FETCH', parts: [' 1 x'] } }],
  ],
  [
    'asks before a literal and reads it',
    'a1 X {3}\r\na\nb y\r\n',
    [
      { kind: 'literal', tag: 'a1', name: 'X', sizeBytes: 3, parts: [' '] },
      {
        kind: 'command',
        command: { tag: 'a1', name: 'X', parts: [' ', { literal: 'a\nb', binary: false }, ' y'] },
      },
    ],
  ],
  [
    'does not ask before a literal with a plus',
    'a1 X ~{0+}\r\n {1+}\r\nz\r\n',
    [
      {
        kind: 'command',
        command: {
          tag: 'a1',
          name: 'X',
          parts: [' ', { literal: '', binary: true }, ' ', { literal: 'z', binary: false }, ''],
        },
      },
    ],
  ],
  [
    'never reads what it skips as a command',
    'a1 X {70+}\r\na2 DELETE everything\r\n{5+}\r\n'.padEnd(12 + 70, 'x') + '\r\na3 NOOP\r\n',
    [
      { kind: 'refused', tag: 'a1', name: 'X', reason: 'literal-too-large', text: 'Literals are larger than 60 bytes' },
      { kind: 'command', command: { tag: 'a3', name: 'NOOP', parts: [''] } },
    ],
  ],
  [
    'skips the literal behind an over-long line',
    `a1 X ${'y'.repeat(200)} {9+}\r\nb1 NOOP\r\n\r\na3 NOOP\r\n`,
    [
      { kind: 'refused', tag: 'a1', name: '', reason: 'line-too-long', text: 'Command is longer than 100 bytes' },
      { kind: 'command', command: { tag: 'a3', name: 'NOOP', parts: [''] } },
    ],
  ],
  [
    'counts the literals of a command together',
    'a1 X {40+}\r\n'.padEnd(12 + 40, 'x') + ' {40}\r\na3 NOOP\r\n',
    [
      { kind: 'refused', tag: 'a1', name: 'X', reason: 'literal-too-large', text: 'Literals are larger than 60 bytes' },
      { kind: 'command', command: { tag: 'a3', name: 'NOOP', parts: [''] } },
    ],
  ],
  [
    'limits their number',
    'a1 X {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\r\n',
    [{ kind: 'refused', tag: 'a1', name: 'X', reason: 'literals-too-many', text: 'More than 3 literals' }],
  ],
  [
    'gives up when too much would have to be skipped',
    'a1 X {600+}\r\na2 NOOP\r\n',
    [{ kind: 'fatal', text: 'Literal is much too large' }],
  ],
  ['gives up on a line without end', 'a'.repeat(2000), [{ kind: 'fatal', text: 'Line is much too long' }]],
]
for (const [name, input, expected] of cases) {
  test(`CommandReader ${name}`, () => assert.deepEqual(flat(events([Buffer.from(input)])), expected))
}

test('CommandReader gives the same events however the bytes are cut', () => {
  const word = fc.constantFrom(
    'a1 NOOP',
    'UID',
    'x',
    ' ',
    '{3}',
    '{3+}',
    '~{2+}',
    '{70+}',
    '\r\n',
    '\n',
    '\r',
    '\0',
    '"',
    'a2 X ',
  )
  const text = fc.array(word, { maxLength: 60 }).map((words) => words.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (input, sizes) => {
      const bytes = Buffer.from(input, 'latin1')
      const chunks: Buffer[] = []
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] ?? 1
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }
      assert.deepEqual(flat(events(chunks)), flat(events([bytes])))
    }),
  )
})

test('CommandReader.rest() gives back what no command used', () => {
  const reader = new CommandReader(RULES)
  reader.push(Buffer.from('a1 NOOP\r\na2 NO'))
  assert.equal(reader.next()?.kind, 'command')
  reader.push(Buffer.from('OP\r\n'))
  assert.equal(reader.rest().toString(), 'a2 NOOP\r\n')
  assert.equal(reader.next(), null)
})
