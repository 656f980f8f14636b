import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { toLsn, toMailboxId, toModSeq, toUid } from '#lib/mail/types.ts'
import { ANNA, deliver, recipient, worldWith } from '../mailbox/testing/world.ts'
import { RecordType } from '../records/types.ts'
import { IndexConnection } from './connection.ts'
import { SqliteIndex } from './sqlite-index.ts'

const request = (to: ReturnType<typeof recipient>) => ({ traceId: '', reversePath: '', recipients: [to] })

test('apply() takes a batch whole or not at all', async () => {
  const { index } = await worldWith()
  index.flush()
  const before = index.digest(0)
  const { appliedLsn } = index
  const at = (more: number) => toLsn(appliedLsn + more)
  const subscribe = { type: RecordType.mailboxSubscribe, account: ANNA, name: 'x', on: true } as const
  const misfit = {
    type: RecordType.messagesExpunge,
    account: ANNA,
    mailbox: toMailboxId('a'.repeat(13)),
    modSeq: toModSeq(9),
    uids: [],
  } as const
  assert.throws(
    () =>
      index.apply(
        [
          { lsn: at(1), record: subscribe },
          { lsn: at(2), record: misfit },
        ],
        at(2),
      ),
    { code: 'INDEX_RECORD' },
  )
  assert.deepEqual([index.appliedLsn, index.digest(0)], [appliedLsn, before])
  index.apply([{ lsn: at(1), record: subscribe }], at(1))
  assert.notEqual(index.digest(0).subscriptions, before.subscriptions)
  assert.equal(index.digest(0).messages, before.messages)
  assert.throws(() => index.apply([{ lsn: at(1), record: subscribe }], at(2)), { code: 'INDEX_RECORD' })
})

test('sweepDeliveries() forgets what is old, in turns, and nothing else', async () => {
  const world = await worldWith()
  const ids: Uint8Array[] = []
  for (let day = 0; day < 10; day++) {
    const to = recipient(ANNA)
    ids.push(to.deliveryId)
    await world.store.deliver(request(to), [Buffer.from('x')])
    world.clock.advance(24 * 60 * 60 * 1000)
  }
  const beforeMs = world.clock.nowMs() - 7 * 24 * 60 * 60 * 1000
  for (let turn = 0; turn < 6; turn++) world.index.sweepDeliveries(beforeMs, 4)
  assert.deepEqual(
    ids.map((id) => world.index.delivery(id) !== null),
    [false, false, false, true, true, true, true, true, true, true],
  )
})

test('digest() sees a single changed flag, and leaves deliveries out that may be swept', async () => {
  const world = await worldWith()
  await deliver(world, ANNA, 'x')
  const before = world.index.digest(0)
  const later = world.clock.nowMs() + 1
  assert.notEqual(world.index.digest(later).deliveries, before.deliveries)
  const inbox = world.store.openImapAccount(ANNA).find('INBOX')
  assert.ok(inbox)
  const open = await world.store.openImapAccount(ANNA).open(inbox.id, false, () => undefined)
  await open.store({ uids: [toUid(1)], change: 'add', flags: { system: 1, keywords: [] } })
  const after = world.index.digest(0)
  assert.notEqual(after.messages, before.messages)
  assert.equal(after.accounts, before.accounts)
})

test('apply() is seen at once here, and by another connection after flush()', async (context) => {
  const path = join(await mkdtemp(join(tmpdir(), 'index-')), 'index.db')
  context.after(() => rm(join(path, '..'), { recursive: true }))
  const index = new SqliteIndex(path)
  index.apply([], toLsn(5))
  const elsewhere = () => {
    const other = new SqliteIndex(path)
    const { appliedLsn } = other
    other.close()
    return appliedLsn
  }
  assert.equal(index.appliedLsn, 5)
  assert.equal(elsewhere(), 0)
  index.flush()
  assert.equal(elsewhere(), 5)
  index.apply([], toLsn(6))
  index.close()
  assert.equal(elsewhere(), 6)
})

test('an error in apply() takes back what was not flushed, and appliedLsn says so', () => {
  const index = new SqliteIndex(':memory:')
  index.apply([], toLsn(5))
  index.flush()
  index.apply([], toLsn(6))
  const unknown = { type: RecordType.accountDelete, account: ANNA } as const
  assert.throws(() => index.apply([{ lsn: toLsn(7), record: unknown }], toLsn(7)), { code: 'INDEX_RECORD' })
  assert.equal(index.appliedLsn, 5)
  index.apply([], toLsn(6))
  assert.equal(index.appliedLsn, 6)
  index.close()
})

test('uids() are those of the messages, with holes and without, at both ends and in the middle', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  const info = account.find('INBOX') ?? assert.fail()
  const inbox = await account.open(info.id, false, () => undefined)
  const key = world.index
    .mailboxes(world.index.account(ANNA)?.key ?? assert.fail())
    .find(({ id }) => id === info.id)?.key
  assert.ok(key !== undefined)
  assert.deepEqual([...world.index.uids(key)], [])
  for (let i = 0; i < 8; i++) await deliver(world, ANNA, 'x')
  const expunge = async (...uids: number[]) => {
    const gone = uids.map(toUid)
    await inbox.store({ uids: gone, change: 'add', flags: { system: 4, keywords: [] } })
    assert.deepEqual(world.index.uidsMarkedDeleted(key), gone)
    await inbox.expunge(gone)
    assert.deepEqual(world.index.uidsMarkedDeleted(key), [])
  }
  for (const [gone, left] of [
    [[], [1, 2, 3, 4, 5, 6, 7, 8]],
    [
      [1, 8],
      [2, 3, 4, 5, 6, 7],
    ],
    [[4], [2, 3, 5, 6, 7]],
    [
      [2, 3],
      [5, 6, 7],
    ],
    [[5, 6, 7], []],
  ] as const) {
    if (gone.length > 0) await expunge(...gone)
    assert.deepEqual([...world.index.uids(key)], left)
  }
  assert.deepEqual(world.index.uidsExpungedSince(key, toModSeq(0)), [{ from: 1, to: 8 }])
})

test('flush() on a full disk: what SQLite took back is there again, under the same row keys, and is written when there is space', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tp-index-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'index.db')
  const connection = new IndexConnection(path)
  const { commit, db } = connection
  let full = false
  Object.assign(connection, {
    commit: {
      // What SQLite does when the pages of a transaction find no space.
      run() {
        if (!full) return commit.run()
        db.exec('ROLLBACK')
        throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
      },
    },
  })
  const index = new SqliteIndex(connection)
  const world = await worldWith({ index })
  await deliver(world, ANNA, 'before')
  index.flush()
  full = true
  for (let i = 0; i < 5; i++) await deliver(world, ANNA, `letter ${i}`)
  const [before, key, lsn] = [index.digest(0), index.account(ANNA)?.key, index.appliedLsn]
  for (let i = 0; i < 3; i++) {
    assert.throws(() => index.flush(), { errcode: 13 })
    assert.deepEqual([index.digest(0), index.account(ANNA)?.key, index.appliedLsn], [before, key, lsn])
  }
  await deliver(world, ANNA, 'while it is full')
  full = false
  index.flush()
  const after = index.digest(0)
  const written = index.appliedLsn
  index.close()
  const again = new SqliteIndex(path)
  assert.deepEqual([again.digest(0), again.appliedLsn], [after, written])
  again.close()
})
