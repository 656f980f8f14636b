import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cut, cuts, dottedText } from '../testing/chunks.ts'
import { TopCutter } from './top-cutter.ts'

function top(chunks: readonly Buffer[], lineCount: number): string {
  const cutter = new TopCutter(lineCount)
  const taken: Buffer[] = []
  for (const chunk of chunks) {
    const { bytes, done } = cutter.take(chunk)
    taken.push(bytes)
    if (done) break
  }
  return Buffer.concat(taken).toString('latin1')
}

/** The same in the plainest way: on the whole text, line by line. */
function expectedTop(text: string, lineCount: number): string {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const empty = lines.findIndex((line) => line === '\r\n' || line === '\n')
  return empty < 0 ? text : lines.slice(0, empty + 1 + lineCount).join('')
}

const cases: readonly (readonly [name: string, chunks: readonly string[], lineCount: number, expected: string])[] = [
  ['gives the header and the empty line', ['A: 1\r\n\r\nx\r\n'], 0, 'A: 1\r\n\r\n'],
  ['counts body lines', ['A: 1\r\n\r\nx\r\ny\r\nz\r\n'], 2, 'A: 1\r\n\r\nx\r\ny\r\n'],
  ['sees an empty line cut in two', ['A: 1\r\n\r', '\nx\r\n'], 0, 'A: 1\r\n\r\n'],
  ['takes a message that begins with the empty line', ['\r\nx\r\n'], 0, '\r\n'],
  ['gives all of a message without an empty line', ['A: 1\r\nB: 2\r\n'], 0, 'A: 1\r\nB: 2\r\n'],
  ['does not take one letter for an empty line', ['A: 1\r\n', 'x', '\n\r\ny\r\n'], 0, 'A: 1\r\nx\n\r\n'],
]
for (const [name, chunks, lineCount, expected] of cases) {
  test(`TopCutter ${name}`, () =>
    assert.equal(
      top(
        chunks.map((chunk) => Buffer.from(chunk)),
        lineCount,
      ),
      expected,
    ))
}

test('TopCutter gives the same however the chunks are cut', () => {
  fc.assert(
    fc.property(dottedText, cuts, fc.nat(5), (text, at, lineCount) => {
      assert.equal(top(cut(text, at), lineCount), expectedTop(text.toString('latin1'), lineCount))
    }),
  )
})
