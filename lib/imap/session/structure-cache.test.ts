import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from '#lib/mime/mod.ts'
import { LruStructureCache } from './structure-cache.ts'

const small = parseMessage(Buffer.from('Subject: x\r\n\r\n'))
const monster = parseMessage(
  Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(20)}--b--\r\n`),
)

test('LruStructureCache forgets what was used least recently', () => {
  const cache = new LruStructureCache(4)
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, small)
  assert.equal(cache.get('a'), small)
  cache.set('e', small)
  assert.equal(cache.get('b'), undefined)
  assert.equal(cache.get('a'), small)
})

test('LruStructureCache keeps a structure once, however often it is set', () => {
  const cache = new LruStructureCache(4)
  cache.set('a', small)
  for (let i = 0; i < 10; i++) cache.set('b', small)
  assert.equal(cache.get('a'), small)
})

test('LruStructureCache does not let one monster push out everything', () => {
  const cache = new LruStructureCache(40)
  cache.set('a', small)
  cache.set('monster', monster)
  assert.equal(cache.get('monster'), undefined)
  assert.equal(cache.get('a'), small)
})
