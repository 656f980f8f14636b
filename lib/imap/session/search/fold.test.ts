import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fold, TextFinder } from './fold.ts'

const pairs: [a: string, b: string][] = [
  ['LUNCH', 'lunch'],
  ['GRÜSSE', 'grüsse'],
  ['Grüße', 'gru\u0308ße'],
  ['ＦＵＬＬ', 'full'],
  ['ΣΙΓΜΑ', 'σιγμα'],
]
for (const [a, b] of pairs) {
  test(`fold() makes ${a} and ${b} the same`, () => assert.equal(fold(a), fold(b)))
}

test('TextFinder finds the same texts however they are cut', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'C'), maxLength: 4 })
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 8 }),
      fc.array(
        word.filter((w) => w !== ''),
        { maxLength: 4 },
      ),
      (pieces, texts) => {
        const wanted = texts.map(fold)
        const finder = new TextFinder(wanted)
        for (const piece of pieces) finder.push(piece)
        const whole = fold(pieces.join(''))
        assert.deepEqual(new Set(wanted.filter((text) => whole.includes(text))), new Set(finder.found))
      },
    ),
  )
})

test('TextFinder finds nothing across a cut', () => {
  const finder = new TextFinder(['ab'])
  finder.push('a')
  finder.cut()
  finder.push('b')
  assert.equal(finder.found.size, 0)
})
