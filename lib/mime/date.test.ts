import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDate, parseDate } from './date.ts'

const cases: [value: string, expected: string | null, zoneMinutes?: number][] = [
  ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06Z', -360],
  ['Tue, 1 Jul 2003 10:52:37 +0200', '2003-07-01T08:52:37Z', 120],
  ['1 Jul 2003 10:52 +0530', '2003-07-01T05:22:00Z', 330],
  [
    'Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)',
    '1969-02-14T03:02:00Z',
    -210,
  ],
  ['21 Nov 97 09:55:06 GMT', '1997-11-21T09:55:06Z', 0],
  ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06Z', -360],
  ['21 Nov 49 09:55:06 UT', '2049-11-21T09:55:06Z', 0],
  ['21 Nov 50 09:55:06 UT', '1950-11-21T09:55:06Z', 0],
  ['21 Nov 101 09:55:06 UT', '2001-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06 EST', '1997-11-21T14:55:06Z', -300],
  ['21 Nov 1997 09:55:06 pdt', '1997-11-21T16:55:06Z', -420],
  ['21 Nov 1997 09:55:06 Z', '1997-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06 A', '1997-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06 MEST', '1997-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06', '1997-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06 -0000', '1997-11-21T09:55:06Z', 0],
  ['21 Nov 1997 09:55:06 GMT+0800', '1997-11-21T01:55:06Z', 480],
  ['21 Nov 1997 09:55:06 +08:00', '1997-11-21T01:55:06Z', 480],
  ['21 Nov 1997 09:55:06 +9959', '1997-11-21T09:55:06Z', 0],
  ['Friday, 21-Nov-97 09:55:06 GMT', '1997-11-21T09:55:06Z', 0],
  ['21 November 1997 09:55:06 +0000', '1997-11-21T09:55:06Z', 0],
  ['Fri Nov 21 09:55:06 1997', '1997-11-21T09:55:06Z', 0],
  ['Fri Nov 21 09:55:06 PST 1997', '1997-11-21T17:55:06Z', -480],
  ['Fri Nov 21 09:55:06 1997 +0100', '1997-11-21T08:55:06Z', 60],
  ['Fri, 30 Jun 1972 23:59:60 +0000', '1972-07-01T00:00:00Z', 0],
  ['29 Feb 2024 00:00:00 +0000', '2024-02-29T00:00:00Z', 0],
  ['29 Feb 2023 00:00:00 +0000', null],
  ['0 Jan 2023 00:00:00 +0000', null],
  ['31 Jun 2023 00:00:00 +0000', null],
  ['1 Jan 2023 24:00:00 +0000', null],
  ['1 Jan 2023 00:60:00 +0000', null],
  ['1 Foo 2023 00:00:00 +0000', null],
  ['2023-01-01T00:00:00Z', null],
  ['yesterday', null],
  ['', null],
  [`${' '.repeat(1000)}1 Jan 2023 00:00:00 +0000`, null],
  ['('.repeat(1000), null],
]

for (const [value, expected, zoneMinutes] of cases) {
  test(`parseDate() reads ${JSON.stringify(value.slice(0, 60))}`, () => {
    const seen = parseDate(value)
    if (expected === null) assert.equal(seen, null)
    else assert.deepEqual(seen, { ms: Date.parse(expected), zoneMinutes })
  })
}

test('formatDate() writes the clock of the zone', () => {
  const ms = Date.parse('2026-11-24T07:52:43Z')
  assert.equal(formatDate(ms), 'Tue, 24 Nov 2026 07:52:43 +0000')
  assert.equal(formatDate(ms, 480), 'Tue, 24 Nov 2026 15:52:43 +0800')
  assert.equal(formatDate(ms, -570), 'Mon, 23 Nov 2026 22:22:43 -0930')
})

test('parseDate() reads back what formatDate() writes', () => {
  const seconds = fc.integer({ min: Date.parse('1900-01-02') / 1000, max: Date.parse('9999-12-30') / 1000 })
  fc.assert(
    fc.property(seconds, fc.integer({ min: -1439, max: 1439 }), (second, zoneMinutes) => {
      assert.deepEqual(parseDate(formatDate(second * 1000, zoneMinutes)), { ms: second * 1000, zoneMinutes })
    }),
  )
})

test('parseDate() survives arbitrary text', () => {
  const piece = fc.constantFrom('1', '23', '2023', ' ', 'Jan', ':', '00', '+', '-', '0800', '(', ')', ',', 'GMT', '\\')
  fc.assert(
    fc.property(fc.array(piece, { size: 'max', maxLength: 20 }), (pieces) => {
      const seen = parseDate(pieces.join(''))
      assert.ok(seen === null || Number.isSafeInteger(seen.ms))
    }),
  )
})
