import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch } from '#lib/mail/types.ts'
import { FEATURE_LEVEL } from '../ledger/feature-level.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { decideStandby, type StandbyFacts } from './decide-mirror.ts'
import { ROLE_TIMES as times } from './times.ts'

const self: LedgerReplica = { id: 'b', member: 1, podUid: 'u1', incarnation: 'b', bootId: 'life-2' }
const peer: LedgerReplica = { id: 'a', member: 0, podUid: 'u0', incarnation: 'a', bootId: 'life-9' }

function entry(inSync: string[], change: Partial<LedgerEntry> = {}): LedgerEntry {
  const base = { version: 7, epoch: toEpoch(3), primary: 'a', replicas: [peer, self], featureLevel: 1, nonce: 'x' }
  return { ...base, inSync, ...change }
}

const pair = entry(['a', 'b'])
const mine = entry(['a', 'b'], { primary: 'b', version: 8, epoch: toEpoch(4) })
const note = { promisedEpoch: toEpoch(3), ledgerVersion: 7, inSync: true }

const facts: StandbyFacts = {
  self,
  note,
  entry: pair,
  entryAgeMs: 50,
  ledger: 'good',
  heardVersion: 7,
  swapping: false,
  unsettled: false,
  quietMs: 2_250,
  following: false,
  disk: 'good',
  end: 'good',
  fenced: false,
  writtenEpoch: 0,
  preferred: false,
  peerDirectory: 'unknown',
  trouble: 'none',
  times,
}
const first = { entry: null, note: { promisedEpoch: toEpoch(0), ledgerVersion: 0, inSync: false }, preferred: true }

type Case = [name: string, change: Partial<StandbyFacts>, expected: string, words?: RegExp]

const cases: { [group: string]: Case[] } = {
  promotion: [
    ['takes over when the primary is silent and ledger and note agree', {}, 'promote'],
    ['waits for the grace', { quietMs: 2_199 }, 'none', /waiting for the primary/],
    ['waits for the grace although it follows nobody', { quietMs: 100, following: false }, 'none'],
    [
      'stops under a ledger that allows more than it knows, also while it follows',
      { following: true, quietMs: 100, entry: entry(['a', 'b'], { featureLevel: FEATURE_LEVEL + 1 }) },
      'stop',
      /newer image/,
    ],
    [
      'reads what its primary tells of at once',
      { quietMs: 100, following: true, heardVersion: 8 },
      'read-ledger',
      /in sync/,
    ],
    ['follows while beacons come', { quietMs: 100, following: true }, 'none', /in sync/],
    [
      'follows while it catches up',
      { quietMs: 100, following: true, note: { ...note, inSync: false } },
      'none',
      /catching up/,
    ],
    ['takes over from a primary whose link stands and is silent', { following: true }, 'promote'],
    [
      'reads the ledger first when what it read is older than the silence',
      { entryAgeMs: 900 },
      'read-ledger',
      /silent/,
    ],
    ['reads the ledger before anything', { entryAgeMs: null, entry: null }, 'read-ledger'],
    ['never takes over without the ledger', { ledger: 'away', quietMs: 1e9 }, 'read-ledger', /away/],
    ['never takes over when the ledger leaves it out', { entry: entry(['a']) }, 'none', /not in sync/],
    [
      'looks again later when the ledger leaves it out',
      { entry: entry(['a']), entryAgeMs: 1_000 },
      'read-ledger',
      /not in sync/,
    ],
    [
      'never takes over when its own note says no',
      { note: { ...note, inSync: false } },
      'none',
      /its own note does not/,
    ],
    [
      'never takes over when the ledger changed twice without it',
      { note: { ...note, ledgerVersion: 5 } },
      'none',
      /own note/,
    ],
    [
      'takes over when the ledger is the growth for which its note was written',
      { note: { ...note, ledgerVersion: 6 } },
      'promote',
    ],
    [
      'takes over when the primary claimed new epochs that it did not hear of',
      { entry: entry(['a', 'b'], { version: 9, epoch: toEpoch(5) }) },
      'promote',
    ],
    [
      'waits longer for a primary that may hold what its own damaged end has lost',
      { end: 'in-doubt', quietMs: 29_999 },
      'none',
      /damaged, and the primary may hold what was acknowledged: waiting 1 s more/,
    ],
    [
      'takes over with a damaged end when the primary did not come back',
      { end: 'in-doubt', quietMs: 30_000 },
      'promote',
    ],
    [
      'waits for whom can repair it when its last record is rotten',
      { end: 'rotten', quietMs: 1e9 },
      'none',
      /rotten: waiting for the primary/,
    ],
    ['does not take over while fenced', { fenced: true }, 'none', /fenced/],
    ['does nothing while a swap is under way', { swapping: true }, 'none', /under way/],
    ['tries again after an unknown outcome', { unsettled: true, quietMs: 2_500 }, 'promote'],
    ['tries again after an unknown outcome although it may not follow', { unsettled: true, quietMs: 50 }, 'promote'],
  ],
  office: [
    ['takes up an epoch that was given to this life', { entry: mine }, 'take-up'],
    ['takes up the office without waiting for the grace', { entry: mine, quietMs: 0 }, 'take-up'],
    [
      'takes up the office although the former primary is still linked',
      { entry: mine, quietMs: 0, following: true },
      'take-up',
    ],
    [
      'claims the next epoch when the office was given to a former life',
      { entry: { ...mine, replicas: [peer, { ...self, bootId: 'life-1' }] } },
      'claim',
    ],
    ['claims the next epoch when it has written in this one', { entry: mine, writtenEpoch: 4 }, 'claim'],
    [
      'claims the next epoch when it promised a higher one',
      { entry: mine, note: { ...note, promisedEpoch: toEpoch(6) } },
      'claim',
    ],
    [
      'claims without a note that says in sync: the ledger names it primary',
      { entry: { ...mine, replicas: [peer] }, note: { ...note, inSync: false } },
      'claim',
    ],
    ['does not take up the office while fenced', { entry: mine, fenced: true }, 'none', /fenced/],
  ],
  'the first entry': [
    ['is made beside a new directory', { ...first, peerDirectory: 'new' }, 'create'],
    ['is made by the only replica of a shard', { ...first, peerDirectory: 'alone' }, 'create'],
    ['waits for the other member', { ...first }, 'probe-peer'],
    ['is not made beside a used directory', { ...first, peerDirectory: 'used' }, 'stop', /LedgerLost/],
    ['is left to the preferred member', { ...first, preferred: false }, 'none', /preferred/],
    ['is not made by a directory that has seen one', { ...first, note }, 'read-ledger'],
  ],
  'a lost ledger': [
    ['stops everything', { ledger: 'lost', entry: null }, 'none', /LedgerLost: the ledger has no entry/],
    [
      'stops everything when it went back',
      { ledger: 'lost', entry: entry(['a', 'b'], { version: 4 }) },
      'none',
      /holds version 4/,
    ],
    ['is looked at again', { ledger: 'lost', entry: null, entryAgeMs: 1_001 }, 'read-ledger'],
    [
      'does not keep a mirror from following',
      { ledger: 'lost', entry: null, quietMs: 10, following: true },
      'none',
      /mirror/,
    ],
    [
      'is looked at again while it follows, too',
      { ledger: 'lost', entry: null, entryAgeMs: 1_001, quietMs: 10, following: true },
      'read-ledger',
    ],
    ['does not name it primary', { ledger: 'lost', entry: mine, quietMs: 10, following: true }, 'none', /mirror/],
  ],
  disks: [
    ['end the process when they fail', { disk: 'failed' }, 'exit'],
    ['end the process even while a swap is under way', { disk: 'failed', swapping: true }, 'exit'],
    [
      'that are new do not replace the only copy',
      { entry: entry(['b-old'], { primary: 'b-old', replicas: [{ ...self, id: 'b-old', incarnation: 'old' }] }) },
      'stop',
      /former directory old/,
    ],
    [
      'that are new wait beside a primary',
      { entry: entry(['a', 'b-old'], { replicas: [peer, { ...self, id: 'b-old' }] }) },
      'none',
      /not in sync/,
    ],
    ['with another history stop', { trouble: 'histories-differ' }, 'stop', /another history/],
  ],
}

for (const [group, rows] of Object.entries(cases)) {
  for (const [name, change, expected, pattern] of rows) {
    test(`decideStandby() ${group}: ${name}`, () => {
      const action = decideStandby({ ...facts, ...change })
      assert.equal(action.kind, expected)
      if (pattern) assert.match('phase' in action ? action.phase : '', pattern)
    })
  }
}
