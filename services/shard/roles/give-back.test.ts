import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GiveBackFacts, whyKeep } from './give-back.ts'

const facts: GiveBackFacts = {
  awayFromHome: true,
  afterMs: 300_000,
  pairedMs: 300_001,
  triedMs: null,
  ledger: 'good',
  peerStandsBack: false,
  peerDamaged: false,
  lagBytes: 0,
}

const cases: readonly [words: string, change: Partial<GiveBackFacts>, why: RegExp | null][] = [
  ['a shard goes back when its member has kept up for long enough', {}, null],
  ['not when it is there already, or nobody is primary here', { awayFromHome: false }, /belongs/],
  ['not where it is switched off', { afterMs: null }, /by hand/],
  ['not with one copy', { pairedMs: null }, /not in sync/],
  ['not a moment too early', { pairedMs: 299_999 }, /long enough/],
  ['not again soon after a try', { triedMs: 299_999 }, /tried/],
  ['again when the last try is long ago', { triedMs: 300_000 }, null],
  ['not while the ledger is away', { ledger: 'away' }, /ledger/],
  ['not to a member that is fenced or stops', { peerStandsBack: true }, /fenced/],
  ['not to a member with rotten records', { peerDamaged: true }, /rotten/],
  ['not to a member that is behind', { lagBytes: 2_000_000 }, /behind/],
]
for (const [words, change, why] of cases) {
  test(words, () => {
    const found = whyKeep({ ...facts, ...change })
    if (why === null) assert.equal(found, null)
    else assert.match(found ?? 'given back', why)
  })
}
