import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contains, formatSequence, SequenceSet } from './sequence-set.ts'

const cases: [name: string, text: string, largest: number, ranges: [number, number][]][] = [
  ['reads a number', '7', 10, [[7, 7]]],
  ['reads a range in either order', '5:3', 10, [[3, 5]]],
  ['reads * as the largest', '*', 10, [[10, 10]]],
  ['keeps the largest in n:* when n is above it', '20:*', 10, [[10, 20]]],
  ['merges what overlaps and what touches', '1:*,1:*,3,11', 10, [[1, 11]]],
  ['reads the whole range of numbers', '4294967295:1', 10, [[1, 4294967295]]],
  [
    'sorts',
    '9,1,5:6',
    10,
    [
      [1, 1],
      [5, 6],
      [9, 9],
    ],
  ],
  ['finds nothing by * in an empty mailbox', '*', 0, []],
]
for (const [name, text, largest, ranges] of cases) {
  test(`SequenceSet ${name}`, () => {
    assert.deepEqual(
      SequenceSet.of(text).resolve(largest),
      ranges.map(([from, to]) => ({ from, to })),
    )
  })
}

for (const text of ['', '0', '1,', ',1', '1:', ':1', '1:2:3', '01', '4294967296', '99999999999999999999', '-1', '**']) {
  test(`SequenceSet refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => SequenceSet.of(text), { code: 'IMAP_SYNTAX' })
  })
}

test('SequenceSet names the numbers that a plain reading of the grammar names', () => {
  const number = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant('*' as const))
  const item = fc.oneof(fc.tuple(number), fc.tuple(number, number))
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 30 }), (items, largest) => {
      const expected = new Set<number>()
      for (const pair of items) {
        const [a = 0, b = a] = pair.map((n) => (n === '*' ? largest : n))
        for (let n = Math.min(a, b); n <= Math.max(a, b); n++) expected.add(n)
      }
      const ranges = SequenceSet.of(items.map((pair) => pair.join(':')).join(',')).resolve(largest)
      for (let n = 1; n <= 31; n++) assert.equal(contains(ranges, n), expected.has(n), `${n}`)
      for (let i = 1; i < ranges.length; i++) assert.ok((ranges[i]?.from ?? 0) > (ranges[i - 1]?.to ?? 0) + 1)
    }),
  )
})

test('formatSequence() gives a set that names exactly its numbers', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (numbers) => {
      const sorted = numbers.toSorted((a, b) => a - b)
      const ranges = SequenceSet.of(formatSequence(sorted)).resolve(50)
      for (let n = 1; n <= 50; n++) assert.equal(contains(ranges, n), sorted.includes(n))
    }),
  )
})
