import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '#lib/ports/clock.ts'
import { TtlCache } from './cache.ts'

class HandClock implements Clock {
  now = 0
  nowMs = () => this.now
  monotonicMs = () => this.now
  after = () => () => {}
}

function world(ttlMs: (value: string) => number = () => 100, entriesMax = 10) {
  const clock = new HandClock()
  const cache = new TtlCache<string>(clock, entriesMax, ttlMs)
  let asked = 0
  const get = (key: string, value = 'v') =>
    cache.get(key, async () => {
      asked++
      return value
    })
  return { clock, cache, get, asked: () => asked }
}

test('TtlCache answers from memory until the time is over', async () => {
  const { clock, get, asked } = world()
  assert.equal(await get('a', '1'), '1')
  clock.now = 99
  assert.equal(await get('a', '2'), '1')
  clock.now = 100
  assert.equal(await get('a', '3'), '3')
  assert.equal(asked(), 2)
})

test('TtlCache keeps nothing whose time to live is zero', async () => {
  const { cache, get, asked } = world((value) => (value === 'yes' ? 100 : 0))
  await get('a', 'no')
  await get('a', 'no')
  assert.equal(asked(), 2)
  assert.equal(cache.size, 0)
})

test('TtlCache asks once for many who ask at the same time, and again after a failure', async () => {
  const { cache, get, asked } = world()
  assert.deepEqual(await Promise.all([get('a'), get('a'), get('b')]), ['v', 'v', 'v'])
  assert.equal(asked(), 2)
  await assert.rejects(
    cache.get('c', () => Promise.reject(new Error('down'))),
    /down/,
  )
  assert.equal(await get('c'), 'v')
})

test('TtlCache drops the oldest beyond its bound', async () => {
  const { cache, get, asked } = world(undefined, 2)
  for (const key of ['a', 'b', 'c']) await get(key)
  assert.equal(cache.size, 2)
  await get('c')
  assert.equal(asked(), 3)
  await get('a')
  assert.equal(asked(), 4)
})

test('TtlCache does not keep an answer that was asked for before the news', async () => {
  const { cache, get } = world()
  const { promise, resolve } = Promise.withResolvers<string>()
  const early = cache.get('a', () => promise)
  cache.forget((key) => key === 'a')
  const late = get('a', 'new')
  resolve('old')
  assert.equal(await early, 'old')
  assert.equal(await late, 'new')
  assert.equal(await get('a', 'other'), 'new')
})
