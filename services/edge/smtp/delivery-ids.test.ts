import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId } from '#lib/mail/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { DELIVERY_IDS_MEMORY_MS } from '../limits.ts'
import { DeliveryIds } from './delivery-ids.ts'

const anna = toAccountId('annaaaaaaaaaaaaa')
const carl = toAccountId('carlaaaaaaaaaaaa')
const letter = (text: string, sender = 'ben@example.net') => ({ sender, body: [Buffer.from(text)] })
const hex = (ids: readonly Uint8Array[]) => ids.map((id) => Buffer.from(id).toString('hex'))

function makeIds(): { ids: DeliveryIds; atMs: (ms: number) => void } {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  return {
    ids: new DeliveryIds(clock, nodeRandom),
    atMs(ms) {
      nowMs = ms
    },
  }
}

test('DeliveryIds gives kept ids to the same letter, cut in other pieces, in another order of recipients', () => {
  const { ids } = makeIds()
  const first = ids.idsFor(letter('hello'), [anna, carl])
  ids.keep(letter('hello'), [anna, carl], first)
  const again = ids.idsFor({ sender: 'ben@example.net', body: [Buffer.from('he'), Buffer.from('llo')] }, [carl, anna])
  assert.deepEqual(hex(again), hex(first).toReversed())
})

const others: [name: string, letter: ReturnType<typeof letter>, account: typeof anna][] = [
  ['another body of the same length', letter('jello'), anna],
  ['another sender', letter('hello', 'eve@example.net'), anna],
  ['another recipient', letter('hello'), carl],
]
for (const [name, other, account] of others) {
  test(`DeliveryIds gives new ids to ${name}`, () => {
    const { ids } = makeIds()
    const [first] = hex(ids.idsFor(letter('hello'), [anna]))
    ids.keep(letter('hello'), [anna], [Buffer.from(first ?? '', 'hex')])
    assert.notEqual(hex(ids.idsFor(other, [account]))[0], first)
  })
}

test('DeliveryIds forgets after a day', () => {
  const { ids, atMs } = makeIds()
  const first = ids.idsFor(letter('hello'), [anna])
  ids.keep(letter('hello'), [anna], first)
  atMs(DELIVERY_IDS_MEMORY_MS)
  assert.notDeepEqual(hex(ids.idsFor(letter('hello'), [anna])), hex(first))
})
