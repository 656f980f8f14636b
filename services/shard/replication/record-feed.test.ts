import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { PeerChannel } from '#lib/ports/network.ts'
import { Assembler } from './assembler.ts'
import { decodeMessage } from './messages.ts'
import { RecordFeed, type RecordFeedOptions } from './record-feed.ts'
import { MemoryReplicaLog, memoryDisk } from './testing/memory-replica-log.ts'
import { VirtualClock } from './testing/virtual-clock.ts'

/** A feed from `firstLsn` on of a log with `count` records of 1000 bytes, and what it sent. */
async function feedOf(count: number, options: Partial<RecordFeedOptions> = {}) {
  const clock = new VirtualClock()
  const log = new MemoryReplicaLog(clock, memoryDisk('feed'))
  log.setEpoch(toEpoch(1))
  for (let i = 0; i < count; i++) append(log)
  await clock.pass(5)
  const sent: { first: number; last: number; atMs: number }[] = []
  const assembler = new Assembler()
  const channel: PeerChannel = {
    kind: 'data',
    open: () => {},
    close: () => {},
    send: (pieces) => {
      const message = decodeMessage(Buffer.concat(pieces))
      assert.ok(message.kind === 'batch' || message.kind === 'more')
      const whole = assembler.take(message)
      if (whole?.head.kind !== 'batch') return
      const { firstLsn, recordCount } = whole.head
      sent.push({ first: firstLsn, last: firstLsn + recordCount - 1, atMs: clock.monotonicMs() })
    },
  }
  const failures: Error[] = []
  const feed = new RecordFeed({
    log,
    channel,
    clock,
    epoch: toEpoch(1),
    firstLsn: toLsn(1),
    windowBytes: 5_000,
    bytesPerSecond: null,
    commit: () => log.commit,
    onFailure: (error) => failures.push(error),
    ...options,
  })
  log.onBatch((batch) => feed.batch(batch))
  log.onDurable(() => feed.pump())
  return { clock, log, feed, sent, failures }
}

function append(log: MemoryReplicaLog): Lsn {
  return log.append([{ type: 2, meta: Buffer.alloc(0), body: [Buffer.alloc(880, 7)] }]).last
}

function numbers(sent: readonly { first: number; last: number }[]): number[] {
  return sent.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
}

test('RecordFeed sends what the log begins to write before it is durable here', async () => {
  const { log, sent, feed } = await feedOf(0)
  append(log)
  assert.deepEqual(numbers(sent), [1])
  assert.equal(log.durableLsn, 0)
  assert.equal(feed.nextLsn, 2)
})

test('RecordFeed sends each record once and in order, from disk and from memory', async () => {
  const { clock, log, sent, feed } = await feedOf(40, { windowBytes: 1_000_000 })
  feed.pump()
  for (let i = 0; i < 20; i++) {
    append(log)
    if (i % 3 === 0) await clock.pass(1)
  }
  await clock.pass(10)
  assert.deepEqual(
    numbers(sent),
    Array.from({ length: 60 }, (_, i) => i + 1),
  )
})

test('RecordFeed stops at the window and goes on with acknowledgements', async () => {
  const { clock, log, sent, feed } = await feedOf(0)
  for (let i = 0; i < 30; i++) {
    append(log)
    await clock.pass(2)
  }
  assert.deepEqual(numbers(sent), [1, 2, 3, 4, 5])
  feed.acknowledged(toLsn(2))
  await clock.pass(2)
  assert.equal(numbers(sent).length > 5, true)
  for (let acked = 3; acked <= 30; acked++) {
    feed.acknowledged(toLsn(Math.min(acked, feed.nextLsn - 1)))
    await clock.pass(1)
  }
  await clock.pass(5)
  assert.deepEqual(
    numbers(sent),
    Array.from({ length: 30 }, (_, i) => i + 1),
  )
})

test('RecordFeed keeps to its bandwidth', async () => {
  const { clock, feed, sent } = await feedOf(3_000, { windowBytes: 1e9, bytesPerSecond: 1_000_000 })
  feed.pump()
  await clock.pass(1_500)
  assert.ok(numbers(sent).length < 3_000, 'a second and a half is too short')
  await clock.pass(3_000)
  assert.equal(numbers(sent).length, 3_000)
})

test('RecordFeed tells for how long nothing was acknowledged', async () => {
  const { clock, log, feed } = await feedOf(0)
  assert.equal(feed.stalledMs, 0)
  append(log)
  await clock.pass(700)
  assert.equal(feed.stalledMs, 700)
  feed.acknowledged(toLsn(1))
  assert.equal(feed.stalledMs, 0)
  assert.equal(feed.idle, true)
})

test('RecordFeed stops and says so when a record cannot be read', async () => {
  const { clock, log, feed, failures, sent } = await feedOf(5)
  log.rot(1)
  feed.pump()
  await clock.pass(1)
  assert.equal(failures.length, 1)
  append(log)
  await clock.pass(5)
  assert.deepEqual(sent, [])
})

test('RecordFeed sends nothing after stop()', async () => {
  const { clock, log, feed, sent } = await feedOf(5)
  feed.stop()
  feed.pump()
  append(log)
  await clock.pass(5)
  assert.deepEqual(sent, [])
})
