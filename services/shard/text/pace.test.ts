import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUSY_RECORDS_PER_SECOND, REST_WHILE_BUSY } from './limits.ts'
import { Pace } from './pace.ts'

test('the text index rests as long as it worked, and many times as long while records arrive fast', () => {
  const pace = new Pace(1_000, 0)
  assert.equal(pace.rest(10, 1_000, 500), 10)
  const busy = 1_000 + 3 * BUSY_RECORDS_PER_SECOND
  assert.equal(pace.rest(10, busy, 1_500), 10 * REST_WHILE_BUSY)
  assert.equal(pace.rest(10, busy, 1_600), 10 * REST_WHILE_BUSY, 'until the next look')
  assert.equal(pace.rest(10, busy + 5, 3_000), 10)
})
