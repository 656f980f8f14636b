import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzy } from './fuzzy-key.ts'

const cases: [text: string, words: string][] = [
  ['lunch', 'lunch/lunc'],
  ['Meetings, budgets', 'Meetings/Meetin budgets/budge'],
  ['a to be', 'a/a to/to be/be'],
  ['again again', 'again/agai'],
  ['午饭', '午饭/午饭'],
  ['我们今天', '我们/我们 们今/们今 今天/今天'],
  ['今天 lunch', '今天/今天 lunch/lunc'],
  ['Grüße', 'Grüße/Grüß'],
  ['1 2 3 4 5 6 7 8 9 10', '1/1 2/2 3/3 4/4 5/5 6/6 7/7 8/8'],
]
for (const [text, expected] of cases) {
  test(`fuzzy() looks in ${text} for ${expected}`, () => {
    const key = fuzzy({ kind: 'body', text })
    assert.ok(key.kind === 'fuzzy')
    assert.equal(key.words.map(({ word, loose }) => `${word.text}/${loose.text}`).join(' '), expected)
    assert.deepEqual(key.exact, { kind: 'body', text })
  })
}

test('fuzzy() leaves what is no text, and texts without words, as they are', () => {
  for (const key of [
    { kind: 'all' },
    { kind: 'header', field: 'x', text: '' },
    { kind: 'text', text: '?!' },
  ] as const) {
    assert.equal(fuzzy(key), key)
  }
})

test('fuzzy() goes into what must all match, and into what may', () => {
  const key = fuzzy({ kind: 'or', keys: [{ kind: 'and', keys: [{ kind: 'all' }, { kind: 'body', text: 'x' }] }] })
  assert.ok(key.kind === 'or' && key.keys[0]?.kind === 'and' && key.keys[0].keys[1]?.kind === 'fuzzy')
})
