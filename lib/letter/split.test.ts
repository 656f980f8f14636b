/** Cutting letters into fields and body. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { headerSection } from './header-section.ts'
import { splitLetter } from './split.ts'

function split(text: string, cut = text.length): { fields: readonly string[]; body: string } {
  const bytes = Buffer.from(text, 'latin1')
  const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((piece) => piece.length > 0)
  const { fields, body } = splitLetter(headerSection(pieces), pieces)
  return { fields, body: Buffer.concat(body).toString('latin1') }
}

for (const [text, fields, body] of [
  ['A: b\r\n c\r\nD: e\r\n\r\nbody\r\n', ['A: b\r\n c\r\n', 'D: e\r\n'], 'body\r\n'],
  ['A: b\r\n\r\n', ['A: b\r\n'], ''],
  ['A: b\r\n', ['A: b\r\n'], ''],
  ['\r\nbody', [], 'body'],
  ['', [], ''],
  ['no header\r\nat all\r\n', [], 'no header\r\nat all\r\n'],
  [' fold first\r\nA: b\r\n\r\nx', [], ' fold first\r\nA: b\r\n\r\nx'],
  ['A: b\r\nFrom ben\r\nC: d\r\n\r\nx', ['A: b\r\n'], 'From ben\r\nC: d\r\n\r\nx'],
] as const) {
  test(`splitLetter() of ${JSON.stringify(text)}, however it is cut`, () => {
    for (let cut = 0; cut <= text.length; cut++) assert.deepEqual(split(text, cut), { fields: [...fields], body })
  })
}

test('splitLetter() loses nothing', () => {
  const text = fc
    .array(fc.constantFrom('A: b', ' ', '\t', '\r\n', 'x', ':', '\r\n\r\n', 'From y', '\xe4'), { maxLength: 20 })
    .map((words) => words.join(''))
  fc.assert(
    fc.property(text, fc.nat(), (letter, at) => {
      const { fields, body } = split(letter, letter.length === 0 ? 0 : at % letter.length)
      const header = fields.join('')
      assert.ok(letter === header + body || letter === `${header}\r\n${body}`)
    }),
  )
})
