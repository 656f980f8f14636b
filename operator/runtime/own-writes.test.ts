import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from './kube-object.ts'
import { OwnWrites } from './own-writes.ts'

function version(resourceVersion: string, uid = 'u1'): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n', uid, resourceVersion } }
}

test('what was written counts until the cache has it or a newer one', () => {
  const writes = new OwnWrites()
  const cached = version('9')
  assert.equal(writes.newest(cached), cached)
  const own = version('10')
  writes.note(own)
  assert.equal(writes.newest(cached), own, '9 is older than 10, as numbers')
  const newer = version('11')
  assert.equal(writes.newest(newer), newer)
  assert.equal(writes.newest(cached), cached, 'it was forgotten then')
})

test('an object of another life, or a version that is no number, is not compared', () => {
  const writes = new OwnWrites()
  writes.note(version('10'))
  const reborn = version('5', 'u2')
  assert.equal(writes.newest(reborn), reborn)
  writes.note(version('x10'))
  const cached = version('5')
  assert.equal(writes.newest(cached), cached)
})
