import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OperatorStatus, ShardReport } from '#operator/api/local-layout.ts'
import { arrayStatus } from './array-status.ts'
import { bytesText, displayWidth, durationText, table } from './table.ts'

test('table() aligns columns, also with wide characters, and leaves no space at the end', () =>
  assert.equal(
    table([
      ['分片', 'B'],
      ['n1/0', ''],
      ['x', 'long'],
    ]),
    '分片  B\nn1/0\nx     long',
  ))

test('displayWidth() counts wide characters as two', () => assert.equal(displayWidth('a分b片'), 6))

const sizes: [bytes: number, text: string][] = [
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [64 * 1024 * 1024, '64 MiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
]
for (const [bytes, text] of sizes) test(`bytesText() writes ${bytes}`, () => assert.equal(bytesText(bytes), text))

const durations: [seconds: number, text: string][] = [
  [0, '0s'],
  [59.9, '59s'],
  [60, '1m'],
  [3_900, '1h05m'],
  [100_000, '1d03h'],
]
for (const [seconds, text] of durations) {
  test(`durationText() writes ${seconds}`, () => assert.equal(durationText(seconds), text))
}

const operator: OperatorStatus = {
  phase: 'ready',
  waitingFor: [],
  problems: [],
  mailNodes: [{ name: 'n1', shards: 2 }],
  domains: [],
  processes: [],
}
const report = (role: string, member: string, epoch: number) => ({
  shard: 'n1/0',
  role,
  member,
  pid: 7,
  epoch,
  inSync: ['n1-0', 'n1-1'],
})

test('ShardReport names members by their pods, however the shard says it', () => {
  const found = ShardReport.parse({ ...report('primary', 'n1-0', 1), member: 1, inSync: [1, 'n1-0'] })
  assert.deepEqual([found.member, found.inSync], ['n1-1', ['n1-1', 'n1-0']])
})

test('arrayStatus() takes primary and mirror from what the replicas say', () => {
  const { shards } = arrayStatus(operator, [report('mirror', 'n1-1', 4), report('primary', 'n1-0', 4)])
  assert.deepEqual(shards[0], {
    shard: 'n1/0',
    epoch: 4,
    primary: { member: 'n1-0', pid: 7 },
    mirror: { member: 'n1-1', pid: 7 },
    inSync: ['n1-0', 'n1-1'],
    sessions: null,
  })
})

test('arrayStatus() believes the higher epoch of two primaries', () => {
  const { shards } = arrayStatus(operator, [report('primary', 'n1-0', 4), report('primary', 'n1-1', 5)])
  assert.deepEqual([shards[0]?.primary?.member, shards[0]?.epoch], ['n1-1', 5])
})

test('arrayStatus() lists a shard that nobody answers for, with nothing known', () =>
  assert.deepEqual(arrayStatus(operator, []).shards[1], {
    shard: 'n1/1',
    epoch: 0,
    primary: null,
    mirror: null,
    inSync: [],
    sessions: null,
  }))
