import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '#lib/log/logger.ts'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import { GiveBack } from './give-back.ts'
import { ReplicaError } from './log/errors.ts'
import type { ReplicaLock } from './log/lock.ts'
import type { MachineStatus } from './replication/machine-types.ts'
import { VirtualClock } from './replication/testing/virtual-clock.ts'

const AFTER_MS = 60_000

const entry = { version: 7, epoch: toEpoch(3), primary: 'a', replicas: [], featureLevel: 1, nonce: 'x' }
const paired: MachineStatus = {
  role: 'primary',
  phase: '',
  epoch: 3,
  entry: { ...entry, inSync: ['a', 'b'] },
  ledger: 'good',
  settled: true,
  lastLsn: toLsn(12),
  durableLsn: toLsn(12),
  commit: toLsn(12),
  fenced: false,
  mirror: { id: 'b', phase: 'streaming', lagBytes: 0, growing: false, damaged: false, standsBack: false },
}
const alone: MachineStatus = { ...paired, entry: { ...entry, inSync: ['a'] } }

/** One lock for all shards of a member. */
function volume(): ReplicaLock & { readonly takers: number } {
  const state = { held: false, takers: 0 }
  return {
    get takers() {
      return state.takers
    },
    take: async (path) => {
      if (state.held) throw new ReplicaError('REPLICA_LOCKED', `Cannot take ${path}`)
      state.held = true
      state.takers++
      return {
        release: async () => {
          state.held = false
        },
      }
    },
  }
}

/** A shard whose status the test changes; `handed` has the time of each handover. */
function shard(clock: VirtualClock, lock: ReplicaLock, options: { afterMs?: number | null; preferred?: boolean } = {}) {
  const handed: number[] = []
  const world = { status: paired, fails: false }
  const giveBack = new GiveBack({
    clock,
    logger: silentLogger,
    preferred: options.preferred ?? false,
    afterMs: options.afterMs === undefined ? AFTER_MS : options.afterMs,
    lock,
    status: () => world.status,
    handOver: async () => {
      handed.push(clock.monotonicMs())
      if (world.fails) throw new Error('called off')
      world.status = { ...paired, role: 'mirror' }
    },
  })
  return { giveBack, handed, world }
}

test('a shard goes back after the hold-down, counted anew from each loss of sync', async () => {
  const clock = new VirtualClock()
  const { giveBack, handed, world } = shard(clock, volume())
  await clock.pass(AFTER_MS - 5_000)
  world.status = alone
  await clock.pass(2_000)
  world.status = paired
  await clock.pass(AFTER_MS - 2_000)
  assert.deepEqual(handed, [])
  await clock.pass(5_000)
  assert.equal(handed.length, 1)
  await giveBack.stop()
})

test('one that is called off is tried again after the hold-down only', async () => {
  const clock = new VirtualClock()
  const { giveBack, handed, world } = shard(clock, volume())
  world.fails = true
  await clock.pass(AFTER_MS + 2_000)
  await clock.pass(AFTER_MS - 5_000)
  assert.equal(handed.length, 1)
  await clock.pass(10_000)
  assert.equal(handed.length, 2)
  await giveBack.stop()
})

test('shards of one member go back one after another', async () => {
  const clock = new VirtualClock()
  const lock = volume()
  const shards = [shard(clock, lock), shard(clock, lock), shard(clock, lock)]
  await clock.pass(AFTER_MS + 30_000)
  const times = shards.flatMap(({ handed }) => handed).sort((a, b) => a - b)
  assert.equal(times.length, 3)
  for (const [i, at] of times.entries()) assert.ok(i === 0 || at - (times[i - 1] ?? 0) >= 5_000, String(times))
  for (const { giveBack } of shards) await giveBack.stop()
})

test('nothing goes back where it is switched off, from the preferred member, or from a mirror', async () => {
  const clock = new VirtualClock()
  const lock = volume()
  const off = shard(clock, lock, { afterMs: null })
  const home = shard(clock, lock, { preferred: true })
  const mirror = shard(clock, lock)
  mirror.world.status = { ...paired, role: 'mirror' }
  await clock.pass(AFTER_MS * 3)
  assert.equal(lock.takers, 0)
  for (const { giveBack } of [off, home, mirror]) await giveBack.stop()
})
