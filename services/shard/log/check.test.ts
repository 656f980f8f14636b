import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { checkLog, type LogProblem } from './check.ts'
import { SEGMENT_HEADER_BYTES } from './format.ts'
import { appendDurably, flipped, MemoryDisk, openTestLog, TEST_DIRECTORY, TEST_SHARD, testRecord } from './testing.ts'

describe('checkLog()', () => {
  const disk = new MemoryDisk()
  let paths: string[] = []
  before(async () => {
    const log = await openTestLog(disk, { segmentBytes: 3000 })
    for (let n = 1; n <= 12; n++) await appendDurably(log, [testRecord(n, 500)])
    paths = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
  })

  async function check(path: string | undefined, change: (bytes: Buffer) => Buffer | null) {
    const copy = disk.fork()
    const changed = change(copy.files.get(path ?? '') ?? Buffer.alloc(0))
    if (changed === null) copy.files.delete(path ?? '')
    else copy.files.set(path ?? '', changed)
    return checkLog({ disk: copy, directory: TEST_DIRECTORY, shard: TEST_SHARD })
  }
  const kinds = (problems: readonly LogProblem[]) => problems.map(({ kind }) => kind)

  test('finds nothing in a sound log', async () => {
    const found = await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })
    assert.deepEqual(found.problems, [])
    assert.equal(found.lastLsn, 12)
    assert.equal(found.recordCount, 12)
    assert.deepEqual(
      found.segments.map(({ sealed }) => sealed),
      [true, true, true, false],
    )
  })

  test('changes nothing', async () => {
    const copy = disk.fork()
    copy.files.set(`${TEST_DIRECTORY}/0000000000000099.seg.new`, Buffer.from('x'))
    const before = new Map(copy.files)
    await checkLog({ disk: copy, directory: TEST_DIRECTORY, shard: TEST_SHARD })
    assert.deepEqual(copy.files, before)
  })

  test('finds nothing in a folder without a log', async () => {
    const found = await checkLog({ disk: new MemoryDisk(), directory: TEST_DIRECTORY, shard: TEST_SHARD })
    assert.deepEqual(found, { segments: [], problems: [], lastLsn: 0, recordCount: 0 })
  })

  test('names a rotten record of a sealed segment', async () => {
    const { problems, lastLsn } = await check(paths[0], (bytes) => flipped(bytes, SEGMENT_HEADER_BYTES + 500))
    assert.deepEqual(kinds(problems), ['rotten'])
    assert.equal(lastLsn, 12)
  })

  test('names a damaged segment header', async () => {
    assert.deepEqual(kinds((await check(paths[1], (bytes) => flipped(bytes, 30))).problems), ['header'])
  })

  test('names a damaged footer', async () => {
    const { problems } = await check(paths[0], (bytes) => flipped(bytes, bytes.length - 50))
    assert.equal(problems[0]?.kind, 'footer')
    assert.equal(
      problems.some(({ kind }) => kind === 'rotten'),
      false,
    )
  })

  test('names a damaged table of offsets', async () => {
    const { problems } = await check(paths[0], (bytes) => flipped(bytes, bytes.length - 128 - 2 * 16 - 48 - 4))
    assert.deepEqual(kinds(problems), ['offsets'])
  })

  test('names the torn end', async () => {
    const { problems, lastLsn } = await check(paths.at(-1), (bytes) => bytes.subarray(0, bytes.length - 9))
    assert.deepEqual(kinds(problems), ['torn'])
    assert.equal(lastLsn, 11)
  })

  test('names the gap where a segment is gone', async () => {
    const { problems, lastLsn } = await check(paths[1], () => null)
    assert.equal(problems[0]?.kind, 'gap')
    assert.equal(lastLsn, 12)
  })
})
