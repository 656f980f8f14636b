/** Evidence on its way through a header. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decodeEvidence,
  ENGINE_STATES,
  type Evidence,
  encodeEvidence,
  FINDING_KINDS,
  FINDINGS_MAX,
} from './evidence.ts'

test('evidence is written so that a person can read it', () => {
  const evidence: Evidence = {
    engine: 'clamd',
    state: 'done',
    findings: [
      { kind: 'virus', name: 'Eicar-Test-Signature', weight: 1 },
      { kind: 'attachment', name: 'a=b/c;d.exe', weight: 0.25 },
    ],
  }
  assert.equal(
    encodeEvidence(evidence),
    'engine=clamd;\n\tstate=done;\n\tvirus=Eicar-Test-Signature/1;\n\tattachment=a%3Db%2Fc%3Bd.exe/0.25',
  )
  assert.deepEqual(decodeEvidence(encodeEvidence(evidence)), evidence)
})

const finding = fc.record(
  {
    kind: fc.constantFrom(...FINDING_KINDS),
    name: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((name) => !name.includes('\0')),
    weight: fc.integer({ min: 0, max: 1_000_000 }).map((thousandths) => thousandths / 1000),
  },
  { noNullPrototype: true },
)

test('whatever engines say survives the header', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 20 }).filter((name) => !name.includes('\0')),
      fc.constantFrom(...ENGINE_STATES),
      fc.array(finding, { maxLength: FINDINGS_MAX }),
      (engine, state, findings) => {
        const value = encodeEvidence({ engine, state, findings })
        assert.match(value, /^[\t\n\x20-\x7e]*$/)
        assert.deepEqual(decodeEvidence(value.replaceAll('\n', '\r\n')), { engine, state, findings })
      },
    ),
  )
})

for (const value of [
  '',
  'state=done; engine=a',
  'engine=a',
  'engine=; state=done',
  'engine=a; state=odd',
  'engine=a b; state=done',
  'engine=a; state=done; virus=x',
  'engine=a; state=done; bacterium=x/1',
  'engine=a; state=done; virus=x/-1',
  'engine=a; state=done; virus=x/1e9',
  'engine=a; state=done; virus=x/1001',
  'engine=a; state=done; virus=%E4/1',
  `engine=a; state=done${'; virus=x/1'.repeat(FINDINGS_MAX + 1)}`,
  `engine=a; state=done; virus=${'x'.repeat(9000)}/1`,
]) {
  test(`no evidence: ${value.slice(0, 60)}`, () => assert.equal(decodeEvidence(value), null))
}
