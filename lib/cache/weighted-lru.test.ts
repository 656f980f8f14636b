import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeightedLru } from './weighted-lru.ts'

test('the least recently used go first, and get() is a use', () => {
  const lru = new WeightedLru<string, number>(10)
  lru.set('a', 1, 4)
  lru.set('b', 2, 4)
  assert.equal(lru.get('a'), 1)
  lru.set('c', 3, 4)
  assert.equal(lru.get('b'), undefined)
  assert.deepEqual([lru.get('a'), lru.get('c'), lru.weight], [1, 3, 8])
})

test('an entry that is set again counts once, with its new weight', () => {
  const lru = new WeightedLru<string, number>(10)
  lru.set('a', 1, 4)
  lru.set('a', 2, 9)
  assert.deepEqual([lru.get('a'), lru.weight], [2, 9])
})

test('take() gives a value once', () => {
  const lru = new WeightedLru<string, number>(10)
  lru.set('a', 1, 4)
  assert.deepEqual([lru.take('a'), lru.take('a'), lru.weight], [1, undefined, 0])
})

test('what alone weighs too much is not kept', () => {
  const lru = new WeightedLru<string, number>(10)
  lru.set('a', 1, 4)
  lru.set('b', 2, 11)
  assert.deepEqual([lru.get('a'), lru.get('b'), lru.weight], [undefined, undefined, 0])
})
