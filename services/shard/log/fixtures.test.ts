/** Logs of every released format, kept as files, must open with this version and give their records. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { toLsn } from '#lib/mail/types.ts'
import { checkLog } from './check.ts'
import { FORMAT_VERSION } from './format.ts'
import { sampleRecords, writeSample } from './sample.fixture.ts'
import { MemoryDisk, openTestLog, TEST_DIRECTORY, TEST_SHARD } from './testing.ts'

const fixtures = join(import.meta.dirname, 'fixtures')

/** A copy in memory: opening rewrites the tail. */
function loadSample(version: number): MemoryDisk {
  const disk = new MemoryDisk()
  const folder = join(fixtures, `v${version}`, TEST_DIRECTORY)
  for (const name of readdirSync(folder)) disk.files.set(`${TEST_DIRECTORY}/${name}`, readFileSync(join(folder, name)))
  return disk
}

for (let version = 1; version <= FORMAT_VERSION; version++) {
  test(`Log.open() opens the sample log of format ${version} and gives its records`, async () => {
    const disk = loadSample(version)
    const checked = await checkLog({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD })
    assert.deepEqual(checked.problems, [])
    const log = await openTestLog(disk)
    const records = sampleRecords()
    assert.equal(log.lastLsn, records.length)
    assert.deepEqual(log.recovery.rotten, [])
    for (const [i, { type, meta, body = [] }] of records.entries()) {
      const record = await log.read(toLsn(i + 1))
      assert.equal(record.type, type)
      assert.deepEqual(Buffer.from(record.meta), Buffer.from(meta))
      assert.deepEqual(Buffer.from(record.body), Buffer.concat(body))
    }
    await log.close()
  })
}

test('The sample of the newest format is what this version writes', async () => {
  const disk = new MemoryDisk()
  await writeSample(disk)
  const kept = loadSample(FORMAT_VERSION)
  assert.deepEqual([...disk.files.keys()].sort(), [...kept.files.keys()].sort())
  for (const [path, bytes] of disk.files) assert.deepEqual(bytes, kept.files.get(path), path)
})
