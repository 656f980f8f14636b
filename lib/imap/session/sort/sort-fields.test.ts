import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Headers } from '#lib/mime/mod.ts'
import { LruSortFieldsCache, NO_FIELDS, sortFields } from './sort-fields.ts'

const fields = (...lines: string[]) => sortFields(new Headers(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)))

test('sortFields() of an empty header are those of a letter whose bytes are gone', () => {
  assert.deepEqual(fields(''), NO_FIELDS)
})

test('sortFields() decodes and folds', () => {
  const { subject, reply, from, displayFrom } = fields(
    'Subject: =?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=',
    'From: =?utf-8?b?5pyx?= <Anna@example.test>',
  )
  assert.deepEqual([subject, reply, from, displayFrom], ['GRU\u0308ßE', true, 'ANNA', '朱'])
})

test('sortFields() shows an address without name as a whole, and a group by its name (RFC 5957 section 3)', () => {
  const { from, displayFrom, to, displayTo } = fields('From: anna@example.test', 'To: the team: bob@example.test;')
  assert.deepEqual([from, displayFrom, to, displayTo], ['ANNA', 'ANNA@EXAMPLE.TEST', 'THE TEAM', 'THE TEAM'])
})

const ids: [lines: string[], references: string[]][] = [
  [
    ['References: <a@x> <b@x>', 'In-Reply-To: <c@x>'],
    ['a@x', 'b@x'],
  ],
  [['References: garbage', 'In-Reply-To: <c@x> <d@x>'], ['c@x']],
  [['In-Reply-To: your letter of Monday <c@x>'], ['c@x']],
  [['References: <"a"@x><"b \\" c"@y>'], ['a@x', 'b " c@y']],
  [['References: <no-at> <@x> <a@> <ok@x>'], ['ok@x']],
]
for (const [lines, references] of ids) {
  test(`sortFields() finds ${JSON.stringify(references)} in ${JSON.stringify(lines)}`, () => {
    assert.deepEqual(fields(...lines).references, references)
  })
}

test('sortFields() keeps the nearest of very many ancestors', () => {
  const all = Array.from({ length: 5000 }, (_, i) => `<${i}@x>`)
  const { references } = fields(`References: ${all.join('\r\n ')}`)
  assert.equal(references.length, 100)
  assert.equal(references.at(-1), '4999@x')
})

test('sortFields() takes time in proportion to hostile message ids', () => {
  for (const piece of ['<"', '<"a', '<a', '<"\\', '"<@', '<a@']) {
    const began = process.cpuUsage().user
    fields(`References: ${piece.repeat(100_000)}`)
    assert.ok(process.cpuUsage().user - began < 1_000_000, piece)
  }
})

test('LruSortFieldsCache keeps within its bound and does not keep monsters', () => {
  const cache = new LruSortFieldsCache(64_000)
  for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, NO_FIELDS)
  assert.equal(cache.get('key 0'), undefined)
  assert.equal(cache.get('key 999'), NO_FIELDS)
  cache.set('monster', { ...NO_FIELDS, subject: 'x'.repeat(2000) })
  assert.equal(cache.get('monster'), undefined)
})
