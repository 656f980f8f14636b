import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DataDecoder } from './data-decoder.ts'

interface Decoded {
  readonly body: string
  /** What followed the end, or null if it was not found. */
  readonly rest: string | null
}

/** Feeds `wire` cut at the given offsets. */
function decode(wire: string, cuts: readonly number[] = []): Decoded {
  const bytes = Buffer.from(wire, 'latin1')
  const borders = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b)
  const decoder = new DataDecoder()
  let body = ''
  for (let i = 0; i + 1 < borders.length; i++) {
    const begin = borders[i] ?? 0
    const chunk = Buffer.from(bytes.subarray(begin, borders[i + 1]))
    const pieces: Buffer[] = []
    const end = decoder.push(chunk, (piece) => {
      assert.ok(piece.length > 0, 'no empty pieces')
      pieces.push(piece)
    })
    body += Buffer.concat(pieces).toString('latin1')
    if (end !== -1) return { body, rest: wire.slice(begin + end) }
  }
  return { body, rest: null }
}

const cases: [name: string, wire: string, body: string, rest: string | null][] = [
  ['takes an empty letter', '.\r\nQUIT\r\n', '', 'QUIT\r\n'],
  ['takes a line', 'a\r\n.\r\n', 'a\r\n', ''],
  ['gives back what follows the end', 'a\r\n.\r\nMAIL\r\n', 'a\r\n', 'MAIL\r\n'],
  ['takes away one dot of two', '..\r\na\r\n..b\r\n.\r\n', '.\r\na\r\n.b\r\n', ''],
  ['takes away a single dot before other characters', '.a\r\n.\r\n', 'a\r\n', ''],
  ['keeps dots inside lines', 'a.b\r\n.\r\n', 'a.b\r\n', ''],
  ['does not end at LF dot CRLF', 'a\n.\r\nb\r\n.\r\n', 'a\n.\r\nb\r\n', ''],
  ['does not end at CR dot CRLF', 'a\r.\r\nb\r\n.\r\n', 'a\r.\r\nb\r\n', ''],
  ['does not end at CRLF dot LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\nb\r\n', ''],
  ['does not end at CRLF dot CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n\rb\r\n', ''],
  ['does not take away a dot behind a bare LF', 'a\n..b\r\n.\r\n', 'a\n..b\r\n', ''],
  ['keeps a CR before CRLF', 'a\r\r\n.\r\n', 'a\r\r\n', ''],
  ['waits for the end', 'a\r\nb\r\n', 'a\r\nb\r\n', null],
  ['waits behind a dot', 'a\r\n.', 'a\r\n', null],
  ['waits behind a dot and CR', 'a\r\n.\r', 'a\r\n', null],
  ['takes lines of dots only', '.....\r\n..\r\n...\r\n.\r\n', '....\r\n.\r\n..\r\n', ''],
]
for (const [name, wire, body, rest] of cases) {
  test(`DataDecoder ${name}`, () => {
    assert.deepEqual(decode(wire), { body, rest })
    for (let a = 1; a < wire.length; a++) {
      for (let b = a; b < wire.length; b++) assert.deepEqual(decode(wire, [a, b]), { body, rest }, `cut at ${a}, ${b}`)
    }
  })
}

/** RFC 5321 section 4.5.2 on a whole text, as simply as it can be said. */
function reference(wire: string): Decoded {
  const at = wire.startsWith('.\r\n') ? 0 : wire.indexOf('\r\n.\r\n') + 2
  const ended = at === 0 || at > 1
  const text = ended ? wire.slice(0, at) : wire
  const body = text.replace(/^\./, '').replaceAll('\r\n.', '\r\n')
  return { body, rest: ended ? wire.slice(at + 3) : null }
}

test('DataDecoder equals the definition for every text and every cutting', () => {
  const text = fc
    .array(fc.constantFrom('\r\n', '\r', '\n', '.', '..', 'a', '\r\n.', '\r\n.\r\n'), { maxLength: 30 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(80), { maxLength: 6 }), (wire, cuts) => {
      const whole = `${wire}x\r\n.\r\n` // ended, so that nothing is held back
      assert.deepEqual(decode(whole, cuts), reference(whole))
    }),
    { numRuns: 2_000 },
  )
})
