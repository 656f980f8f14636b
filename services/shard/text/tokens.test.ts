import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fold } from '#lib/imap/session/search/fold.ts'
import { conditionsOf, TokenCollector } from './tokens.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 2000)

function tokensOf(...pieces: string[]): Set<string> {
  const collector = new TokenCollector(100_000)
  for (const piece of pieces) collector.push(fold(piece))
  collector.cut()
  return collector.tokens
}

/** As the index judges: whether a letter with `tokens` may hold `text`. */
function mayHold(tokens: ReadonlySet<string>, text: string): boolean {
  const conditions = conditionsOf(fold(text))
  if (conditions === null) return true
  const all = [...tokens]
  return (
    conditions.exact.every((token) => tokens.has(token)) &&
    conditions.prefixes.every((prefix) => all.some((token) => token.startsWith(prefix))) &&
    conditions.parts.every((part) => all.some((token) => token.includes(part)))
  )
}

const char = fc.constantFrom(
  ...[
    'a',
    'B',
    'c',
    '7',
    ' ',
    '.',
    '-',
    '\n',
    'ü',
    'ß',
    'ς',
    '中',
    '文',
    '字',
    'か',
    'が',
    '한',
    'ไ',
    '𠀀',
    'ﬁ',
    '🎉',
    '\u0301',
  ],
)
const text = fc.string({ unit: char, maxLength: 60 })
const longRun = fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), minLength: 20, maxLength: 120 })

test('a text with a part asked for always fulfils its conditions, however it came in pieces', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        longRun,
        fc.tuple(text, longRun, text).map((all) => all.join('')),
      ),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      (whole, from, length, seam) => {
        const chars = [...whole]
        const cut = seam % (chars.length + 1)
        const pieces = [chars.slice(0, cut).join(''), chars.slice(cut).join('')]
        // Folding is done piece by piece, for the index as for the scan.
        const folded = [...pieces.map(fold).join('')]
        const start = from % (folded.length + 1)
        const part = folded.slice(start, start + 1 + (length % 60)).join('')
        assert.ok(mayHold(tokensOf(...pieces), part), JSON.stringify({ whole, part, cut }))
      },
    ),
    { numRuns },
  )
})

const asked: [text: string, part: string, held: boolean][] = [
  ['Shall we have lunch?', 'lunch', true],
  ['Shall we have lunch?', 'unc', true],
  ['Shall we have lunch?', 'dinner', false],
  ['Shall we have lunch?', 'we have lun', true],
  ['Shall we have lunch?', 'we had lun', false],
  ['我们今天吃午饭', '午饭', true],
  ['我们今天吃午饭', '饭', true],
  ['我们今天吃午饭', '午', true],
  ['我们今天吃午饭', '晚饭', false],
  ['我们今天吃午饭', '晚', false],
  ['ランチに行く', 'ランチ', true],
  ['점심 먹자', '점심', true],
  ['กินข้าวกลางวัน', 'ข้าว', true],
  ['Grüße', 'gru\u0308ß', true],
  ['Grüße', 'grüsse', false],
]
for (const [whole, part, held] of asked) {
  test(`a letter with ${whole} ${held ? 'may hold' : 'cannot hold'} ${part}`, () => {
    assert.equal(mayHold(tokensOf(whole), part), held)
  })
}

test('conditionsOf() says when the index knows nothing of a text', () => {
  for (const nothing of ['', ' ', '?!', '🎉', '---']) assert.equal(conditionsOf(nothing), null)
})

test('TokenCollector keeps no more than it may, and says so', () => {
  const collector = new TokenCollector(3)
  collector.push('A B C D')
  collector.cut()
  assert.equal(collector.tokens.size, 3)
  assert.equal(collector.complete, false)
})

test('TokenCollector takes one endless word in pieces', () => {
  const collector = new TokenCollector(1_000_000)
  for (let i = 0; i < 1000; i++) collector.push('AB'.repeat(500))
  collector.cut()
  assert.ok([...collector.tokens].every((token) => token.length <= 32))
})
