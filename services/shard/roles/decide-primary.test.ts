import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch } from '#lib/mail/types.ts'
import type { LedgerEntry } from '../ledger/types.ts'
import { decidePrimary, type MirrorFacts, type PrimaryAction, type PrimaryFacts } from './decide-primary.ts'
import { ROLE_TIMES as times } from './times.ts'

function entry(version: number, inSync: string[], change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    version,
    epoch: toEpoch(3),
    primary: 'a',
    inSync,
    replicas: [],
    featureLevel: 1,
    nonce: `n${version}`,
    ...change,
  }
}

const pair = entry(7, ['a', 'b'])
const alone = entry(7, ['a'])
const shrunkToo = entry(8, ['a'])
const handedToo = entry(8, ['a', 'b'], { primary: 'b', epoch: toEpoch(4) })

const mirror: MirrorFacts = {
  id: 'b',
  phase: 'streaming',
  unackedMs: 0,
  lagBytes: 0,
  full: false,
  broken: false,
  damaged: false,
  standsBack: false,
  growing: false,
  heldBarrier: false,
  readyFor: null,
  complete: true,
}
const growing: MirrorFacts = { ...mirror, growing: true }
const held: MirrorFacts = { ...growing, heldBarrier: true }

const facts: PrimaryFacts = {
  self: 'a',
  mayHold: [pair],
  ledger: 'good',
  swapping: false,
  epoch: toEpoch(3),
  heardEpoch: 3,
  disk: 'good',
  begun: true,
  end: 'good',
  mirror,
  silentMs: 10,
  inOfficeMs: 60_000,
  request: 'none',
  drainingMs: null,
  times,
}

type Case = [name: string, change: Partial<PrimaryFacts>, expected: string, words?: RegExp]

const cases: { [group: string]: Case[] } = {
  'whether it is primary at all': [
    ['waits for the ledger before it knows anything', { mayHold: [] }, 'none', /not read/],
    ['does nothing while both members answer', {}, 'none'],
    ['steps down when the peer promised a higher epoch', { heardEpoch: 4 }, 'step-down', /promised epoch 4/],
    ['steps down when the ledger names the peer', { mayHold: [handedToo] }, 'step-down'],
    [
      'steps down when the ledger names a later epoch of its own',
      { mayHold: [entry(8, ['a'], { epoch: toEpoch(4) })] },
      'step-down',
    ],
    ['steps down even while a swap is under way', { heardEpoch: 4, swapping: true }, 'step-down'],
    ['steps down even with a failed disk', { heardEpoch: 4, disk: 'failed' }, 'step-down'],
    ['stays while a handover may not have landed', { mayHold: [pair, handedToo], swapping: true }, 'none', /under way/],
    ['begins nothing while a swap is under way', { swapping: true, silentMs: 700 }, 'none', /under way/],
  ],
  'the first record of an epoch': [
    ['begins when it is alone', { mayHold: [alone], begun: false, mirror: null }, 'begin-epoch'],
    ['begins when the mirror was compared', { begun: false }, 'begin-epoch'],
    ['waits for the mirror that must be compared first', { begun: false, mirror: null }, 'none', /waiting 590 ms/],
    ['waits while logs are compared', { begun: false, mirror: { ...mirror, phase: 'comparing' } }, 'none', /waiting/],
    ['waits while an outcome is unknown', { begun: false, mirror: null, mayHold: [pair, shrunkToo] }, 'swap shrink'],
  ],
  'a damaged end': [
    [
      'is a reason to wait for a mirror that does not answer',
      { end: 'in-doubt', begun: false, mirror: null, silentMs: 5_000, inOfficeMs: 5_000 },
      'none',
      /damaged, and the other member may hold what was acknowledged: waiting 25 s more/,
    ],
    [
      'is no reason to wait for ever',
      { end: 'in-doubt', begun: false, mirror: null, silentMs: 30_000, inOfficeMs: 30_000 },
      'swap shrink',
    ],
    [
      'does not keep a mirror in that came back with another disk',
      { end: 'in-doubt', begun: false, mirror: { ...mirror, id: 'b2', phase: 'comparing' }, inOfficeMs: 100 },
      'swap shrink',
      /another disk/,
    ],
    [
      'does not keep a mirror in whose disk failed',
      { end: 'in-doubt', begun: false, mirror: { ...mirror, broken: true }, inOfficeMs: 100 },
      'swap shrink',
    ],
    [
      'keeps an unknown shrink from being settled by another one',
      { end: 'in-doubt', begun: false, mirror: null, mayHold: [pair, shrunkToo], inOfficeMs: 100 },
      'swap keep',
    ],
    [
      'that is rotten needs the mirror for ever',
      { end: 'rotten', begun: false, mirror: null, silentMs: 1e9, inOfficeMs: 1e9 },
      'none',
      /rotten: waiting for the other member, which can repair it/,
    ],
    [
      'gives the office to a mirror that holds more',
      { end: 'in-doubt', begun: false, mirror: { ...mirror, phase: 'ahead' } },
      'swap abandon',
      /holds more/,
    ],
    [
      'means nothing to the only replica in sync',
      { end: 'in-doubt', begun: false, mirror: null, mayHold: [alone] },
      'begin-epoch',
    ],
  ],
  'a disk without space': [
    ['is said and is no reason to do anything', { disk: 'full' }, 'none', /disk of this member is full/],
    ['of the mirror is said too', { mirror: { ...mirror, full: true } }, 'none', /disk of the other member is full/],
    ['is no reason to hand over, however long', { disk: 'full', inOfficeMs: 1e9 }, 'none', /full/],
    ['hands over when that is asked for', { disk: 'full', request: 'switchover' }, 'drain'],
    ['does not keep a dead mirror in', { disk: 'full', silentMs: 601 }, 'swap shrink'],
    [
      'settles an unknown shrink by another one all the same',
      { disk: 'full', mirror: null, mayHold: [pair, shrunkToo], silentMs: 700 },
      'swap shrink',
    ],
    ['takes nobody in', { disk: 'full', mayHold: [alone] }, 'none', /disk of this member is full/],
    ['ends no growth', { disk: 'full', mayHold: [alone], mirror: held }, 'ask-ready'],
  ],
  'a damaged mirror': [
    [
      'is not taken in before it is repaired',
      { mayHold: [alone], mirror: { ...mirror, damaged: true } },
      'none',
      /rotten/,
    ],
    [
      'that is growing in is let go',
      { mayHold: [alone], mirror: { ...held, damaged: true } },
      'release-mirror',
      /rotten/,
    ],
    ['stays in sync', { mirror: { ...mirror, damaged: true } }, 'none'],
    [
      'is not handed the office',
      { mirror: { ...mirror, damaged: true }, request: 'switchover' },
      'none',
      /rotten records to repair first/,
    ],
    [
      'for which new operations are held back has to wait',
      { mirror: { ...mirror, damaged: true }, request: 'switchover', drainingMs: 100 },
      'resume',
    ],
  ],
  shrinking: [
    ['waits for a mirror that was silent for a moment', { mirror: null, silentMs: 600 }, 'none', /waiting 0 ms/],
    ['takes a silent mirror out', { mirror: null, silentMs: 601 }, 'swap shrink', /does not answer/],
    ['takes a mirror out that is linked and silent', { silentMs: 601 }, 'swap shrink', /does not answer/],
    ['waits for a disk that needs a second', { mirror: { ...mirror, unackedMs: 1_000 } }, 'none'],
    [
      'takes a mirror out whose disk needs more',
      { mirror: { ...mirror, unackedMs: 1_001 } },
      'swap shrink',
      /too slow/,
    ],
    [
      'takes a mirror out that compares for too long',
      { mirror: { ...mirror, phase: 'comparing', unackedMs: 1_001 } },
      'swap shrink',
    ],
    [
      'takes a mirror out that lost what it acknowledged',
      { mirror: { ...mirror, broken: true } },
      'swap shrink',
      /lost records/,
    ],
    [
      'takes the former disk out when the member comes with another',
      { mirror: { ...mirror, id: 'b2' } },
      'swap shrink',
      /another disk/,
    ],
    [
      'takes a mirror out that needs a full copy',
      { mirror: { ...mirror, phase: 'copying' } },
      'swap shrink',
      /lacks too much/,
    ],
    [
      'takes nobody out while the ledger is away',
      { mirror: null, silentMs: 9_000, ledger: 'away' },
      'none',
      /nothing can be written/,
    ],
    ['goes on without the ledger while both answer', { ledger: 'away' }, 'none', /both members answer/],
  ],
  'unknown outcomes': [
    ['settles by a swap that changes nothing when the mirror answers', { mayHold: [pair, shrunkToo] }, 'swap keep'],
    [
      'settles by shrinking when the mirror is gone',
      { mayHold: [pair, shrunkToo], mirror: null, silentMs: 700 },
      'swap shrink',
    ],
    [
      'settles a growth by shrinking when the mirror went away',
      { mayHold: [alone, entry(8, ['a', 'b'])], mirror: null },
      'swap shrink',
    ],
    [
      'settles a growth by a swap that changes nothing when the mirror streams',
      { mayHold: [alone, entry(8, ['a', 'b'])] },
      'swap keep',
    ],
    [
      'settles a handover by the handover while it drains',
      { mayHold: [pair, handedToo], drainingMs: 100 },
      'swap hand-over',
    ],
    [
      'settles a handover that takes too long by keeping the office',
      { mayHold: [pair, handedToo], drainingMs: 1_100 },
      'swap keep',
    ],
    [
      'settles a handover by keeping when the mirror lags',
      { mayHold: [pair, handedToo], drainingMs: 100, mirror: { ...mirror, complete: false } },
      'swap keep',
    ],
    [
      'does not shrink with a failed disk',
      { mayHold: [pair, shrunkToo], mirror: null, silentMs: 700, disk: 'failed' },
      'swap keep',
    ],
    ['begins no growth before all is certain', { mayHold: [alone, entry(8, ['a'])], mirror: held }, 'swap keep'],
  ],
  growing: [
    ['is alone without a link', { mayHold: [alone], mirror: null }, 'none', /not connected/],
    ['compares first', { mayHold: [alone], mirror: { ...mirror, phase: 'comparing' } }, 'none', /comparing/],
    ['copies first', { mayHold: [alone], mirror: { ...mirror, phase: 'copying' } }, 'none', /full copy/],
    [
      'waits for a mirror that lags',
      { mayHold: [alone], mirror: { ...mirror, lagBytes: times.growLagBytes + 1 } },
      'none',
      /catches up/,
    ],
    [
      'requires a mirror that is near',
      { mayHold: [alone], mirror: { ...mirror, lagBytes: times.growLagBytes } },
      'require-mirror',
    ],
    ['requires nobody while the ledger is away', { mayHold: [alone], ledger: 'away' }, 'none', /catches up/],
    ['requires nobody with a slow disk of its own', { mayHold: [alone], disk: 'slow' }, 'none'],
    ['requires nobody who is slow', { mayHold: [alone], mirror: { ...mirror, unackedMs: 1_001 } }, 'none'],
    ['waits for the barrier', { mayHold: [alone], mirror: growing }, 'none', /barrier/],
    ['asks for the note', { mayHold: [alone], mirror: held }, 'ask-ready'],
    [
      'asks again when the ledger went on meanwhile',
      { mayHold: [alone], mirror: { ...held, readyFor: 6 } },
      'ask-ready',
    ],
    [
      'swaps when the note is stored for this version',
      { mayHold: [alone], mirror: { ...held, readyFor: 7 } },
      'swap grow',
    ],
    [
      'does not swap while the ledger is away',
      { mayHold: [alone], mirror: { ...held, readyFor: 7 }, ledger: 'away' },
      'none',
      /away/,
    ],
    [
      'lets a mirror go that became slow',
      { mayHold: [alone], mirror: { ...held, unackedMs: 1_001 } },
      'release-mirror',
    ],
    ['lets a mirror go that became silent', { mayHold: [alone], mirror: held, silentMs: 601 }, 'release-mirror'],
    ['lets a mirror go whose disk failed', { mayHold: [alone], mirror: { ...held, broken: true } }, 'release-mirror'],
  ],
  'disk errors': [
    ['gives the office to a mirror in sync', { disk: 'failed' }, 'swap abandon'],
    ['waits for the ledger with a failed disk', { disk: 'failed', ledger: 'away' }, 'none', /nothing is written/],
    ['leaves it to the other member when there is no link', { disk: 'failed', mirror: null }, 'none', /takes over/],
    ['stays alone with a failed disk, reading', { disk: 'failed', mayHold: [alone] }, 'none', /reading only/],
    [
      'gives the office to nobody whose log is damaged and was not compared',
      { disk: 'failed', mirror: { ...mirror, phase: 'comparing', damaged: true } },
      'none',
      /damaged/,
    ],
    [
      'gives the office to nobody who is silent: its disk may be gone',
      { disk: 'failed', silentMs: 601 },
      'none',
      /takes over/,
    ],
    ['drains when the disk is slow', { disk: 'slow' }, 'drain', /slow/],
    ['does not hand over soon after a change of role', { disk: 'slow', inOfficeMs: 9_999 }, 'none', /so soon/],
    ['hands over when drained', { disk: 'slow', drainingMs: 10 }, 'swap hand-over'],
    [
      'does not hand over to a mirror that is slow too',
      { disk: 'slow', mirror: { ...mirror, unackedMs: 1_001 } },
      'swap shrink',
    ],
    ['keeps a slow disk when it is alone', { disk: 'slow', mayHold: [alone], mirror: null }, 'none'],
  ],
  switchover: [
    ['drains first', { request: 'switchover' }, 'drain', /planned/],
    [
      'waits for the mirror to hold all',
      { request: 'switchover', drainingMs: 10, mirror: { ...mirror, complete: false } },
      'none',
      /disk/,
    ],
    ['hands over when all is durable there', { request: 'switchover', drainingMs: 10 }, 'swap hand-over'],
    [
      'is called off after a second',
      { request: 'switchover', drainingMs: 1_001, mirror: { ...mirror, complete: false } },
      'resume',
      /second/,
    ],
    [
      'is called off at once when the other member is fenced or about to stop',
      { request: 'switchover', mirror: { ...mirror, standsBack: true } },
      'resume',
      /fenced or about to stop/,
    ],
    [
      'is called off while it drains when the other member is about to stop',
      { request: 'switchover', drainingMs: 10, mirror: { ...mirror, standsBack: true } },
      'resume',
    ],
    [
      'is not tried for a slow disk while the other member is fenced',
      { disk: 'slow', mirror: { ...mirror, standsBack: true } },
      'none',
      /fenced/,
    ],
    [
      'is called off when the other member left before it began',
      { request: 'switchover', mayHold: [alone] },
      'resume',
      /not in sync/,
    ],
    [
      'whose outcome is unknown is not tried again with a member that stands back',
      { mayHold: [pair, handedToo], drainingMs: 100, mirror: { ...mirror, standsBack: true } },
      'swap keep',
    ],
    [
      'leaves a failed disk reading where the other member is fenced',
      { disk: 'failed', mirror: { ...mirror, standsBack: true } },
      'none',
      /reading only; unfence/,
    ],
    [
      'does not keep an office that a fenced member knows more of',
      { mirror: { ...mirror, phase: 'refused-below-commit', standsBack: true } },
      'swap abandon',
    ],
    ['is not held off soon after a change of role', { request: 'switchover', inOfficeMs: 5 }, 'drain'],
    [
      'waits for the ledger before it drains',
      { request: 'switchover', ledger: 'away' },
      'none',
      /waiting for the ledger/,
    ],
    ['is called off when the ledger goes away', { request: 'switchover', ledger: 'away', drainingMs: 10 }, 'resume'],
    ['is called off when nobody asks for it any more', { drainingMs: 10 }, 'resume'],
    [
      'is called off when the mirror was taken out',
      { request: 'switchover', drainingMs: 10, mayHold: [alone] },
      'resume',
      /not in sync/,
    ],
    [
      'gives way to taking a silent mirror out',
      { request: 'switchover', drainingMs: 10, silentMs: 601 },
      'swap shrink',
    ],
  ],
  'a lost ledger': [
    ['is made anew with both members connected', { ledger: 'lost' }, 'make-ledger-anew'],
    ['is not made anew when the mirror has fallen silent', { ledger: 'lost', silentMs: 700 }, 'none', /LedgerLost/],
    ['is not made anew alone', { ledger: 'lost', mirror: null }, 'none', /LedgerLost/],
    ['is not made anew when the mirror is not in sync', { ledger: 'lost', mayHold: [alone] }, 'none', /ledger restore/],
    ['is not made anew with another disk', { ledger: 'lost', mirror: { ...mirror, id: 'b2' } }, 'none', /LedgerLost/],
    [
      'is not made anew while logs are compared',
      { ledger: 'lost', mirror: { ...mirror, phase: 'comparing' } },
      'none',
      /LedgerLost/,
    ],
    ['is not made anew before it serves', { ledger: 'lost', begun: false }, 'none', /LedgerLost/],
    [
      'is not made anew when the peer may be primary',
      { ledger: 'lost', mayHold: [pair, handedToo] },
      'none',
      /LedgerLost/,
    ],
    ['changes no membership', { ledger: 'lost', silentMs: 9_000, mirror: null }, 'none', /LedgerLost/],
  ],
  histories: [
    ['stop both when both are in sync', { mirror: { ...mirror, phase: 'histories-differ' } }, 'stop', /different logs/],
    [
      'stop the mirror alone when it is not in sync',
      { mayHold: [alone], mirror: { ...mirror, phase: 'histories-differ' } },
      'none',
      /HISTORIES_DIFFER/,
    ],
    [
      'give the office to a mirror that knows more commits',
      { begun: false, mirror: { ...mirror, phase: 'refused-below-commit' } },
      'swap abandon',
      /lacks/,
    ],
    [
      'are said when such a mirror is not in sync',
      { mayHold: [alone], mirror: { ...mirror, phase: 'refused-below-commit' } },
      'none',
      /HISTORIES_DIFFER/,
    ],
    [
      'require nothing of a mirror that lacks what is rotten here',
      { mayHold: [alone], mirror: { ...mirror, phase: 'unreadable' } },
      'none',
      /rotten in the only copy/,
    ],
    [
      'wait no more for such a mirror',
      { mayHold: [alone], mirror: { ...growing, phase: 'unreadable' } },
      'release-mirror',
      /rotten in the only copy/,
    ],
    [
      'never shrink such a mirror out, however silent',
      { begun: false, silentMs: 5_000, mirror: { ...mirror, phase: 'refused-below-commit' } },
      'swap abandon',
    ],
  ],
}

function words(action: PrimaryAction): string {
  return 'phase' in action ? (action.phase ?? '') : ''
}

for (const [group, rows] of Object.entries(cases)) {
  for (const [name, change, expected, pattern] of rows) {
    test(`decidePrimary() ${group}: ${name}`, () => {
      const action = decidePrimary({ ...facts, ...change })
      assert.equal(action.kind === 'swap' ? `swap ${action.change}` : action.kind, expected)
      if (pattern) assert.match(words(action), pattern)
    })
  }
}
