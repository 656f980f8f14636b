import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUSY_LOAD, REST_WHILE_BUSY } from './limits.ts'
import { Pace } from './pace.ts'

test('the text index rests as long as it worked, and many times as long while the process has much to do', () => {
  let load = 1 // of the start, which does not count
  const pace = new Pace(() => load, 0)
  load = BUSY_LOAD + 0.1
  assert.equal(pace.rest(10, 500), 10)
  assert.equal(pace.rest(10, 1_500), 10 * REST_WHILE_BUSY)
  load = 0
  assert.equal(pace.rest(10, 1_600), 10 * REST_WHILE_BUSY, 'until the next look')
  assert.equal(pace.rest(10, 3_000), 10)
})
