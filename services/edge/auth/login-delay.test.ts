import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { LOGINS_REMEMBERED_MAX } from '../limits.ts'
import { LoginDelay } from './login-delay.ts'

const ANNA = toAccountId('a'.repeat(16))
const BERT = toAccountId('b'.repeat(16))

function delayOf(seconds: number) {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  const wait = (ms: number) => {
    nowMs += ms
  }
  return { delay: new LoginDelay(clock, seconds), wait }
}

test('LoginDelay holds who has logged in, and nobody else, until the time is over', () => {
  const { delay, wait } = delayOf(60)
  assert.equal(delay.tooSoon(ANNA), false)
  delay.loggedIn(ANNA)
  assert.deepEqual([delay.tooSoon(ANNA), delay.tooSoon(BERT)], [true, false])
  wait(59_999)
  assert.equal(delay.tooSoon(ANNA), true)
  wait(1)
  assert.equal(delay.tooSoon(ANNA), false)
})

test('LoginDelay counts from the last login, not from tries that were refused', () => {
  const { delay, wait } = delayOf(60)
  delay.loggedIn(ANNA)
  wait(50_000)
  assert.equal(delay.tooSoon(ANNA), true)
  wait(10_000)
  delay.loggedIn(ANNA)
  wait(30_000)
  assert.equal(delay.tooSoon(ANNA), true)
})

test('LoginDelay of 0 holds nobody', () => {
  const { delay } = delayOf(0)
  delay.loggedIn(ANNA)
  assert.equal(delay.tooSoon(ANNA), false)
})

test('LoginDelay forgets the oldest beyond its bound', () => {
  const { delay } = delayOf(60)
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const id = (n: number) =>
    toAccountId([...String(n).padStart(16, '0')].map((digit) => letters[Number(digit)]).join(''))
  for (let n = 0; n <= LOGINS_REMEMBERED_MAX; n++) delay.loggedIn(id(n))
  assert.deepEqual([delay.tooSoon(id(0)), delay.tooSoon(id(1))], [false, true])
})
