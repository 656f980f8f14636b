import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '#lib/log/logger.ts'
import { SimClock } from '#sim/clock.ts'
import { followFenceWish } from './fence-wish.ts'

/** Looks that are due are made, with all that follows from them. */
function setUp(read: () => string | null, answers: boolean[]) {
  const world = new SimClock()
  const clock = {
    nowMs: () => world.nowMs,
    monotonicMs: () => world.nowMs,
    after: (delayMs: number, action: () => void) => world.after(delayMs, action),
  }
  const commands: string[] = []
  const stop = followFenceWish({
    read,
    async command({ kind }) {
      commands.push(kind)
      const done = answers.shift() ?? true
      return { done, words: done ? 'done' : 'nobody can take over' }
    },
    clock,
    logger: silentLogger,
  })
  return { world, commands, stop }
}

test('A wish is carried out once, and again when it changed', async () => {
  let text: string | null = null
  const { world, commands, stop } = setUp(() => text, [])
  const later = () => world.run(() => false, world.nowMs + 10_000)
  await later()
  assert.deepEqual(commands, [], 'no file, no wish: a fence that stands is left alone')
  text = ''
  await later()
  assert.deepEqual(commands, [])
  text = 'true\n'
  await later()
  assert.deepEqual(commands, ['fence'])
  text = 'false'
  await later()
  assert.deepEqual(commands, ['fence', 'unfence'])
  text = ''
  await later()
  text = 'true'
  await later()
  assert.deepEqual(commands, ['fence', 'unfence', 'fence'])
  stop()
  text = 'false'
  await later()
  assert.deepEqual(commands, ['fence', 'unfence', 'fence'])
})

test('A fence that nobody could relieve is tried again until it is done', async () => {
  const { world, commands, stop } = setUp(() => 'true', [false, false, true])
  await world.run(() => false, world.nowMs + 20_000)
  assert.deepEqual(commands, ['fence', 'fence', 'fence'])
  stop()
})
