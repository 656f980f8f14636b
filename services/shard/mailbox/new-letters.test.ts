import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flag, NO_FLAGS } from '#lib/mail/flags.ts'
import { toLsn, toUid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { fsck } from '../index/fsck.ts'
import { catchUp, rebuildIndex } from '../index/open.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import { MemoryLog } from './testing/memory-log.ts'
import {
  ANNA,
  deliver,
  makeWorld,
  openByName,
  statusByName,
  textOf,
  turn,
  type World,
  worldWith,
} from './testing/world.ts'

const LARGE = 'x'.repeat(1_500_000)

function letter(text: string, system = 0) {
  return { flags: { system, keywords: [] }, internalDateMs: null, body: [Buffer.from(text)] }
}

async function texts(world: World, name: string): Promise<string[]> {
  const mailbox = await openByName(world.store.openImapAccount(ANNA), name)
  const { uids, exists } = mailbox.view
  return Promise.all([...uids.subarray(0, exists)].map((uid) => textOf(mailbox.message(toUid(uid)))))
}

/** The index is what the log says, and every body is where a letter looks for it. */
async function proven({ log, index, clock }: World): Promise<void> {
  assert.deepEqual(index.digest(0), (await rebuildIndex(log, index.appliedLsn)).digest(0))
  const { findings } = await fsck({ log, index, nowMs: clock.nowMs() })
  assert.deepEqual(findings, [])
}

test('appendAll() stores all letters in one step, large ones among small ones', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  const { uids } = await account.appendAll('INBOX', [letter('a'), letter(LARGE, Flag.seen), letter('c'), letter(LARGE)])
  assert.deepEqual(uids, [1, 2, 3, 4])
  assert.deepEqual(await texts(world, 'INBOX'), ['a', LARGE, 'c', LARGE])
  assert.equal(statusByName(world, ANNA, 'INBOX').unseen, 3)
  await proven(world)
})

test('appendAll() leaves nothing if the process dies before the last byte of it is durable', async () => {
  const world = await worldWith({ log: new MemoryLog('by-hand') })
  const before = world.log.lastLsn
  const appended = world.store.openImapAccount(ANNA).appendAll('INBOX', [letter('a'), letter('b'), letter('c')])
  appended.catch(() => undefined)
  await turn()
  const whole = world.log.lastLsn
  for (let last = before; last <= whole; last++) {
    const log = world.log.afterCrash(last - before)
    const index = new SqliteIndex(':memory:')
    await catchUp(log, index, log.durableLsn)
    const after = makeWorld({ log, index })
    const { messages } = statusByName(after, ANNA, 'INBOX')
    assert.equal(messages, last === whole ? 3 : 0, `${last - before} records of ${whole - before}`)
  }
})

test('appendAll() is refused as a whole when one letter does not fit', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 10 })
  await assert.rejects(account.appendAll('INBOX', [letter('12345'), letter('678901')]), { code: 'STORE_OVER_QUOTA' })
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
  await account.appendAll('INBOX', [letter('12345'), letter('67890')])
  assert.deepEqual(account.quota(), { usedBytes: 10, limitBytes: 10 })
})

test('replace() puts a letter in and takes one out by one record, in the same mailbox and into another', async () => {
  const world = await worldWith()
  await deliver(world, ANNA, 'draft 1')
  const account = world.store.openImapAccount(ANNA)
  const inbox = await openByName(account, 'INBOX')
  const before = world.log.lastLsn
  assert.deepEqual((await inbox.replace(toUid(1), { mailbox: 'INBOX', ...letter('draft 2') }))?.uids, [2])
  assert.equal(world.log.lastLsn, toLsn(before + 2), 'the body and one fact')
  assert.deepEqual(await texts(world, 'INBOX'), ['draft 2'])
  const sent = await inbox.replace(toUid(2), { mailbox: 'sent', ...letter(LARGE, Flag.seen) }).catch(() => null)
  assert.equal(sent, null, 'there is no mailbox of that name')
  assert.deepEqual((await inbox.replace(toUid(2), { mailbox: 'Sent', ...letter(LARGE, Flag.seen) }))?.uids, [1])
  assert.deepEqual([await texts(world, 'INBOX'), await texts(world, 'Sent')], [[], [LARGE]])
  assert.deepEqual(inbox.vanishedSince(inbox.view.modSeq), [{ from: 1, to: 2 }])
  assert.equal(await inbox.replace(toUid(2), { mailbox: 'Sent', ...letter('again') }), null)
  assert.equal(statusByName(world, ANNA, 'Sent').messages, 1, 'nothing comes for a letter that is gone')
  await proven(world)
})

test('replace() counts what it frees, and is refused where nothing new is taken', async () => {
  let full = false
  const refusal = () => (full ? new StoreError('STORE_FULL', 'Full') : null)
  const world = await worldWith({ refusal: (kind) => (kind === 'user' ? refusal() : null) })
  const account = world.store.openImapAccount(ANNA)
  await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [Buffer.from('1234567890')] })
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 10 })
  const inbox = await openByName(account, 'INBOX')
  await assert.rejects(inbox.replace(toUid(1), { mailbox: 'INBOX', ...letter('12345678901') }), {
    code: 'STORE_OVER_QUOTA',
  })
  assert.deepEqual((await inbox.replace(toUid(1), { mailbox: 'INBOX', ...letter('0987654321') }))?.uids, [2])
  full = true
  await assert.rejects(inbox.replace(toUid(2), { mailbox: 'INBOX', ...letter('x') }), { code: 'STORE_FULL' })
  assert.deepEqual(await texts(world, 'INBOX'), ['0987654321'])
})

test('deletedBytes() is what an EXPUNGE would free', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  const inbox = await openByName(account, 'INBOX')
  const { uids } = await account.appendAll('INBOX', [letter('12345'), letter('678', Flag.deleted), letter('90')])
  assert.equal(account.deletedBytes(inbox.info.id), 3)
  await inbox.store({ uids: uids.slice(2), change: 'add', flags: { system: Flag.deleted, keywords: [] } })
  assert.equal(account.deletedBytes(inbox.info.id), 5)
  await inbox.expunge(null)
  assert.equal(account.deletedBytes(inbox.info.id), 0)
  assert.equal(account.quota().usedBytes, 5)
})
