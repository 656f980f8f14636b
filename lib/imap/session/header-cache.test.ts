import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Headers } from '#lib/mime/mod.ts'
import { LruHeaderCache } from './header-cache.ts'

const header = (subject: string, envelope: string | null = null) => ({
  headers: new Headers(Buffer.from(`Subject: ${subject}\r\n\r\n`)),
  envelope,
  threadId: null,
})

test('what was set is found, with the envelope that was added to it', () => {
  const cache = new LruHeaderCache(100_000)
  cache.set('a', header('one', '(...)'))
  assert.equal(cache.get('a')?.headers.first('subject'), 'one')
  assert.equal(cache.get('a')?.envelope, '(...)')
  assert.equal(cache.get('b'), undefined)
})

test('the least recently used go first', () => {
  const cache = new LruHeaderCache(64 * 200)
  for (let i = 0; i < 60; i++) {
    cache.set(`${i}`, header(`${i}`))
    cache.get('0')
  }
  for (let i = 60; i < 90; i++) {
    cache.set(`${i}`, header(`${i}`))
    cache.get('0')
  }
  assert.notEqual(cache.get('0'), undefined)
  assert.notEqual(cache.get('89'), undefined)
  assert.equal(cache.get('1'), undefined)
})

test('a header that would push out many others is not kept', () => {
  const cache = new LruHeaderCache(64 * 1_000)
  cache.set('a', header('x'.repeat(1_000)))
  assert.equal(cache.get('a'), undefined)
})
