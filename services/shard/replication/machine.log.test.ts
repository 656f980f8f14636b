/** The machine on the real log and replica directory: what the simulator does with all faults, here on the plain ways. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import { SimLedger } from '../ledger/testing/sim-ledger.ts'
import { Log } from '../log/log.ts'
import { ReplicaDirectory } from '../log/replica-directory.ts'
import { SpaceWait } from '../log/space-wait.ts'
import { MemoryDisk } from '../log/testing.ts'
import { noteStore } from './directory-notes.ts'
import { ReplicaMachine } from './machine.ts'
import { SHARD } from './testing/pair.ts'
import { PairNetwork } from './testing/pair-network.ts'
import { SeededRandom } from './testing/seeded-random.ts'
import { VirtualClock } from './testing/virtual-clock.ts'

type Member = 0 | 1

interface Running {
  readonly machine: ReplicaMachine
  readonly log: Log
  readonly end: () => void
}

/** A disk whose operations never settle once the process has ended. */
function diskOfLife(disk: Disk, alive: () => boolean): Disk {
  const gone = new Promise<never>(() => {})
  const guard = <T>(run: () => Promise<T>): Promise<T> => (alive() ? run() : gone)
  const file = (one: File): File => ({
    read: (position, length) => guard(() => one.read(position, length)),
    write: (position, chunks) => guard(() => one.write(position, chunks)),
    writeDurable: (position, chunks) => guard(() => one.writeDurable(position, chunks)),
    sync: () => guard(() => one.sync()),
    truncate: (length) => guard(() => one.truncate(length)),
    size: () => guard(() => one.size()),
    close: () => guard(() => one.close()),
  })
  return {
    open: (path) => guard(async () => file(await disk.open(path))),
    create: (path) => guard(async () => file(await disk.create(path))),
    list: (path) => guard(() => disk.list(path)),
    makeDirectory: (path) => guard(() => disk.makeDirectory(path)),
    rename: (from, to) => guard(() => disk.rename(from, to)),
    remove: (path) => guard(() => disk.remove(path)),
    syncDirectory: (path) => guard(() => disk.syncDirectory(path)),
    space: (path) => guard(() => disk.space(path)),
  }
}

class RealPair {
  readonly clock = new VirtualClock()
  readonly wire = new PairNetwork(this.clock)
  readonly ledger = new SimLedger({ clock: this.clock, random: new SeededRandom(1) })
  readonly disks: [MemoryDisk, MemoryDisk] = [new MemoryDisk(), new MemoryDisk()]
  readonly running: [Running | null, Running | null] = [null, null]
  #boots = 0

  /** @param applied What the index holds. */
  async start(member: Member, applied = toLsn(0)): Promise<Running> {
    const { clock, end } = this.clock.life()
    let alive = true
    const disk = diskOfLife(this.disks[member], () => alive)
    const random = new SeededRandom(1_000 + ++this.#boots)
    const lock = { take: async () => ({ release: async () => {} }) }
    const directory = await ReplicaDirectory.open({
      disk,
      directory: 'r',
      shard: SHARD,
      random,
      nowMs: clock.nowMs(),
      lock,
    })
    const log = await Log.open({
      disk,
      directory: directory.logDirectory,
      shard: SHARD,
      clock,
      random,
      epoch: 'seen',
      knownUpTo: applied,
      segmentBytes: 4_000,
    })
    const { incarnation } = directory.superblock
    const machine = new ReplicaMachine({
      shard: SHARD,
      self: {
        id: `${SHARD}@${member}#${incarnation}`,
        member,
        podUid: 'u',
        incarnation,
        bootId: `life-${this.#boots}`,
      },
      preferred: member === 0,
      log,
      notes: noteStore(directory, new SpaceWait(clock)),
      ledger: this.ledger.client(),
      network: this.wire.end(member),
      clock,
      random,
      appliedLsn: () => applied,
      space: () => ({ freeBytes: 1, totalBytes: 1 }),
      onFailure: (error) => assert.fail(error),
    })
    machine.start()
    const one = {
      machine,
      log,
      end: () => {
        alive = false
        end()
      },
    }
    this.running[member] = one
    return one
  }

  kill(member: Member): void {
    this.running[member]?.end()
    this.running[member] = null
    this.wire.kill(member)
  }

  get primary(): Running | null {
    return this.running.find((one) => one?.machine.role === 'primary') ?? null
  }

  async inSync(): Promise<void> {
    const done = () => this.ledger.entry(SHARD)?.inSync.length === 2 && this.primary?.machine.status().settled === true
    assert.ok(await this.clock.until(done, 20_000), JSON.stringify(this.running.map((one) => one?.machine.status())))
  }

  /** Appends to the primary and waits for commit. */
  async write(count: number): Promise<void> {
    const primary = this.primary
    assert.ok(primary)
    for (let i = 0; i < count; i++) {
      const body = [Buffer.alloc(700, i)]
      primary.log.append([{ type: 2, meta: Buffer.from(`letter ${i}`), body }])
      if (i % 3 === 0) await this.clock.pass(1)
    }
    assert.ok(await this.clock.until(() => primary.machine.commit === primary.log.lastLsn, 3_000), 'all is committed')
  }

  async equal(): Promise<void> {
    const [a, b] = this.running
    assert.ok(a && b)
    await this.clock.pass(1_000)
    assert.equal(a.log.lastLsn, b.log.lastLsn)
    for (let lsn: Lsn = toLsn(1); lsn <= a.log.lastLsn; lsn = toLsn(lsn + 1)) {
      assert.deepEqual(await a.log.readRawRecord(lsn), await b.log.readRawRecord(lsn), `record ${lsn}`)
    }
  }
}

test('ReplicaMachine mirrors the real log through growth, absence, failover and a cut tail', async () => {
  const pair = new RealPair()
  await Promise.all([pair.start(0), pair.start(1)])
  await pair.inSync()
  await pair.write(20)
  await pair.equal()

  pair.kill(1)
  await pair.clock.pass(1_500)
  await pair.write(30)
  await pair.start(1)
  await pair.inSync()
  await pair.equal()

  // Only the primary gets these; then it dies, and the mirror takes over.
  pair.wire.cutBoth(true)
  pair.running[0]?.log.append([{ type: 2, meta: Buffer.from('never acknowledged') }])
  await pair.clock.pass(50)
  const lonely = pair.running[0]?.log.lastLsn ?? 0
  pair.kill(0)
  pair.wire.cutBoth(false)
  assert.ok(await pair.clock.until(() => pair.running[1]?.machine.role === 'primary', 4_000))
  await pair.write(10)
  const back = await pair.start(0)
  assert.equal(back.log.lastLsn, lonely)
  await pair.inSync()
  await pair.equal()
  assert.equal([...pair.disks[0].files.keys()].filter((path) => path.includes('/cut/')).length, 1)

  const handed = pair.running[1]?.machine.switchover()
  assert.ok(await pair.clock.until(() => pair.running[0]?.machine.role === 'primary', 1_000))
  await handed
  await pair.write(10)
  await pair.equal()
})

test('ReplicaMachine finds commit and epochs of the real log again after both members died', async () => {
  const pair = new RealPair()
  await Promise.all([pair.start(0), pair.start(1)])
  await pair.inSync()
  await pair.write(25)
  pair.kill(0)
  pair.kill(1)
  await Promise.all([pair.start(0), pair.start(1)])
  assert.ok((pair.running[1]?.log.commit ?? 0) > 15)
  await pair.inSync()
  await pair.write(5)
  await pair.equal()
  assert.deepEqual(pair.running[0]?.log.epochs(), pair.running[1]?.log.epochs())
})

test('ReplicaMachine takes an epoch from the mirror of which the real log lost all, so that only the index knew its length', async () => {
  const pair = new RealPair()
  await Promise.all([pair.start(0), pair.start(1)])
  await pair.inSync()
  await pair.write(5)
  pair.kill(0)
  const again = await pair.start(0)
  await pair.inSync()
  await pair.clock.pass(500)
  const { lastLsn } = again.log
  const begin = again.log.epochs().at(-1)
  assert.equal(begin?.firstLsn, lastLsn, 'the epoch has one record')
  pair.kill(0)

  const { files } = pair.disks[0]
  const path =
    [...files.keys()]
      .filter((name) => name.endsWith('.seg'))
      .sort()
      .at(-1) ?? ''
  const bytes = files.get(path) ?? Buffer.alloc(0)
  const ofEpoch = (at: number) => Number(bytes.readBigUInt64BE(at + 16)) === begin?.epoch
  let at = bytes.indexOf('TPB1')
  while (at >= 0 && !ofEpoch(at)) at = bytes.indexOf('TPB1', at + 1)
  assert.ok(at > 0)
  files.set(path, bytes.subarray(0, at))

  const poorer = await pair.start(0, lastLsn)
  assert.deepEqual(poorer.log.rotten, [{ first: lastLsn, last: lastLsn }])
  assert.ok(await pair.clock.until(() => pair.running[1]?.machine.role === 'primary', 3_000), 'the mirror serves')
  await pair.inSync()
  await pair.write(5)
  await pair.equal()
  assert.deepEqual(pair.running[0]?.log.epochs(), pair.running[1]?.log.epochs())
  assert.deepEqual(poorer.log.rotten, [])
})
