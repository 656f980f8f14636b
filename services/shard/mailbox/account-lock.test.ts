import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccountLock } from './account-lock.ts'
import { turn } from './testing/world.ts'

test('AccountLock lets shared holders in together and an exclusive one alone, in order of arrival', async () => {
  const lock = new AccountLock()
  const order: string[] = []
  const note = (name: string, wait: Promise<void> | null) => {
    if (wait === null) order.push(name)
    else void wait.then(() => order.push(name))
  }
  note('shared 1', lock.shared())
  note('shared 2', lock.shared())
  note('exclusive 1', lock.exclusive())
  note('shared 3', lock.shared())
  note('shared 4', lock.shared())
  note('exclusive 2', lock.exclusive())
  await turn()
  assert.deepEqual(order, ['shared 1', 'shared 2'])
  lock.releaseShared()
  lock.releaseShared()
  await turn()
  assert.deepEqual(order.slice(2), ['exclusive 1'])
  lock.releaseExclusive()
  await turn()
  assert.deepEqual(order.slice(3), ['shared 3', 'shared 4'])
  lock.releaseShared()
  lock.releaseShared()
  await turn()
  assert.deepEqual(order.slice(5), ['exclusive 2'])
  assert.equal(lock.idle, false)
  lock.releaseExclusive()
  assert.equal(lock.idle, true)
})
