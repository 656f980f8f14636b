import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { firstWords, withoutMarkup } from './preview.ts'

const plain: [name: string, text: string, words: string][] = [
  ['joins lines and white space', ' one\r\n\r\n\ttwo\u00a0 three \n', 'one two three'],
  ['leaves out what is quoted', '> old\r\n> words\r\nnew words\r\n>> older\r\n', 'new words'],
  ['shows what is quoted where nothing else is', '> old\r\n> words', '> old > words'],
  ['leaves out characters that nobody sees', 'a\u200bb\u00ad \u2060 c', 'ab c'],
  ['is empty for nothing', ' \r\n ', ''],
  ['has 200 characters, not halves of some', '\u{1f600}'.repeat(300), '\u{1f600}'.repeat(200)],
]
for (const [name, text, words] of plain) {
  test(`firstWords() ${name}`, () => assert.equal(firstWords(text), words))
}

const html: [name: string, html: string, words: string][] = [
  ['drops tags', '<p>one<br>two <b class="x">three</b></p>', 'one two three'],
  [
    'drops what is not shown',
    '<HEAD><title>no</title></HEAD><style>p { }</style>a<script>x < y</SCRIPT >b<!-- <p>c</p> -->d',
    'a b d',
  ],
  ['drops what a missing end hides', 'a<style>b', 'a'],
  ['drops a tag that never ends', 'a<b class="', 'a'],
  [
    'reads entities',
    '&lt;a&gt; &amp;amp; &#65;&#x42; &nbsp;&eacute; &#0; &#xd800; &#9999999;',
    '<a> &amp; AB &eacute;',
  ],
]
for (const [name, text, words] of html) {
  test(`withoutMarkup() ${name}`, () => assert.equal(firstWords(withoutMarkup(text)), words))
}

test('withoutMarkup() ends in time and shows no tags, whatever it is given', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '<style',
    '</style>',
    '<!--',
    '-->',
    '<p>',
    '&',
    '&lt;',
    'a',
    '"',
    'İ',
    '<head ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60, size: 'max' }), (pieces) => {
      const text = withoutMarkup(pieces.join(''))
      assert.ok(!/<p>|<style\b[^a]*>/.test(text.replaceAll('&lt;', '')), text)
    }),
  )
  const began = performance.now()
  for (const bomb of ['<style>', '<!--', '<', '<script></script>', '&', '<head']) withoutMarkup(bomb.repeat(20_000))
  assert.ok(performance.now() - began < 2_000)
})
