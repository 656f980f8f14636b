import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LsnSet } from './lsn-set.ts'

test('LsnSet holds what was added, and nothing beside it', () => {
  const set = new LsnSet()
  const members = [1, 7, 8, 9, 8_191, 8_192, 100_000, 2 ** 32 + 3]
  for (const lsn of members.slice(0, -1)) set.add(lsn)
  for (const lsn of members) assert.equal(set.has(lsn), lsn < 2 ** 32, `${lsn}`)
  for (const lsn of [0, 2, 6, 10, 8_190, 8_193, 99_999, 100_001, 1e12]) assert.equal(set.has(lsn), false, `${lsn}`)
  set.addRange(20, 40)
  assert.deepEqual(
    [19, 20, 30, 40, 41].map((lsn) => set.has(lsn)),
    [false, true, true, true, false],
  )
})
