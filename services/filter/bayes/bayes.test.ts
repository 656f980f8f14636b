/** Signs, counts, verdicts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chiSquareTail, junkProbability } from './classify.ts'
import { BayesMemory, ENOUGH, type LetterKind } from './memory.ts'
import { CountTable } from './table.ts'
import { TOKENS_MAX, tokensOf } from './tokens.ts'
import { JUNK_FROM, weightOf } from './weight.ts'

const plain = (text: string, subject = '') => tokensOf({ subject, authors: [], texts: [{ subtype: 'plain', text }] })

const texts: [text: string, tokens: string[]][] = [
  ['Buy NOW, now!', ['buy', 'now']],
  ["it's a well-known fact", ["it's", 'well-known', 'fact']],
  ['Größe ﬁne', ['größe', 'fine']],
  ['低息贷款', ['低息', '息贷', '贷款']],
  ['iPhone手机', ['手机', 'iphone']],
  ['ราคาถูก', ['ราคา', 'ถูก']],
  [
    'see https://www.Shop.example/a?b',
    ['url:www.shop.example', 'url:shop.example', 'tld:example', 'see', 'https', 'www', 'shop', 'example'],
  ],
]
for (const [text, tokens] of texts) {
  test(`tokensOf() of ${JSON.stringify(text)}`, () => assert.deepEqual([...plain(text)], tokens))
}

test('tokensOf() tells subject, author and what a page holds from words', () => {
  const texts = [{ subtype: 'html', text: '<form></form><img src=a><a href="https://x.example/">Go</a>' }]
  const tokens = tokensOf({ subject: 'Hello', authors: ['ann@b.example'], texts })
  for (const token of [
    'from:ann@b.example',
    'from:b.example',
    's:hello',
    'html:form',
    'html:pictures1',
    'url:x.example',
    'go',
  ]) {
    assert.ok(tokens.has(token), token)
  }
})

test('tokensOf() is bounded whatever it is given', () => {
  const piece = fc.constantFrom('字', 'ก', 'a', ' ', '.', 'https://a.example ', '<a href=x>', '\u0301')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 3_000 }), fc.constantFrom('plain', 'html'), (pieces, subtype) => {
      const tokens = tokensOf({ subject: '', authors: [], texts: [{ subtype, text: pieces.join('') }] })
      assert.ok(tokens.size <= TOKENS_MAX)
      for (const token of tokens) assert.ok(token.length < 300)
    }),
    { numRuns: 100 },
  )
})

test('CountTable counts as a map does, also over what it takes back', () => {
  const sign = fc.record({
    high: fc.integer({ min: 0, max: 3 }),
    low: fc.integer({ min: 1, max: 40 }),
    junk: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(sign, fc.constantFrom(1 as const, -1 as const)), { maxLength: 300 }), (steps) => {
      const table = new CountTable(10)
      const model = new Map<string, [number, number]>()
      for (const [{ high, low, junk }, by] of steps) {
        table.add(high, low, junk, by)
        const counts = model.get(`${high} ${low}`) ?? [0, 0]
        const at = junk ? 0 : 1
        counts[at] = Math.max(0, counts[at] + by)
        model.set(`${high} ${low}`, counts)
      }
      for (const [key, [junk, other]] of model) {
        const [high = 0, low = 0] = key.split(' ').map(Number)
        const counts = table.get(high, low)
        assert.deepEqual([counts >>> 16, counts & 0xffff], [junk, other])
      }
    }),
  )
})

test('CountTable makes room by halving: what was seen often stays, what was seen once goes', () => {
  const table = new CountTable(10)
  for (let i = 0; i < 8; i++) table.add(1, 7, true, 1)
  let halvings = 0
  for (let low = 100; low < 1_500; low++) if (table.add(2, low, false, 1)) halvings++
  assert.ok(halvings >= 1 && table.used <= 0.7 * 1024 + 1)
  assert.ok(table.get(1, 7) >>> 16 >= 1)
  assert.equal(table.get(2, 100), 0)
})

test('CountTable does not overflow a count', () => {
  const table = new CountTable(10)
  let halved = false
  for (let i = 0; i < 0x1_0000; i++) halved = table.add(1, 1, true, 1) || halved
  assert.equal(halved, true)
  assert.deepEqual([table.get(1, 1) >>> 16, table.get(1, 1) & 0xffff], [0x8000, 0])
})

test('chiSquareTail() is what tables say', () => {
  for (const [value, degrees, tail] of [
    [0, 2, 1],
    [5.991, 2, 0.05],
    [18.307, 10, 0.05],
    [135.807, 100, 0.01],
    [2_000, 100, 0],
  ] as const) {
    assert.ok(Math.abs(chiSquareTail(value, degrees) - tail) < 0.0005, `${value} ${degrees}`)
  }
})

test('junkProbability() says nothing where nothing is known, and is sure where all signs agree', () => {
  const learned = { junk: 100, other: 100 }
  const signs = (junk: number, other: number) => Array.from({ length: 20 }, () => ({ junk, other }))
  assert.equal(junkProbability([], learned), 0.5)
  assert.equal(junkProbability(signs(0, 0), learned), 0.5)
  assert.equal(junkProbability(signs(9, 1), { junk: 0, other: 100 }), 0.5)
  assert.ok(junkProbability(signs(30, 0), learned) > 0.99)
  assert.ok(junkProbability(signs(0, 30), learned) < 0.01)
  assert.ok(Math.abs(junkProbability([...signs(30, 1), ...signs(1, 30)], learned) - 0.5) < 0.01)
})

test('weightOf() grows with certainty, calls junk what is junk, and refuses nobody', () => {
  const weights = [0, 0.5, 0.6, 0.8, JUNK_FROM, 0.99, 1].map(weightOf)
  assert.deepEqual(
    weights,
    weights.toSorted((a, b) => a - b),
  )
  assert.deepEqual([weightOf(0.59), weightOf(JUNK_FROM), weightOf(1)], [0, 1, 1.5])
})

const ANNA = 'anna@example.test'
function taught(memory: BayesMemory, owner: string, count: number, junk: string, other: string): void {
  for (let i = 0; i < count; i++) {
    memory.learn(plain(`${junk} offer${i % 7}`), 'junk', `j${i} ${junk}`, owner)
    memory.learn(plain(`${other} note${i % 7}`), 'other', `o${i} ${other}`, owner)
  }
}

test('a verdict comes from the nearest scope that knows enough', () => {
  const memory = new BayesMemory(16)
  assert.equal(memory.judge(plain('casino winner'), [ANNA]), null)
  taught(memory, ANNA, ENOUGH.user, 'casino winner', 'garden meeting')
  const own = memory.judge(plain('casino winner'), [ANNA])
  assert.equal(own?.scope, 'user')
  assert.ok(own !== null && own.probability > JUNK_FROM)
  assert.equal(memory.judge(plain('casino winner'), ['bert@example.test']), null)
  taught(memory, 'carl@example.test', ENOUGH.domain, 'garden meeting', 'casino winner')
  // To the domain both are everyday words now; to Anna it is still what she said.
  assert.equal(memory.judge(plain('casino winner'), ['bert@example.test'])?.scope, 'domain')
  assert.ok((memory.judge(plain('casino winner'), [ANNA])?.probability ?? 0) > JUNK_FROM)
  assert.equal(memory.judge(plain('casino winner'), [ANNA, 'bert@example.test'])?.scope, 'domain')
  taught(memory, 'dora@other.example', ENOUGH.all, 'x', 'y')
  assert.equal(memory.judge(plain('casino winner'), ['bert@third.example'])?.scope, 'all')
})

test('a letter is learned once, and the other way round it is unlearned first', () => {
  const memory = new BayesMemory(16)
  const learn = (kind: LetterKind) => memory.learn(plain('one letter'), kind, 'd', ANNA)
  assert.deepEqual([learn('junk'), learn('junk')], [true, false])
  assert.deepEqual(memory.learned(ANNA), { junk: 1, other: 0 })
  assert.equal(learn('other'), true)
  for (const scope of [ANNA, 'example.test', '']) assert.deepEqual(memory.learned(scope), { junk: 0, other: 1 })
})

test('a snapshot brings back what was learned, and what is none changes nothing', () => {
  const memory = new BayesMemory(16)
  taught(memory, ANNA, ENOUGH.user, 'casino winner', 'garden meeting')
  const other = new BayesMemory(14)
  assert.equal(other.restore(memory.snapshot()), true)
  assert.deepEqual(other.judge(plain('casino winner'), [ANNA]), memory.judge(plain('casino winner'), [ANNA]))
  const whole = memory.snapshot()
  for (const broken of [Buffer.alloc(0), Buffer.from('nonsense'), whole.subarray(0, -1), whole.subarray(0, 60)]) {
    assert.equal(other.restore(broken), false)
  }
  assert.deepEqual(other.learned(ANNA), memory.learned(ANNA))
})
