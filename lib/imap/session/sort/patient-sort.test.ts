import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patientSort } from './patient-sort.ts'

test('patientSort() is the stable sort of the language, with turns for others in between', async () => {
  for (const length of [0, 1, 1023, 1024, 1025, 30_000]) {
    const items = Array.from({ length }, (_, i) => ({ i, key: (i * 7919) % 101 }))
    let pauses = 0
    const sorted = await patientSort(
      items,
      (a, b) => a.key - b.key,
      async () => {
        pauses++
      },
    )
    assert.deepEqual(
      sorted,
      items.toSorted((a, b) => a.key - b.key),
    )
    if (length === 30_000) assert.ok(pauses >= length / 8192)
  }
})
