import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AheadFacts, mirrorIsAhead } from './mirror-ahead.ts'

/** The own log ends at 10 after a start, and the mirror goes on to 12. */
const facts: AheadFacts = {
  lastLsn: 10,
  commit: 8,
  endProved: false,
  rotten: [],
  commonLsn: 10,
  mirrorLastLsn: 12,
  mirrorCommit: 9,
  mirrorDamaged: false,
}
const behind = { endProved: true, mirrorLastLsn: 9, commonLsn: 9 }

const cases: [name: string, change: Partial<AheadFacts>, expected: boolean][] = [
  ['that goes on where a primary ends that was just started', {}, true],
  ['not where the own end was proved: what goes on there was never acknowledged', { endProved: true }, false],
  ['not when its own log is damaged', { mirrorDamaged: true }, false],
  ['not when it ends with this log', { mirrorLastLsn: 10 }, false],
  ['not when this log goes on in another way', { commonLsn: 7, mirrorCommit: 7 }, false],
  ['not when it lacks a commit known here', { commit: 13 }, false],
  ['not when it knows a commit behind the end: it refuses by itself', { mirrorCommit: 11 }, false],
  ['that never had what is rotten here', { ...behind, rotten: [{ first: 10, last: 10 }] }, true],
  [
    'that holds something where all is lost here, of whatever epoch',
    { commonLsn: 8, mirrorCommit: 8, mirrorLastLsn: 10, rotten: [{ first: 9, last: 10 }] },
    true,
  ],
  [
    'not when something above what is common can be read here',
    { commonLsn: 8, mirrorCommit: 8, mirrorLastLsn: 10, rotten: [{ first: 9, last: 9 }] },
    false,
  ],
  ['not when it can repair what is rotten here', { ...behind, rotten: [{ first: 9, last: 9 }] }, false],
  ['not when it has lost everything', { commonLsn: 0, mirrorLastLsn: 0, rotten: [{ first: 3, last: 3 }] }, false],
]
for (const [name, change, expected] of cases) {
  test(`mirrorIsAhead() tells a mirror ${name}`, () => assert.equal(mirrorIsAhead({ ...facts, ...change }), expected))
}
