import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLsn } from '#lib/mail/types.ts'
import { fsck } from '../index/fsck.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import { ANNA, turn } from '../mailbox/testing/world.ts'
import { DAY, DOUBT_MS, SWEEP_INTERVAL_MS } from './limits.ts'
import { AUTHOR, LETTER, QueueWorld } from './testing/queue-world.ts'

const only = <T>(list: readonly T[]): T => {
  const [first] = list
  assert.equal(list.length, 1)
  assert.ok(first)
  return first
}

test('OutgoingQueue gives out a letter with its trace fields, and forgets it when it is delivered', async () => {
  const world = await QueueWorld.make()
  assert.deepEqual(await world.submit(['ben@example.net']), [{ kind: 'queued' }])
  const item = only(await world.take())
  assert.equal(item.destination, 'example.net')
  assert.equal(item.reversePath, AUTHOR)
  assert.equal(await world.text(item), `Received: by mx.example.test\r\n${LETTER}`)
  assert.deepEqual(await world.take(), [])
  await world.settle(item, 'delivered', '250 2.0.0 OK')
  assert.equal(world.queue.totals().entries, 0)
  assert.equal(await world.queue.read(item.entry, 0, 10), null)
})

test('OutgoingQueue takes one letter for mailboxes here and for others elsewhere in one step', async () => {
  const world = await QueueWorld.make()
  const before = world.log.lastLsn
  const outcomes = await world.submit(['ben@example.net', 'cleo@example.org'], {}, true)
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['stored', 'queued'],
  )
  assert.equal(world.log.lastLsn - before, 3) // one body, one message, one entry
  const items = await world.take()
  assert.deepEqual(items.map(({ destination }) => destination).sort(), ['example.net', 'example.org'])
})

test('OutgoingQueue puts a repeated submission into the queue once, also when the first is done', async () => {
  const world = await QueueWorld.make()
  const deliveryId = Buffer.alloc(16, 7)
  const both = await Promise.all([
    world.submit(['ben@example.net'], { deliveryId }),
    world.submit(['ben@example.net'], { deliveryId }),
  ])
  assert.deepEqual(both, [[{ kind: 'queued' }], [{ kind: 'queued' }]])
  await world.settle(only(await world.take()), 'delivered')
  assert.deepEqual(await world.submit(['ben@example.net'], { deliveryId }), [{ kind: 'queued' }])
  assert.deepEqual(await world.take(), [])
  await world.pass(8 * DAY)
  await world.submit(['ben@example.net'], { deliveryId })
  assert.equal((await world.take()).length, 1, 'after its memory is over')
})

test('OutgoingQueue tries again after a pause that grows', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  const pauses: number[] = []
  for (let i = 0; i < 4; i++) {
    await world.settle(only(await world.take()), 'deferred', '451 4.3.0 later')
    let waitedMs = 0
    while ((await world.take(world, ['example.net'])).length === 0) {
      const due = world.index.queue.destinationDueMs('example.net')
      assert.ok(due)
      waitedMs = due - world.clock.nowMs()
      await world.pass(waitedMs)
      break
    }
    pauses.push(waitedMs)
  }
  assert.ok(
    pauses.every((pause, i) => i === 0 || pause > (pauses[i - 1] ?? 0)),
    String(pauses),
  )
})

test('OutgoingQueue does not give out what a busy destination waits for', async () => {
  const world = await QueueWorld.make()
  for (let i = 0; i < 30; i++) await world.submit([`ben${i}@dead.example`])
  await world.submit(['cleo@example.org'])
  const first = await world.take(world, ['dead.example'])
  assert.equal(only(first).destination, 'example.org')
  const next = await world.take()
  assert.equal(next.length, 10, 'no more at once for one destination')
})

test('OutgoingQueue waits for what becomes due, and wakes when a letter comes', async () => {
  const world = await QueueWorld.make()
  const waiting = world.queue.take({ itemsMax: 5, busy: [], waitMs: 3_000 }, world)
  await turn()
  await world.submit(['ben@example.net'])
  assert.equal((await waiting).length, 1)
})

test('OutgoingQueue waits before it gives out again what a sender left, and counts it as a try', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  const sender = {}
  const item = only(await world.take(sender))
  assert.equal(world.queue.confirm(item.attempt, sender), true)
  world.queue.ownerGone(sender)
  assert.equal(world.queue.confirm(item.attempt, sender), false)
  assert.deepEqual(await world.take(), [])
  await world.pass(DOUBT_MS)
  const again = only(await world.take())
  assert.notEqual(again.attempt, item.attempt)
  assert.equal(world.index.queue.recipient(toLsn(item.entry), 0)?.attempts, 1)
  await world.settle(item, 'delivered') // too late: the new attempt counts
  assert.equal(world.queue.totals().attempting, 1)
  assert.equal(world.queue.counts().results.stale, 1)
})

test('OutgoingQueue lets a sender go on with a letter that is on its way', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  const item = only(await world.take({}))
  await world.crash()
  const sender = {}
  assert.deepEqual(world.queue.holding([item.attempt, 999], sender), [999])
  await world.pass(DOUBT_MS * 2)
  assert.deepEqual(await world.take(), [])
  assert.equal(world.queue.confirm(item.attempt, sender), true)
  await world.settle(item, 'delivered')
  assert.equal(world.queue.totals().entries, 0)
})

test('OutgoingQueue of a new primary keeps what waits and waits with what was under way', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  const item = only(await world.take())
  await world.submit(['cleo@example.org'])
  await world.crash()
  assert.equal(only(await world.take()).destination, 'example.org')
  await world.pass(DOUBT_MS)
  assert.equal(only(await world.take()).entry, item.entry)
  assert.equal(world.failures.length, 0)
})

test('OutgoingQueue tells the author of a refused letter, with the letter through the same queue, once', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net', 'cleo@example.net'])
  const item = only(await world.take())
  await world.queue.result({
    attempt: item.attempt,
    results: [
      { place: 0, kind: 'failed', reply: '550 5.1.1 No such user', remote: 'mx.example.net', dsn: false },
      { place: 1, kind: 'delivered', reply: '250 2.0.0 OK', remote: 'mx.example.net', dsn: false },
    ],
  })
  await world.settle(item, 'failed', '550 again') // the answer to the first was lost
  const notification = only(await world.take())
  assert.equal(notification.reversePath, '')
  assert.deepEqual(
    notification.recipients.map(({ address }) => address),
    [AUTHOR],
  )
  const text = await world.text(notification)
  assert.match(text, /Final-Recipient: rfc822; ben@example\.net\r\nAction: failed\r\nStatus: 5\.1\.1\r\n/)
  assert.match(text, /Diagnostic-Code: smtp; 550 5\.1\.1 No such user\r\n/)
  assert.doesNotMatch(text, /cleo/)
  assert.match(text, /Subject: Tea\r\n/)
})

test('OutgoingQueue never tells anybody about a notification', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  await world.settle(only(await world.take()), 'failed', '550 5.1.1 No')
  await world.settle(only(await world.take()), 'failed', '550 5.1.1 No')
  assert.deepEqual(await world.take(), [])
  assert.equal(world.queue.totals().entries, 0)
})

test('OutgoingQueue gives up after five days, warns once before, and does so without a sender too', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  await world.settle(only(await world.take()), 'deferred', 'no connection')
  await world.pass(5 * 3_600_000)
  const mine = only((await world.take()).filter(({ destination }) => destination === 'example.net'))
  await world.settle(mine, 'deferred', 'no connection')
  const warning = only(await world.take(world, ['example.net']))
  assert.match(await world.text(warning), /Action: delayed\r\n/)
  await world.settle(warning, 'delivered')
  await world.pass(5 * DAY)
  await world.pass(SWEEP_INTERVAL_MS)
  const bounce = only(await world.take())
  assert.match(await world.text(bounce), /Action: failed\r\nStatus: 4\.4\.7\r\n/)
})

test('OutgoingQueue refuses more recipients than an account may write to, and more in one letter', async () => {
  const world = await QueueWorld.make({ recipientsPerHourMax: 3, recipientsPerLetterMax: 4 })
  assert.deepEqual(await world.submit(['a@example.net', 'b@example.net']), [{ kind: 'queued' }])
  assert.deepEqual(await world.submit(['a@example.net', 'b@example.net']), [{ kind: 'rate-limited' }])
  await world.pass(3_600_001)
  assert.deepEqual(await world.submit(['a@example.net', 'b@example.net']), [{ kind: 'queued' }])
  await assert.rejects(world.submit(Array.from({ length: 5 }, (_, i) => `a${i}@example.net`)), { code: 'STORE_LIMIT' })
})

test('OutgoingQueue holds what a suspended account has left', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net'])
  await world.store.runAccountCommand({ kind: 'suspend', account: ANNA })
  assert.deepEqual(await world.take(), [])
  assert.equal(world.queue.totals().held, 1)
  assert.deepEqual(await world.submit(['ben@example.net']), [{ kind: 'suspended' }])
  await world.store.runAccountCommand({ kind: 'resume', account: ANNA })
  const { changed } = await world.queue.order({ kind: 'release', filter: { account: ANNA } })
  assert.equal(changed, 1)
  assert.equal((await world.take()).length, 1)
})

test('OutgoingQueue obeys hold, release, retry, drop, and lists what it has', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net', 'cleo@example.org'])
  const list = async (filter = {}) => (await world.queue.order({ kind: 'list', filter, after: 0, rowsMax: 10 })).letters
  assert.equal((await list({ to: 'example.org' }))[0]?.recipients.length, 1)
  assert.equal((await world.queue.order({ kind: 'hold', filter: { to: 'example.net' } })).changed, 1)
  const cleo = only(await world.take())
  assert.equal((await world.queue.order({ kind: 'drop', filter: { to: 'cleo@example.org' } })).changed, 0, 'under way')
  await world.settle(cleo, 'deferred', '451 later', 'mx')
  assert.equal((await world.queue.order({ kind: 'retry', filter: {} })).changed, 1)
  assert.equal((await world.take()).length, 1)
  assert.equal((await world.queue.order({ kind: 'drop', filter: { state: 'held' } })).changed, 1)
  assert.deepEqual(
    (await list()).flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    ['cleo@example.org'],
  )
})

test('OutgoingQueue survives overlapping orders and results of one letter', async () => {
  const world = await QueueWorld.make()
  for (let i = 0; i < 20; i++) await world.submit(['ben@example.net', 'cleo@example.org'])
  const owner = {}
  const work: Promise<unknown>[] = []
  for (let round = 0; round < 6; round++) {
    for (const item of await world.take(owner)) {
      work.push(world.settle(item, round % 2 === 0 ? 'deferred' : 'delivered', 'x'))
      work.push(world.settle(item, 'failed', '550 x'))
    }
    for (const kind of ['hold', 'release', 'retry', 'drop'] as const) {
      work.push(world.queue.order({ kind, filter: kind === 'drop' ? { to: 'example.org' } : {} }))
    }
    await world.pass(60_000)
  }
  await Promise.all(work)
  assert.deepEqual(world.failures, [])
  const open = world.index.queue.openEntries(0, 100)
  const rows = open.flatMap(({ entry }) => world.index.queue.recipients(entry))
  const count = (state: string) => rows.filter((row) => row.state === state).length
  const { entries, waiting, attempting, held } = world.queue.totals()
  assert.deepEqual(
    [entries, waiting, attempting, held],
    [open.length, count('waiting'), count('attempting'), count('held')],
  )
  const report = await fsck({ log: world.log, index: world.index, nowMs: world.clock.nowMs() })
  assert.deepEqual(report.findings, [])
})

test('the index made anew from the log has the same queue', async () => {
  const world = await QueueWorld.make()
  await world.submit(['ben@example.net', 'cleo@example.org'])
  await world.submit(['dora@example.net'])
  const [first] = await world.take()
  assert.ok(first)
  await world.settle(first, 'failed', '550 5.1.1 No')
  const digest = world.index.digest(0)
  await world.crash()
  assert.deepEqual(world.index.digest(0), digest)
  const empty = new SqliteIndex(':memory:')
  assert.notEqual(empty.digest(0).queue, digest.queue)
  empty.close()
})
