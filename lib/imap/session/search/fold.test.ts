import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareFolded, fold, TextFinder } from './fold.ts'

const pairs: [a: string, b: string][] = [
  ['LUNCH', 'lunch'],
  ['GRÜSSE', 'grüsse'],
  ['Grüße', 'gru\u0308ße'],
  ['ＦＵＬＬ', 'full'],
  ['ΣΙΓΜΑΣ', 'σιγμας'],
  ['ΣΙΓΜΑΣ', 'σιγμασ'],
  ['ﬁnd', 'FIND'],
]
for (const [a, b] of pairs) {
  test(`fold() makes ${a} and ${b} the same`, () => assert.equal(fold(a), fold(b)))
}

test('fold() maps letters to letters: a sharp s is not two of them (RFC 5051)', () => {
  assert.notEqual(fold('Straße'), fold('STRASSE'))
})

test('fold() is the simple upper case of every decomposed character, and changes nothing twice', () => {
  // The scripts with case; a run over all of Unicode takes seconds and finds the same.
  for (let code = 0; code < 0x1_1000; code++) {
    if (code >= 0x3000 && code < 0xa600) continue
    if (code >= 0xac00 && code < 0xf900) continue
    const decomposed = String.fromCodePoint(code).normalize('NFKD')
    const simple = [...decomposed].map((char) => ([...char.toUpperCase()].length === 1 ? char.toUpperCase() : char))
    const folded = fold(String.fromCodePoint(code))
    if (folded !== simple.join('') || fold(folded) !== folded) assert.fail(`U+${code.toString(16)}`)
  }
})

test('compareFolded() orders as the bytes of UTF-8 do', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      assert.equal(Math.sign(compareFolded(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})

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
