/** Which MailNodes a change of a FilterPool touches. What one look at a MailNode does is in api-server.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { API_VERSION } from '#operator/api/mod.ts'
import { ObjectCache } from '#operator/runtime/object-cache.ts'
import { mailNodesAsking } from './mail-node-controller.ts'

function mailNodes(...given: readonly [namespace: string, name: string, spec?: unknown][]): ObjectCache {
  const cache = new ObjectCache()
  for (const [namespace, name, spec] of given) {
    const metadata = { namespace, name, resourceVersion: '1' }
    cache.put({ apiVersion: API_VERSION, kind: 'MailNode', metadata, ...(spec === undefined ? {} : { spec }) })
  }
  return cache
}

test('mailNodesAsking() names the MailNodes of the same namespace whose edges ask the pool', () => {
  const asks = (pool: string) => ({ edge: { filter: { pool } } })
  const cache = mailNodes(
    ['mail', 'n1', asks('strict')],
    ['mail', 'n2', asks('other')],
    ['mail', 'n3'],
    ['elsewhere', 'n4', asks('strict')],
    ['mail', 'n5', asks('strict')],
    ['mail', 'n6', { edge: { filter: 'not understood' } }],
  )
  assert.deepEqual(mailNodesAsking('mail/strict', cache), ['mail/n1', 'mail/n5'])
  assert.deepEqual(mailNodesAsking('mail/none', cache), [])
})
