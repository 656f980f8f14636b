import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dateArgument, dateTimeArgument, dayOf, formatDateTime } from './dates.ts'
import { Tokens } from './tokens.ts'

const times: [text: string, ms: number | null][] = [
  ['"17-Jul-1996 02:44:25 -0700"', Date.UTC(1996, 6, 17, 9, 44, 25)],
  ['" 1-jan-2026 00:00:00 +0530"', Date.UTC(2025, 11, 31, 18, 30, 0)],
  ['"31-Dec-2016 23:59:60 +0000"', Date.UTC(2017, 0, 1)],
  ['"01-Jan-0050 00:00:00 +0000"', Date.parse('0050-01-01T00:00:00Z')],
  ['"31-Feb-2026 00:00:00 +0000"', null],
  ['"1-Jan-2026 00:00:00 +0000"', null],
  ['"01-Foo-2026 00:00:00 +0000"', null],
  ['"01-Jan-2026 24:00:00 +0000"', null],
  ['"01-Jan-2026 00:00:00 +9900"', null],
  ['"01-Jan-2026 00:00:00"', null],
]
for (const [text, ms] of times) {
  test(`dateTimeArgument() ${ms === null ? 'refuses' : 'reads'} ${text}`, () => {
    if (ms === null) assert.throws(() => dateTimeArgument(new Tokens([text])), { code: 'IMAP_SYNTAX' })
    else assert.equal(dateTimeArgument(new Tokens([text])), ms)
  })
}

test('formatDateTime() gives what dateTimeArgument() reads back', () => {
  const seconds = fc.integer({ min: -62_000_000_000, max: 250_000_000_000 })
  fc.assert(
    fc.property(seconds, (second) => {
      assert.equal(dateTimeArgument(new Tokens([formatDateTime(second * 1000)])), second * 1000)
    }),
  )
})

test('dateArgument() gives the day of midnight UTC', () => {
  assert.equal(dateArgument(new Tokens(['24-Nov-2026'])), dayOf(Date.UTC(2026, 10, 24)))
  assert.equal(dateArgument(new Tokens(['"1-feb-1970"'])), 31)
})
