import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import type { PeerIdentity } from '#lib/tls/roles.ts'
import { worldWith } from '../mailbox/testing/world.ts'
import { encodeBatch } from '../move/batch.ts'
import { BATCH_BYTES_MAX } from '../move/limits.ts'
import { OpenCopies, serveMoveAsk, serveMoveOrder } from './move-frames.ts'

const account = toAccountId('a'.repeat(16))
const member = (owner: string): PeerIdentity => ({ role: 'member', owner })
const ask = (source: string) => Buffer.from(JSON.stringify({ kind: 'state', account, move: 'm1', source }))

const strangers: [name: string, peer: PeerIdentity][] = [
  ['a member of another MailNode', member('n2-0')],
  ['a member whose MailNode begins with the same letters', member('n11-0')],
  ['a pod that is no member', member('n1-2')],
  ['an edge of the same pod', { role: 'edge', owner: 'n1-0' }],
]
for (const [name, peer] of strangers) {
  test(`serveMoveAsk() and OpenCopies hear nothing from ${name}`, async () => {
    const { store } = await worldWith()
    await assert.rejects(serveMoveAsk(ask('n1/0'), store, peer), { code: 'FRAME_FORBIDDEN' })
    const batch = encodeBatch({ account, move: 'm1', source: toShardName('n1/0'), anew: true, records: [] })
    const copy = new OpenCopies().end(1, Buffer.concat(batch), store, peer)
    await assert.rejects(copy, { code: 'FRAME_FORBIDDEN' })
  })
}

test('a shard that takes no part in moves says so to whoever asks', async () => {
  const { store } = await worldWith()
  await assert.rejects(serveMoveAsk(ask('n1/0'), store, member('n1-1')), { code: 'STORE_MOVE' })
  const order = Buffer.from(JSON.stringify({ kind: 'list', account: null }))
  await assert.rejects(serveMoveOrder(order, store), { code: 'STORE_MOVE' })
})

test('OpenCopies ends a stream that brings more than a copy may have', () => {
  const copies = new OpenCopies()
  const piece = Buffer.alloc(1024 * 1024)
  assert.throws(
    () => {
      for (let bytes = 0; bytes <= BATCH_BYTES_MAX; bytes += piece.byteLength) copies.data(1, piece)
    },
    { code: 'FRAME_MALFORMED' },
  )
})
