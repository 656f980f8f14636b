import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTurns } from './in-turns.ts'

async function* numbers(count: number, read: { last: number }): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    read.last = i
    yield i
  }
}

test('inTurns() works on all items, never more at once, and reads no farther', async () => {
  const read = { last: -1 }
  let busy = 0
  let most = 0
  let done = 0
  await inTurns(numbers(100, read), 7, async (item) => {
    most = Math.max(most, ++busy)
    assert.ok(read.last - done <= 7, 'what is read and not done')
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(item <= read.last)
    busy--
    done++
  })
  assert.equal(done, 100)
  assert.equal(most, 7)
})

test('inTurns() ends at a failure, when what was begun is done', async () => {
  const read = { last: -1 }
  let begun = 0
  let done = 0
  await assert.rejects(
    inTurns(numbers(100, read), 4, async (item) => {
      begun++
      await new Promise((resolve) => setImmediate(resolve))
      if (item === 5) throw new Error('no more')
      done++
    }),
    /no more/,
  )
  assert.equal(done, begun - 1)
  assert.ok(read.last < 15)
})
