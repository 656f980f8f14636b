import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeptBodies } from './kept-bodies.ts'

test('KeptBodies gives each body once and lets the longest unused go', () => {
  const kept = new KeptBodies(250)
  const bodies = [1, 2, 3].map((n) => Buffer.alloc(100, n))
  for (const [i, body] of bodies.entries()) kept.keep(i, body)
  assert.equal(kept.take(0), undefined)
  assert.equal(kept.take(1), bodies[1])
  assert.equal(kept.take(1), undefined)
  kept.keep(1, Buffer.alloc(100))
  kept.keep(4, Buffer.alloc(100))
  assert.equal(kept.take(2), undefined)
  kept.keep(5, Buffer.alloc(300))
  for (const lsn of [1, 4, 5]) assert.equal(kept.take(lsn), undefined)
})
