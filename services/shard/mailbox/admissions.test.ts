import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { Admissions } from './admissions.ts'

const ANNA = toAccountId('a'.repeat(16))
const BEN = toAccountId('b'.repeat(16))

function admissions(): { admissions: Admissions; pass: (seconds: number) => void } {
  let ms = 0
  const clock: Clock = { nowMs: () => 0, monotonicMs: () => ms, after: () => () => {} }
  return {
    admissions: new Admissions(clock),
    pass: (seconds) => {
      ms += seconds * 1000
    },
  }
}

test('redeem() lets in once, the account that was admitted, in time', () => {
  const { admissions: open, pass } = admissions()
  assert.equal(open.redeem(ANNA, 't1'), false)
  assert.equal(open.admit(ANNA, 't1', 60), true)
  assert.equal(open.admit(ANNA, 't1', 60), false)
  assert.equal(open.redeem(BEN, 't1'), false)
  assert.equal(open.redeem(ANNA, 't1'), true)
  assert.equal(open.redeem(ANNA, 't1'), false)
  open.admit(ANNA, 't2', 60)
  pass(61)
  assert.equal(open.redeem(ANNA, 't2'), false)
})

test('admit() forgets the oldest rather than growing without end', () => {
  const { admissions: open } = admissions()
  for (let i = 0; i < 1_001; i++) open.admit(ANNA, `t${i}`, 60)
  assert.equal(open.redeem(ANNA, 't0'), false)
  assert.equal(open.redeem(ANNA, 't1'), true)
})
