import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  intersectRanges,
  mergeRanges,
  type Range,
  type Ranges,
  rangesOf,
  rangeTexts,
  subtractRanges,
} from './ranges.ts'

const range: fc.Arbitrary<Range> = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 }))
  .map(([from, length]) => ({ from, to: from + length }))
const someRanges = fc.array(range, { maxLength: 8 })

function members(ranges: readonly Range[]): Set<number> {
  const all = new Set<number>()
  for (const { from, to } of ranges) for (let n = from; n <= to; n++) all.add(n)
  return all
}

function assertProper(ranges: Ranges): void {
  ranges.forEach(({ from, to }, i) => {
    assert.ok(from <= to)
    const next = ranges[i + 1]
    assert.ok(next === undefined || next.from > to, 'ascending, without overlap')
  })
}

test('mergeRanges(), intersectRanges() and subtractRanges() do what sets of numbers do', () => {
  fc.assert(
    fc.property(someRanges, someRanges, (x, y) => {
      const [a, b] = [mergeRanges(x), mergeRanges(y)]
      const [inA, inB] = [members(x), members(y)]
      assert.deepEqual(members(a), inA)
      const both = intersectRanges(a, b)
      assert.deepEqual(members(both), inA.intersection(inB))
      const left = subtractRanges(a, b)
      assert.deepEqual(
        [...members(left)].sort((m, n) => m - n),
        [...inA.difference(inB)].sort((m, n) => m - n),
      )
      for (const ranges of [a, both, left]) assertProper(ranges)
    }),
  )
})

test('rangesOf() and rangeTexts() say the same numbers, in lines of bounded length', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 500 })),
      fc.integer({ min: 0, max: 30 }),
      (numbers, bytesMax) => {
        numbers.sort((a, b) => a - b)
        const texts = [...rangeTexts(rangesOf(numbers), bytesMax)]
        const said = texts.flatMap((text) =>
          text.split(',').flatMap((item) => {
            const [from = 0, to = from] = item.split(':').map(Number)
            return [...members([{ from, to }])]
          }),
        )
        assert.deepEqual(said, numbers)
        // One range more than the limit: at most `,500:500`.
        for (const text of texts) assert.ok(text.length <= bytesMax + 8)
      },
    ),
  )
})
