import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { toEpoch, toShardName } from '#lib/mail/types.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { ReplicaLock } from './lock.ts'
import { ReplicaDirectory } from './replica-directory.ts'
import { SqliteLock } from './sqlite-lock.ts'
import { flipped, MemoryDisk, TEST_SHARD } from './testing.ts'

const noLock: ReplicaLock = { take: async () => ({ release: async () => {} }) }

function open(disk: MemoryDisk, options: { shard?: string; replica?: string; create?: boolean } = {}) {
  const { shard, ...rest } = { replica: 'n1-0', ...options }
  return ReplicaDirectory.open({
    disk,
    directory: 'shard-0',
    shard: shard === undefined ? TEST_SHARD : toShardName(shard),
    random: nodeRandom,
    nowMs: 1_767_225_600_000,
    lock: noLock,
    ...rest,
  })
}

test('ReplicaDirectory.open() makes a folder with an incarnation that stays', async () => {
  const disk = new MemoryDisk()
  const made = await open(disk)
  assert.equal(made.created, true)
  assert.match(made.superblock.incarnation, /^[a-z2-7]{26}$/)
  const again = await open(disk)
  assert.equal(again.created, false)
  assert.deepEqual(again.superblock, made.superblock)
  assert.notEqual((await open(new MemoryDisk())).superblock.incarnation, made.superblock.incarnation)
})

test('ReplicaDirectory.storeNote() is seen by the next process', async () => {
  const disk = new MemoryDisk()
  const directory = await open(disk)
  assert.deepEqual(directory.note, { highestEpochPromised: 0, highestLedgerVersion: 0, inSync: false, jumpUids: 0 })
  const note = { highestEpochPromised: toEpoch(7), highestLedgerVersion: 12, inSync: true, jumpUids: 0 }
  await directory.storeNote(note)
  assert.deepEqual((await open(disk)).note, note)
})

test('a note with a jump due is of a version that an older binary refuses, until the jump was made', async () => {
  const disk = new MemoryDisk()
  const directory = await open(disk)
  const note = { highestEpochPromised: toEpoch(7), highestLedgerVersion: 12, inSync: true, jumpUids: 1 << 20 }
  const version = () => disk.files.get('shard-0/note')?.readUInt16BE(4)
  await directory.storeNote(note)
  assert.equal(version(), 2)
  assert.deepEqual((await open(disk)).note, note)
  await directory.storeNote({ ...note, jumpUids: 0 })
  assert.equal(version(), 1)
  assert.deepEqual((await open(disk)).note, { ...note, jumpUids: 0 })
})

const refusals: [
  name: string,
  change: (disk: MemoryDisk) => void,
  options: Parameters<typeof open>[1],
  code: string,
][] = [
  ['the folder of another shard', () => {}, { shard: 'n1/1' }, 'REPLICA_FOREIGN'],
  ['the folder of the other replica', () => {}, { replica: 'n1-1' }, 'REPLICA_FOREIGN'],
  [
    'a folder without a replica, if none is to be made',
    (disk) => disk.files.clear(),
    { create: false },
    'REPLICA_MISSING',
  ],
  ['a folder whose note is gone', (disk) => disk.files.delete('shard-0/note'), {}, 'REPLICA_DAMAGED'],
  ['a superblock with a flipped bit', (disk) => damage(disk, 'shard-0/superblock'), {}, 'REPLICA_DAMAGED'],
  ['a note with a flipped bit', (disk) => damage(disk, 'shard-0/note'), {}, 'REPLICA_DAMAGED'],
]
for (const [name, change, options, code] of refusals) {
  test(`ReplicaDirectory.open() refuses ${name}`, async () => {
    const disk = new MemoryDisk()
    await open(disk)
    change(disk)
    await assert.rejects(open(disk, options), { code })
  })
}

function damage(disk: MemoryDisk, path: string): void {
  disk.files.set(path, flipped(disk.files.get(path) ?? Buffer.alloc(0), 9))
}

test('SqliteLock.take() lets one holder in at a time', async () => {
  const root = await mkdtemp(join(tmpdir(), 'twinpost-lock-'))
  try {
    const options = { disk: new NodeDisk(root), directory: 'shard-0', shard: TEST_SHARD, random: nodeRandom, nowMs: 1 }
    const lock = new SqliteLock(root)
    const first = await ReplicaDirectory.open({ ...options, lock })
    await assert.rejects(ReplicaDirectory.open({ ...options, lock }), { code: 'REPLICA_LOCKED' })
    await first.close()
    await (await ReplicaDirectory.open({ ...options, lock })).close()
  } finally {
    await rm(root, { recursive: true })
  }
})
