import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch } from '#lib/mail/types.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { decideForce, type ForceFacts } from './force.ts'
import { ROLE_TIMES as times } from './times.ts'

const self: LedgerReplica = { id: 'b', member: 1, podUid: 'u1', incarnation: 'b', bootId: 'b1' }
const entry: LedgerEntry = {
  version: 7,
  epoch: toEpoch(3),
  primary: 'a',
  inSync: ['a'],
  replicas: [self],
  featureLevel: 1,
  nonce: 'x',
}
const facts: ForceFacts = {
  self,
  role: 'standby',
  fenced: false,
  entry,
  ledger: 'good',
  quietMs: 60_000,
  lastLsn: 90,
  commit: 88,
  newestMs: Date.UTC(2026, 0, 2),
  proof: { kind: 'typed', member: 'n1-0' },
  otherPod: 'n1-0',
  times,
}

const cases: [name: string, change: Partial<ForceFacts>, expected: 'promote' | 'refuse', words: RegExp][] = [
  [
    'promotes with the name typed, and says what may be lost',
    {},
    'promote',
    /last record is 90 of 2026-01-02.*commit 88/,
  ],
  ['promotes with the node fenced', { proof: { kind: 'fenced', by: 'operator' } }, 'promote', /may|acknowledged/],
  [
    'says that an in-sync replica loses nothing',
    { entry: { ...entry, inSync: ['a', 'b'] } },
    'promote',
    /nothing that was acknowledged/,
  ],
  ['promotes with a lost ledger', { ledger: 'lost' }, 'promote', /acknowledged/],
  ['demands proof', { proof: null }, 'refuse', /fence it, or type its name/],
  ['demands the right name', { proof: { kind: 'typed', member: 'n1-1' } }, 'refuse', /not the name/],
  ['refuses while the other member is heard', { quietMs: 2_199 }, 'refuse', /it lives/],
  ['refuses without the ledger', { ledger: 'away' }, 'refuse', /away/],
  ['refuses on a primary', { role: 'primary' }, 'refuse', /already/],
  ['refuses on a replica that has stopped', { role: 'ended' }, 'refuse', /stopped/],
  ['refuses on a fenced replica, which would be named and not serve', { fenced: true }, 'refuse', /unfence/],
  ['refuses on an empty replica', { newestMs: null, lastLsn: 0 }, 'refuse', /empty/],
  ['refuses where there was never an entry', { entry: null }, 'refuse', /never in use/],
]
for (const [name, change, expected, words] of cases) {
  test(`decideForce() ${name}`, () => {
    const decision = decideForce({ ...facts, ...change })
    assert.equal(decision.kind, expected)
    assert.match(decision.kind === 'promote' ? decision.mayLose : decision.reason, words)
  })
}
