import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLsn } from '#lib/mail/types.ts'
import { type EpochRun, epochStarts } from './epochs.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './format.ts'
import { appendDurably, flipped, lastSegment, MemoryDisk, openTestLog, testRecord } from './testing.ts'

const chain = Buffer.alloc(32, 7)

/** A record whose header was read, or a batch header that speaks for records that were not. */
function run(epoch: number, first: number, last: number, read = true): EpochRun {
  return { epoch, first, last, chain: read ? chain : null }
}

type Start = [epoch: number, first: number, latest: number, known: boolean]
const cases: [name: string, runs: EpochRun[], next: number, seen: number, expected: Start[]][] = [
  [
    'from records',
    [run(1, 1, 9), run(3, 10, 12)],
    13,
    3,
    [
      [1, 1, 1, true],
      [3, 10, 10, true],
    ],
  ],
  [
    'from a batch header where the first record is rotten',
    [run(1, 1, 9), run(3, 11, 12), run(3, 10, 12, false)],
    13,
    3,
    [
      [1, 1, 1, true],
      [3, 10, 10, false],
    ],
  ],
  [
    'as a range where record and batch header are rotten',
    [run(1, 1, 7), run(3, 10, 12)],
    13,
    3,
    [
      [1, 1, 1, true],
      [3, 8, 10, false],
    ],
  ],
  [
    'as a smaller range where the batch before says how far it goes',
    [run(1, 1, 7), run(1, 5, 8, false), run(3, 10, 12)],
    13,
    3,
    [
      [1, 1, 1, true],
      [3, 9, 10, false],
    ],
  ],
  [
    'from a batch header alone where all records of an epoch are rotten',
    [run(1, 1, 7), run(2, 8, 9, false), run(3, 10, 12)],
    13,
    3,
    [
      [1, 1, 1, true],
      [2, 8, 8, false],
      [3, 10, 10, true],
    ],
  ],
  [
    'of an epoch that only an empty header remembers, if it may have lost its records',
    [run(1, 1, 7)],
    10,
    4,
    [
      [1, 1, 1, true],
      [4, 8, 10, false],
    ],
  ],
  ['not of an epoch without records', [run(1, 1, 9)], 10, 4, [[1, 1, 1, true]]],
  ['not of records that were cut', [run(1, 1, 9), run(2, 10, 12)], 10, 1, [[1, 1, 1, true]]],
]
for (const [name, runs, nextLsn, seen, expected] of cases) {
  test(`epochStarts() tells begins ${name}`, () => {
    const starts = epochStarts(runs, { firstLsn: 1, nextLsn }, seen)
    assert.deepEqual(
      starts.map((start) => [start.epoch, start.firstLsn, start.latestLsn, start.chain !== null]),
      expected,
    )
  })
}

test('Log.epochs() does not move by a flipped bit anywhere', async () => {
  const disk = new MemoryDisk()
  for (let epoch = 1; epoch <= 3; epoch++) {
    const log = await openTestLog(disk)
    await appendDurably(log, [testRecord(1, 30)])
    await appendDurably(log, [testRecord(2, 40), testRecord(3, 10)])
    await log.close()
  }
  const path = lastSegment(disk)
  const bytes = disk.files.get(path) ?? Buffer.alloc(0)
  const whole = (await openTestLog(disk.fork(), { epoch: 'seen' })).epochs()
  assert.deepEqual(
    whole.map(({ firstLsn }) => firstLsn),
    [1, 4, 7],
  )
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += 3) {
    const copy = disk.fork()
    copy.files.set(path, flipped(bytes, at))
    const log = await openTestLog(copy, { epoch: 'seen' })
    for (const [i, start] of log.epochs().entries()) {
      const { epoch, firstLsn, latestLsn, chain: expected } = whole[i] ?? {}
      const first = { epoch: start.epoch, firstLsn: start.firstLsn, latestLsn: start.latestLsn }
      assert.deepEqual(first, { epoch, firstLsn, latestLsn }, `flipped at ${at}`)
      if (start.chain !== null) assert.deepEqual(start.chain, expected)
    }
  }
})

test('Log.epochs() keeps to the truth when the begin of an epoch was written over, and is exact again when it was repaired', async () => {
  const disk = new MemoryDisk()
  for (let epoch = 1; epoch <= 2; epoch++) {
    const log = await openTestLog(disk)
    await appendDurably(log, [testRecord(1, 30), testRecord(2, 40)])
    await log.close()
  }
  const path = lastSegment(disk)
  const whole = await openTestLog(disk.fork(), { epoch: 'seen' })
  const peer = await whole.readRawRecord(toLsn(3))
  const bytes = Buffer.from(disk.files.get(path) ?? Buffer.alloc(0))
  const at = bytes.indexOf(peer.slice(0, RECORD_HEADER_BYTES))
  bytes.fill(0x55, at - 80, at + 20)
  disk.files.set(path, bytes)
  const log = await openTestLog(disk, { epoch: 'seen' })
  assert.deepEqual(log.epochs()[1], { epoch: 2, firstLsn: 3, latestLsn: 4, chain: null })
  await log.repair([{ lsn: toLsn(3), bytes: peer }])
  assert.deepEqual(log.epochs(), whole.epochs())
})
