import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeStatusReport, encodeStatusReport, type StatusReport } from '#lib/frames/status-report.ts'
import { toShardName } from '#lib/mail/types.ts'
import type { OperatorStatus } from '#operator/api/local-layout.ts'
import { arrayStatus, type ShardStatus } from './array-status.ts'
import { memberNames, replicasNamed } from './members.ts'
import { speaker } from './messages/mod.ts'
import { shardWords } from './shard-words.ts'

const operator: OperatorStatus = {
  phase: 'ready',
  waitingFor: [],
  problems: [],
  mailNodes: [{ name: 'n1', shards: 2 }],
  domains: [],
  stoppedMembers: [],
  filterPools: [],
  viruses: 'unknown',
  processes: [],
}

const mirror: StatusReport = {
  shard: toShardName('n1/0'),
  member: 1,
  pod: 'n1-1',
  pid: 7,
  role: 'mirror',
  phase: 'mirror, in sync',
  epoch: 4,
  primary: 0,
  inSync: [0, 1],
  ledger: 'good',
  fenced: false,
  mirrorPhase: null,
  mirrorLagBytes: null,
  lastLsn: 9,
  durableLsn: 9,
  commitLsn: 8,
  appliedLsn: 8,
  sessions: 0,
  accounts: 0,
  pending: 0,
  freeBytes: 1,
  totalBytes: 2,
  logBytes: 3,
}
const primary: StatusReport = {
  ...mirror,
  member: 0,
  pod: 'n1-0',
  pid: 6,
  role: 'primary',
  phase: 'primary, both members in sync',
  mirrorPhase: 'streaming',
  mirrorLagBytes: 0,
  commitLsn: 9,
  sessions: 3,
}

const shardOf = (...reports: StatusReport[]): ShardStatus => {
  const shard = arrayStatus(operator, reports).shards[0]
  assert.ok(shard)
  return shard
}

test('a status report comes back as it was, and fields of a later version are let through', () => {
  assert.deepEqual(decodeStatusReport(encodeStatusReport(primary)), primary)
  const later = Buffer.from(JSON.stringify({ ...primary, mood: 'calm' }))
  assert.deepEqual(decodeStatusReport(later), primary)
  assert.throws(() => decodeStatusReport(Buffer.from('{}')))
})

test('arrayStatus() gives programs the promised shape', () =>
  assert.deepEqual(shardOf(mirror, primary), {
    shard: 'n1/0',
    epoch: 4,
    primary: { member: 'n1-0', pid: 6 },
    mirror: { member: 'n1-1', pid: 7 },
    inSync: ['n1-0', 'n1-1'],
    sessions: 3,
    phase: 'primary, both members in sync',
    mirrorPhase: 'streaming',
    mirrorLagBytes: 0,
    ledger: 'good',
    fenced: [],
    replicas: [
      {
        member: 'n1-0',
        answers: true,
        pid: 6,
        role: 'primary',
        phase: 'primary, both members in sync',
        epoch: 4,
        ledger: 'good',
        fenced: false,
        lastLsn: 9,
        durableLsn: 9,
        commitLsn: 9,
      },
      {
        member: 'n1-1',
        answers: true,
        pid: 7,
        role: 'mirror',
        phase: 'mirror, in sync',
        epoch: 4,
        ledger: 'good',
        fenced: false,
        lastLsn: 9,
        durableLsn: 9,
        commitLsn: 8,
      },
    ],
  }))

test('arrayStatus() believes the higher epoch of two primaries', () => {
  const shard = shardOf(primary, { ...primary, member: 1, epoch: 5 })
  assert.deepEqual([shard.primary?.member, shard.epoch], ['n1-1', 5])
})

test('arrayStatus() tells the worst that is known of the ledger, and who is fenced', () => {
  const shard = shardOf({ ...primary, ledger: 'away' }, { ...mirror, fenced: true })
  assert.deepEqual([shard.ledger, shard.fenced], ['away', ['n1-1']])
})

test('arrayStatus() lists a shard that nobody answers for, with nothing known and why', () => {
  const silent = [{ shard: 'n1/1', member: 0, problem: 'no answer in 2000 ms' }]
  const shard = arrayStatus(operator, [], silent).shards[1]
  assert.deepEqual(
    [shard?.shard, shard?.epoch, shard?.primary, shard?.mirror, shard?.inSync, shard?.phase, shard?.ledger],
    ['n1/1', 0, null, null, [], null, null],
  )
  assert.deepEqual([shard?.replicas[0]?.answers, shard?.replicas[0]?.phase], [false, 'no answer in 2000 ms'])
})

const alone = { ...primary, inSync: [0], phase: 'primary, alone: the mirror is silent' }
const words: [name: string, reports: StatusReport[], says: RegExp[]][] = [
  ['two copies, and the mirror', [primary, mirror], [/^both copies in sync; n1-1 is streaming, 0 B behind$/]],
  [
    'a mirror that catches up, with its lag',
    [
      { ...alone, mirrorPhase: 'copying', mirrorLagBytes: 3 * 1024 * 1024 },
      { ...mirror, inSync: [0] },
    ],
    [/^one copy: primary, alone/, /n1-1 is copying, 3\.0 MiB behind/],
  ],
  ['a mirror that is gone', [{ ...alone, mirrorPhase: null }], [/^one copy/, /n1-1 does not answer/]],
  [
    'a mirror that lives and does not follow, in its own words',
    [
      { ...alone, mirrorPhase: null },
      { ...mirror, phase: 'the ledger is away', ledger: 'away' },
    ],
    [/n1-1: the ledger is away/, /the ledger is away: nobody/],
  ],
  [
    'why there is no primary',
    [{ ...mirror, phase: 'waiting for the primary', fenced: true }],
    [/^nobody is primary/, /n1-1: waiting for the primary/, /fenced: n1-1/],
  ],
  ['a lost ledger', [{ ...primary, ledger: 'lost' }, mirror], [/LedgerLost/]],
]
for (const [name, reports, says] of words) {
  test(`shardWords() tells ${name}`, () => {
    const said = shardWords(shardOf(...reports), speaker('en'))
    for (const pattern of says) assert.match(said, pattern)
  })
}

const names: [text: string, want: string[]][] = [
  ['n1-0', ['n1/0@0', 'n1/1@0']],
  ['n1/1@1', ['n1/1@1']],
  ['n1/1@n1-1', ['n1/1@1']],
  ['n1/1', []],
  ['n1/1@2', []],
  ['n1/9@0', []],
  ['n2-0', []],
  ['', []],
]
for (const [text, want] of names) {
  test(`replicasNamed() understands ${JSON.stringify(text)}`, () => {
    const found = replicasNamed(text, ['n1/0', 'n1/1'])
    assert.deepEqual(
      found.map(({ shard, member }) => `${shard}@${member}`),
      want,
    )
  })
}

test('memberNames() names each member once', () =>
  assert.deepEqual(memberNames(['n1/0', 'n1/1', 'n2/0']), ['n1-0', 'n1-1', 'n2-0', 'n2-1']))
