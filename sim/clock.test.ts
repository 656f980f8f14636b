import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimClock } from './clock.ts'
import { World } from './world.ts'

test('run() lets all promise jobs of an event run before the next event', async () => {
  const clock = new SimClock()
  const told: string[] = []
  const jobs = async (name: string) => {
    for (let i = 0; i < 50; i++) await null
    told.push(name)
  }
  clock.after(1, () => void jobs('first'))
  clock.after(1, () => told.push('second'))
  clock.after(3, () => told.push('too late'))
  assert.equal(await clock.run(() => false, 2), false)
  assert.deepEqual([told, clock.nowMs], [['first', 'second'], 2])
  assert.equal(await clock.run(() => told.length === 3, 10), true)
  assert.equal(clock.nowMs, 3)
})

test('run() rejects with what an event throws, and can go on after that', async () => {
  const clock = new SimClock()
  clock.after(1, () => {
    throw new RangeError('thrown by an event')
  })
  await assert.rejects(
    clock.run(() => false, 5),
    RangeError,
  )
  assert.equal(await clock.run(() => false, 5), false)
})

test('after() runs events of one time in the order in which they were asked for, and no cancelled one', async () => {
  const clock = new SimClock()
  const told: number[] = []
  const cancels = [3, 1, 2, 1, 3, 2, 1].map((ms, i) => clock.after(ms, () => told.push(i)))
  cancels[3]?.()
  await clock.run(() => false, Number.POSITIVE_INFINITY)
  assert.deepEqual([told, clock.eventCount], [[1, 6, 2, 5, 0, 4], 6])
})

test('A timer does not fire early by the clock of its own process, however fast that clock goes', async () => {
  const world = new World(1)
  await world.pass(12_345.678)
  for (const rate of [1, 0.97, 1.03, 0.99, 1.01]) {
    const machine = world.machine(`rate ${rate}`)
    machine.clockRate = rate
    const { clock } = machine.boot()
    for (const delayMs of [0.1, 1, 7 / 3, 50, 1_799.9]) {
      const sinceMs = clock.monotonicMs()
      let waitedMs = 0
      clock.after(delayMs, () => {
        waitedMs = clock.monotonicMs() - sinceMs
      })
      await world.pass(delayMs * 2)
      assert.ok(waitedMs >= delayMs && waitedMs < delayMs + 0.01, `${delayMs} at ${rate} took ${waitedMs}`)
    }
  }
})
