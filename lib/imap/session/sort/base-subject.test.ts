import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { baseSubject } from './base-subject.ts'

// RFC 5256 section 2.1 and the examples that its grammar allows.
const cases: [subject: string, base: string, reply: boolean][] = [
  ['Lunch', 'Lunch', false],
  ['Re: Lunch', 'Lunch', true],
  ['RE:Lunch', 'Lunch', true],
  ['re : Lunch', 'Lunch', true],
  ['Re: Re: Fwd: Lunch', 'Lunch', true],
  ['Fw: Lunch', 'Lunch', true],
  ['Re[2]: Lunch', 'Lunch', true],
  ['Re [2] : Lunch', 'Lunch', true],
  ['[list] Lunch', 'Lunch', false],
  ['[list] Re: Lunch', 'Lunch', true],
  ['[a] [b] Re: [c] Lunch', 'Lunch', true],
  ['Re: [a] Re: Lunch', 'Lunch', true],
  ['[list]', '[list]', false],
  ['[a] [b]', '[b]', false],
  ['Lunch (fwd)', 'Lunch', true],
  ['Lunch (FWD) (fwd) ', 'Lunch', true],
  ['[fwd: Lunch]', 'Lunch', true],
  ['[Fwd: Re: [list] Lunch (fwd)]', 'Lunch', true],
  ['[fwd: [fwd: Lunch]]', 'Lunch', true],
  ['Re: ', '', true],
  ['', '', false],
  ['  Lunch \t today ', 'Lunch today', false],
  ['Regarding: Lunch', 'Regarding: Lunch', false],
  ['Re Lunch', 'Re Lunch', false],
  ['[unclosed Lunch', '[unclosed Lunch', false],
  ['Lunch [list]', 'Lunch [list]', false],
  ['[[a]] Lunch', '[[a]] Lunch', false],
]
for (const [subject, base, reply] of cases) {
  test(`baseSubject(${JSON.stringify(subject)})`, () => {
    assert.deepEqual(baseSubject(subject), { text: base, reply })
  })
}

/** The steps of RFC 5256 section 2.1 one after the other, as they stand there. */
function stepByStep(subject: string): string {
  let text = subject.replace(/[\t ]+/g, ' ')
  for (;;) {
    for (let before = ''; before !== text; ) {
      before = text
      text = text.replace(/(\(fwd\)|[ \t])$/i, '')
    }
    for (let before = ''; before !== text; ) {
      before = text
      text = text.replace(/^(?:(?:\[[^[\]]*\][ \t]*)*(?:re|fwd?)[ \t]*(?:\[[^[\]]*\][ \t]*)?:|[ \t])/i, '')
      if (text !== before) continue
      const without = text.replace(/^\[[^[\]]*\][ \t]*/, '')
      if (without !== '') text = without
    }
    if (!/^\[fwd:.*\]$/i.test(text)) return text
    text = text.slice(5, -1)
  }
}

test('baseSubject() does what the steps of the RFC do one by one', () => {
  const piece = fc.constantFrom('re', 'Fwd', 'fw', ':', '[', ']', '(fwd)', '[fwd:', ' ', '  ', 'a', '[x]')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const subject = pieces.join('')
      assert.equal(baseSubject(subject).text, stepByStep(subject))
    }),
    { numRuns: 5000 },
  )
})

test('baseSubject() takes time in proportion to a hostile subject', () => {
  for (const subject of ['[a]'.repeat(100_000), '['.repeat(300_000), 're:'.repeat(100_000), '(fwd)'.repeat(60_000)]) {
    const began = process.cpuUsage().user
    baseSubject(subject)
    assert.ok(process.cpuUsage().user - began < 500_000, subject.slice(0, 10))
  }
})
