import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FilterWish, NO_WISH } from '#lib/filter/settings.ts'
import { changedWish, type WishChange } from './filter-wish.ts'

const OLD: FilterWish = { level: 'low', allow: ['a.example'], deny: ['b.example'] }
const change = (more: Partial<WishChange>): WishChange => ({ level: null, allow: [], deny: [], forget: [], ...more })

const changes: [name: string, old: FilterWish, change: WishChange, want: FilterWish][] = [
  ['keeps what is not named', OLD, change({}), OLD],
  ['sets a level', OLD, change({ level: 'strict' }), { ...OLD, level: 'strict' }],
  ['takes a level back', OLD, change({ level: 'default' }), { ...OLD, level: null }],
  [
    'adds entries in canonical form, once',
    OLD,
    change({ allow: ['C.example', 'a.example', 'Ann@Bücher.example'] }),
    { ...OLD, allow: ['a.example', 'ann@xn--bcher-kva.example', 'c.example'] },
  ],
  [
    'moves an entry to the other list',
    OLD,
    change({ deny: ['a.example'] }),
    { ...OLD, allow: [], deny: ['a.example', 'b.example'] },
  ],
  ['forgets entries', OLD, change({ level: 'default', forget: ['A.example', 'b.example'] }), NO_WISH],
]
for (const [name, old, wanted, want] of changes) {
  test(`changedWish() ${name}`, () => assert.deepEqual(changedWish(old, wanted), { kind: 'wish', wish: want }))
}

for (const wrong of [{ level: 'all' }, { allow: ['a b'] }, { forget: ['-.example'] }]) {
  test(`changedWish() names ${JSON.stringify(wrong)}`, () => {
    assert.deepEqual(changedWish(OLD, change(wrong)), { kind: 'mistake', what: Object.values(wrong).flat()[0] })
  })
}

test('changedWish() bounds a list', () => {
  const many = Array.from({ length: 101 }, (_, i) => `d${i}.example`)
  assert.deepEqual(changedWish(OLD, change({ deny: many })), { kind: 'too-many', most: 100 })
})
