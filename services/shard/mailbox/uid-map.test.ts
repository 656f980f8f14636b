import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toUid } from '#lib/mail/types.ts'
import { UidMap } from './uid-map.ts'

test('UidMap equals a sorted list, and what it gave out before never changes', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ remove: fc.array(fc.nat(40), { maxLength: 6 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const map = new UidMap(new Uint32Array(0))
      let model: number[] = []
      let next = 1
      const given: { uids: Uint32Array; exists: number; held: number[] }[] = []
      for (const one of steps) {
        if ('add' in one) {
          for (let i = 0; i < one.add; i++) {
            map.add(toUid(next))
            model.push(next++)
          }
        } else {
          const gone = model.filter((_, i) => one.remove.includes(i))
          map.remove(gone.map(toUid))
          model = model.filter((uid) => !gone.includes(uid))
        }
        given.push({ uids: map.uids, exists: map.exists, held: [...model] })
        for (let uid = 1; uid < next; uid++) assert.equal(map.has(toUid(uid)), model.includes(uid))
        assert.equal(map.countBetween(3, 9), model.filter((uid) => uid >= 3 && uid <= 9).length)
      }
      for (const { uids, exists, held } of given) assert.deepEqual(Array.from(uids.subarray(0, exists)), held)
    }),
  )
})
