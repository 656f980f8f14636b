import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineEndChecker, type LineEndFault, LineEndNormaliser } from './line-ends.ts'

function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const borders = [...new Set([0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length])].sort((a, b) => a - b)
  return borders.slice(1).map((end, i) => Buffer.from(text.slice(borders[i], end), 'latin1'))
}

function check(text: string, cuts: readonly number[] = []): LineEndFault | null {
  const checker = new LineEndChecker()
  for (const piece of pieces(text, cuts)) checker.push(piece)
  return checker.end()
}

function normalised(text: string, cuts: readonly number[] = []): string {
  const normaliser = new LineEndNormaliser()
  const out = pieces(text, cuts).flatMap((piece) => normaliser.push(piece))
  return Buffer.concat([...out, ...normaliser.end()]).toString('latin1')
}

const cases: [name: string, text: string, fault: LineEndFault | null][] = [
  ['passes nothing', '', null],
  ['passes CRLF lines', 'a\r\n\r\nb\r\n', null],
  ['passes a letter without a last line end', 'a', null],
  ['finds a bare LF', 'a\nb\r\n', 'bare-lf'],
  ['finds a bare LF behind good lines', 'a\r\nb\r\nc\n', 'bare-lf'],
  ['finds a bare CR', 'a\rb\r\n', 'bare-cr'],
  ['finds a bare CR before CRLF', 'a\r\r\n', 'bare-cr'],
  ['finds a bare CR at the very end', 'a\r\nb\r', 'bare-cr'],
  ['finds LF CR', 'a\n\rb', 'bare-lf'],
  ['finds NUL', 'a\0b\r\n', 'nul'],
]
for (const [name, text, fault] of cases) {
  test(`LineEndChecker ${name}`, () => {
    assert.equal(check(text), fault)
    for (let a = 0; a <= text.length; a++) {
      for (let b = a; b <= text.length; b++) {
        // Which fault comes first may depend on the cutting; that there is one may not.
        assert.equal(check(text, [a, b]) === null, fault === null, `cut at ${a}, ${b}`)
      }
    }
  })
}

const ragged = fc.array(fc.constantFrom('\r\n', '\r', '\n', '\0', 'a', '.'), { maxLength: 20 }).map((p) => p.join(''))
const anyCuts = fc.array(fc.nat(30), { maxLength: 5 })

test('LineEndChecker equals the definition for every text and every cutting', () => {
  fc.assert(
    fc.property(ragged, anyCuts, (text, cuts) => {
      assert.equal(check(text, cuts) !== null, /\r(?!\n)|(?<!\r)\n|\0/.test(text))
    }),
    { numRuns: 2_000 },
  )
})

test('LineEndNormaliser equals the definition for every text and every cutting', () => {
  fc.assert(
    fc.property(ragged, anyCuts, (text, cuts) => {
      const want = text
        .split(/\r\n|\r|\n/)
        .join('\r\n')
        .replaceAll('\0', '')
      assert.equal(normalised(text, cuts), want)
    }),
    { numRuns: 2_000 },
  )
})

test('LineEndNormaliser passes right chunks through without copying them', () => {
  const chunk = Buffer.from('a\r\nb\r\n')
  assert.deepEqual(
    new LineEndNormaliser().push(chunk).map((piece) => piece === chunk),
    [true],
  )
})
