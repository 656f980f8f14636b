import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  baseName,
  type Generation,
  generationFor,
  generationName,
  pieceName,
  reachOf,
  readGeneration,
  superfluous,
} from './catalogue.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const NOW_MS = 1_795_000_000_000
const TAG = '0123456789abcdef'
const CHAIN = 'fedcba9876543210'

/** @param pieces As `1-4`. @param base LSN and days ago; null: never completed */
function generation(
  begunDaysAgo: number,
  pieces: readonly string[],
  base: readonly [number, number] | null,
): Generation {
  const objects = pieces.map((range) => {
    const [first = 0, last = 0] = range.split('-').map(Number)
    return pieceName({ first, last, newestMs: NOW_MS, chain: CHAIN })
  })
  if (base !== null) objects.push(baseName(base[0], NOW_MS - base[1] * DAY_MS))
  const read = readGeneration(generationName(NOW_MS - begunDaysAgo * DAY_MS, TAG), objects)
  assert.ok(read)
  return read
}

const reaches: [pieces: string[], chosen: string[], last: number][] = [
  [[], [], 0],
  [['2-9'], [], 0],
  [['1-4', '5-9'], ['1-4', '5-9'], 9],
  [['1-4', '6-9'], ['1-4'], 4],
  // Two primaries wrote at the same time.
  [['1-4', '1-6', '5-8', '7-9', '5-9'], ['1-6', '5-9'], 9],
  [['1-4', '3-8', '5-6', '9-9'], ['1-4', '3-8', '9-9'], 9],
]
for (const [pieces, chosen, last] of reaches) {
  test(`reachOf() of ${pieces.join(' ') || 'nothing'} goes to ${last}`, () => {
    const reach = reachOf(generation(1, pieces, null))
    assert.equal(reach.lastLsn, last)
    assert.deepEqual(
      reach.pieces.map((piece) => `${piece.first}-${piece.last}`),
      chosen,
    )
  })
}

test('readGeneration() knows its own names and passes over others', () => {
  assert.equal(readGeneration('lost+found', []), null)
  assert.deepEqual(readGeneration(generationName(5, TAG), ['README', 'x.piece', 'base-1-2'])?.pieces, [])
})

const old = generation(20, ['1-9'], [5, 19])
const middle = generation(12, ['1-7', '8-20'], [15, 11])
const newest = generation(4, ['1-30'], [25, 3])
const torn = generation(2, ['1-10'], null)
const hollow = generation(1, ['1-10', '12-40'], [38, 1])
const all = [old, middle, newest, torn, hollow]

const wanted: [what: string, daysAgo: number | null, expected: Generation | null][] = [
  ['the newest that is whole', null, newest],
  ['yesterday', 1, newest],
  ['five days ago', 5, middle],
  ['fifteen days ago', 15, old],
  ['before the first was complete', 19.5, null],
]
for (const [what, daysAgo, expected] of wanted) {
  test(`generationFor() finds ${what}`, () => {
    const found = generationFor(all, daysAgo === null ? null : NOW_MS - daysAgo * DAY_MS)
    assert.equal(found?.name, expected?.name)
  })
}

test('superfluous() keeps what somebody may want to go back to', () => {
  const names = (keepDays: number, inUse: readonly Generation[] = [newest]) =>
    superfluous(all, new Set(inUse.map(({ name }) => name)), keepDays * DAY_MS, NOW_MS).map(({ name }) => name)
  // Fourteen days back is before the second one was complete: only the first can tell.
  assert.deepEqual(names(14), [])
  assert.deepEqual(names(10), [old.name])
  assert.deepEqual(names(2), [old.name, middle.name])
  // One that was begun and given up goes when a complete one was begun after it.
  const after = generation(0.5, ['1-50'], [45, 0.4])
  assert.deepEqual(
    superfluous([torn, hollow, after], new Set([after.name]), 14 * DAY_MS, NOW_MS).map(({ name }) => name),
    [torn.name, hollow.name],
  )
  assert.deepEqual(superfluous([torn], new Set(), 0, NOW_MS), [], 'with none complete nothing goes')
})
