import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineSplitter } from './line-splitter.ts'
import { cut, cuts } from './testing/chunks.ts'

function split(chunks: readonly Buffer[], lineBytesMax: number): { lines: string[]; rest: string } {
  const splitter = new LineSplitter(lineBytesMax)
  const lines: string[] = []
  for (const chunk of chunks) {
    splitter.push(chunk)
    for (let line = splitter.next(); line !== null; line = splitter.next()) {
      lines.push(line.kind === 'line' ? line.bytes.toString('latin1') : '<too long>')
    }
    assert.ok(splitter.pendingBytes < lineBytesMax, 'an unfinished line is bounded')
  }
  return { lines, rest: splitter.rest().toString('latin1') }
}

const cases: readonly (readonly [name: string, chunks: readonly string[], lines: readonly string[], rest: string])[] = [
  ['takes CRLF and LF for a line end', ['a\r\nb\nc'], ['a', 'b'], 'c'],
  ['joins a line cut anywhere', ['N', 'OO', 'P\r', '\n'], ['NOOP'], ''],
  ['gives empty lines', ['\r\n\n'], ['', ''], ''],
  ['takes a line of exactly the limit', ['12345678\r\n'], ['12345678'], ''],
  ['reports a longer line once', ['123456789\r\nok\r\n'], ['<too long>', 'ok'], ''],
  ['drops a line that does not end', ['1234567890', '1234567890', '1\r\nok\r\n'], ['<too long>', 'ok'], ''],
]
for (const [name, chunks, lines, rest] of cases) {
  test(`LineSplitter ${name}`, () => {
    assert.deepEqual(
      split(
        chunks.map((chunk) => Buffer.from(chunk)),
        10,
      ),
      { lines, rest },
    )
  })
}

test('LineSplitter gives the same lines however the bytes are cut', () => {
  const bytes = fc.array(fc.constantFrom('\r\n', '\n', 'abc', '0123456789', '\r'), { maxLength: 30 })
  fc.assert(
    fc.property(bytes, cuts, (parts, at) => {
      const input = Buffer.from(`${parts.join('')}\n`)
      assert.deepEqual(split(cut(input, at), 10).lines, split([input], 10).lines)
    }),
  )
})
