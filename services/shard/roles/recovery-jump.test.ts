import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jumpOf, uidsToPass } from './recovery-jump.ts'

const now = Date.UTC(2026, 5, 1)
const hours = (count: number) => count * 3_600_000

const cases: readonly [words: string, awayMs: number, uids: number][] = [
  ['a member that left a moment ago', 10, 2 ** 20],
  ['one that was away for ten minutes', hours(1 / 6), 1_200_000],
  ['one that was away for a day', hours(24), 172_800_000],
  ['one that was away for a year: there are other mailboxes that need UIDs', hours(8_760), 2 ** 28],
  ['one whose records come from a clock that was ahead', -hours(5), 2 ** 20],
]
for (const [words, awayMs, uids] of cases) {
  test(`${words}: ${uids} UIDs are passed over`, () => assert.equal(uidsToPass(now - awayMs, now), uids))
}

test('thousands of recoveries fit: MODSEQ stays below 2^53, UIDVALIDITY within 32 bits', () => {
  const { modSeqs, uidValidity } = jumpOf(2 ** 20, now)
  assert.ok(modSeqs * 4_096 < Number.MAX_SAFE_INTEGER)
  assert.equal(uidValidity, now / 1_000 + 86_400)
  assert.equal(jumpOf(1, Date.UTC(2200, 0, 1)).uidValidity, 2 ** 32 - 1)
})
