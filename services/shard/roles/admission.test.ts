import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AdmissionFacts,
  admit,
  DURABILITY_DEFAULT,
  type DurabilityPolicy,
  type OperationKind,
  replyTo,
} from './admission.ts'

const facts: AdmissionFacts = {
  role: 'primary',
  draining: false,
  disk: 'good',
  copies: 2,
  degradedMs: null,
  stalledMs: 0,
  freeShare: 0.5,
  mirrorWaitsForSpace: false,
  policy: DURABILITY_DEFAULT,
  solo: false,
}
const one: Partial<AdmissionFacts> = { copies: 1, degradedMs: 1_000 }
const strict: DurabilityPolicy = { inbound: { mode: 'required', degradedAfterMs: 'never' }, users: 'required' }
const loose: DurabilityPolicy = { inbound: { mode: 'preferred' }, users: 'preferred' }

const cases: [name: string, kind: OperationKind, change: Partial<AdmissionFacts>, expected: string][] = [
  ['accepts mail with two copies', 'inbound', {}, 'accept'],
  ['refuses everything on a mirror', 'relief', { role: 'other' }, 'not-primary'],
  ['holds operations back during a handover', 'user', { draining: true }, 'hold'],
  ['refuses with a failed disk', 'relief', { disk: 'failed' }, 'disk-failed'],
  ['accepts with a slow disk', 'inbound', { disk: 'slow' }, 'accept'],
  ['accepts while a shrink is on its way', 'inbound', { stalledMs: 1_500 }, 'accept'],
  ['refuses when commit has stood for long', 'user', { stalledMs: 2_001 }, 'stalled'],
  ['asks mail from outside to come later when there is one copy', 'inbound', one, 'one-copy'],
  ['accepts mail from outside on one copy after two minutes', 'inbound', { copies: 1, degradedMs: 120_000 }, 'accept'],
  ['never accepts it on one copy if so ordered', 'inbound', { copies: 1, degradedMs: 1e9, policy: strict }, 'one-copy'],
  ['accepts it at once if two copies are only preferred', 'inbound', { ...one, policy: loose }, 'accept'],
  ['accepts users on one copy', 'user', one, 'accept'],
  ['refuses users on one copy if so ordered', 'user', { ...one, policy: strict }, 'one-copy'],
  ['accepts what frees space on one copy, whatever was ordered', 'relief', { ...one, policy: strict }, 'accept'],
  [
    'accepts on the one copy of a shard with one replica',
    'inbound',
    { copies: 1, solo: true, policy: strict },
    'accept',
  ],
  ['refuses mail on a full disk', 'inbound', { freeShare: 0.069 }, 'full'],
  ['refuses APPEND on a full disk', 'user', { freeShare: 0.069 }, 'full'],
  ['expunges on a full disk', 'relief', { freeShare: 0.01 }, 'accept'],
  ['refuses even what frees space where not a byte can be written', 'relief', { disk: 'full' }, 'full'],
  ['refuses it also where the mirror cannot write a byte', 'change', { mirrorWaitsForSpace: true }, 'full'],
  ['accepts on a disk that is only nearly full', 'inbound', { freeShare: 0.07 }, 'accept'],
  ['accepts when free space is unknown', 'inbound', { freeShare: null }, 'accept'],
]
for (const [name, kind, change, expected] of cases) {
  test(`admit() ${name}`, () => {
    const admission = admit(kind, { ...facts, ...change })
    assert.equal(admission.kind === 'refuse' ? admission.reason : admission.kind, expected)
  })
}

test('admit() names the reply of a full disk as rule 16 does', () => {
  assert.deepEqual(admit('inbound', { ...facts, freeShare: 0 }), {
    kind: 'refuse',
    reason: 'full',
    smtp: '452 4.3.1',
    imap: 'LIMIT',
  })
})

const replies: [name: string, kind: OperationKind, change: Partial<AdmissionFacts>, expected: string][] = [
  ['confirms what rests on two copies', 'inbound', {}, 'done'],
  ['asks to come again for mail that rests on one copy after a shrink', 'inbound', one, 'tempfail'],
  ['confirms mail on one copy once that is allowed', 'inbound', { copies: 1, degradedMs: 120_001 }, 'done'],
  ['confirms what a user did on one copy', 'user', one, 'done'],
  ['does not confirm it where two copies are required', 'user', { ...one, policy: strict }, 'tempfail'],
]
for (const [name, kind, change, expected] of replies) {
  test(`replyTo() ${name}`, () => assert.equal(replyTo(kind, { ...facts, ...change }), expected))
}
