import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoop } from './loop.ts'

/** A clock whose timers the test fires by hand. */
function handClock() {
  const timers: { delayMs: number; action: () => void }[] = []
  return {
    timers,
    clock: {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after(delayMs: number, action: () => void) {
        const timer = { delayMs, action }
        timers.push(timer)
        return () => {
          const at = timers.indexOf(timer)
          if (at >= 0) timers.splice(at, 1)
        }
      },
    },
  }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('createLoop() runs once for many pokes, and once more for those that came meanwhile', async () => {
  const { clock } = handClock()
  let runs = 0
  let release = () => {}
  const loop = createLoop({
    clock,
    failed: () => {},
    work: async () => {
      runs++
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return null
    },
  })
  loop.poke()
  loop.poke()
  assert.equal(runs, 1)
  loop.poke()
  release()
  await turn()
  assert.equal(runs, 2)
  release()
  await turn()
  assert.equal(runs, 2)
  await loop.stop()
})

test('createLoop() tries failed work again, later and later, and from the start after a success', async () => {
  const { clock, timers } = handClock()
  const waits: number[] = []
  let fail = true
  const loop = createLoop({
    clock,
    failed: (_message, retryMs) => waits.push(retryMs),
    work: async () => {
      if (fail) throw new Error('no')
      return null
    },
  })
  const fire = async () => {
    timers.shift()?.action()
    await turn()
  }
  loop.poke()
  await turn()
  for (let i = 0; i < 7; i++) await fire()
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  fail = false
  await fire()
  assert.equal(timers.length, 0)
  fail = true
  loop.poke()
  await turn()
  assert.equal(waits.at(-1), 100)
  await loop.stop()
  assert.equal(timers.length, 0)
})
