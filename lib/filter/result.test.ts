import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeOutcome, encodeOutcome, type FilterOutcome } from './result.ts'

const outcomes: FilterOutcome[] = [
  { action: 'accept', level: 'standard', spam: 0, reasons: [] },
  { action: 'quarantine', level: 'off', spam: 12.5, reasons: ['virus Eicar (clamd)', 'spam 12.50 (bayes)'] },
  { action: 'accept', level: 'low', spam: null, reasons: ['clamd failed'] },
]
for (const outcome of outcomes) {
  test(`decodeOutcome() reads ${JSON.stringify(outcome)}`, () => {
    assert.deepEqual(decodeOutcome(encodeOutcome(outcome)), outcome)
    assert.deepEqual(decodeOutcome(encodeOutcome(outcome).replaceAll('\r\n\t', ' ')), outcome)
  })
}

test('encodeOutcome() lets nothing of a name leave its place', () => {
  const text = encodeOutcome({ action: 'tag', level: 'low', spam: 1, reasons: ['a";\r\nX: y (é)', 'x'.repeat(500)] })
  assert.deepEqual(decodeOutcome(text)?.reasons, ['a????X: y (?)', 'x'.repeat(120)])
})

for (const text of ['', 'action=accept', 'action=accept; level=low; spam=x', 'action=a; level=b; spam=1.00; more=1']) {
  test(`decodeOutcome() refuses ${JSON.stringify(text)}`, () => assert.equal(decodeOutcome(text), null))
}
