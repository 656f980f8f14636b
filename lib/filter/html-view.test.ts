import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { htmlView } from './html-view.ts'

const texts: [html: string, text: string][] = [
  ['plain', 'plain'],
  ['<p>a</p><p>b<br>c</p>', 'a\nb\nc'],
  ['a<!-- <b>no</b> -->b', 'ab'],
  ['<style>p { color: red }</style>a<script>alert("<p>x")</script>b', 'ab'],
  ['<head><title>t</title></head><body>seen</body>', 'seen'],
  ['&lt;b&gt; &amp;amp; &#8364; &#x20AC; &nothing; &#0;', '<b> &amp; € € &nothing; \ufffd'],
  ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
  ['<b title="a > b">x</b>', 'x'],
  ['<b title="never ends>x</b>', 'x'],
  ['<scr', ''],
  ['<script>never ends', ''],
  ['', ''],
]
for (const [html, text] of texts) {
  test(`htmlView() shows ${JSON.stringify(html)}`, () => assert.equal(htmlView(html).text, text))
}

test('htmlView() tells links with what is shown for them', () => {
  const html =
    '<A HREF="https://a.example/?x=1&amp;y=2"><b>your</b>\n bank</A> <a href=b.example>b</a> <a name="n">no</a> <a href=\'c\'>unclosed'
  assert.deepEqual(htmlView(html).links, [
    { href: 'https://a.example/?x=1&y=2', text: 'your bank' },
    { href: 'b.example', text: 'b' },
    { href: 'c', text: 'unclosed' },
  ])
})

test('htmlView() tells forms and counts pictures', () => {
  const { forms, pictures } = htmlView('<form action="https://x.example/login"><img src=a><img src=b></form><form>')
  assert.deepEqual([forms, pictures], [['https://x.example/login', ''], 2])
})

test('htmlView() ends soon on whatever it is given', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '"',
    "'",
    '=',
    '<a href=',
    '<!--',
    '-->',
    '</a',
    '<script',
    '&',
    '&#',
    'x',
    ' ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      const { text, links } = htmlView(pieces.join(''))
      assert.ok(text.length <= pieces.join('').length + 1)
      assert.ok(links.length <= 500)
    }),
    { numRuns: 500 },
  )
})

const hostile: [what: string, html: string][] = [
  ['open tags', '<a href="'.repeat(100_000)],
  ['open comments', '<!--'.repeat(200_000)],
  ['scripts', '<script>'.repeat(100_000)],
  ['less-than signs', '<'.repeat(500_000)],
  ['links', '<a href=x>y</a>'.repeat(50_000)],
  ['spaces', ' \n'.repeat(300_000)],
]
for (const [what, html] of hostile) {
  test(`htmlView() of ${what} without end takes no longer than its length`, () => {
    const began = performance.now()
    htmlView(html)
    const ms = performance.now() - began
    assert.ok(ms < 3_000, `${ms} ms`)
  })
}
