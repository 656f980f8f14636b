import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLsn, toModSeq, toUid } from '#lib/mail/types.ts'
import { ANNA, BERT, deliver, makeWorld, openByName, statusByName, worldWith } from '../mailbox/testing/world.ts'
import { encodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import { catchUp, rebuildIndex } from './open.ts'

const JUMP = { type: RecordType.recoveryJump, uids: 1_000, modSeqs: 2 ** 40, uidValidity: 3_000_000_000 } as const

/** Anna has letters in two mailboxes, Bert has none; then the store is given up and the log goes on with a jump. */
async function jumped(jump: Omit<typeof JUMP, 'uids'> & { uids: number } = JUMP) {
  const before = await worldWith({}, ANNA, BERT)
  for (const text of ['one', 'two', 'three']) await deliver(before, ANNA, text)
  const anna = before.store.openImapAccount(ANNA)
  const inbox = await openByName(anna, 'INBOX')
  await inbox.store({ uids: [toUid(1), toUid(2)], change: 'add', flags: { system: 8, keywords: ['$a'] } })
  await inbox.store({ uids: [toUid(2)], change: 'add', flags: { system: 4, keywords: [] } })
  await inbox.expunge([toUid(2)])
  await inbox.copy([toUid(1)], 'Archive')
  const was = {
    inbox: statusByName(before, ANNA, 'INBOX'),
    archive: statusByName(before, ANNA, 'Archive'),
    bert: statusByName(before, BERT, 'INBOX'),
  }
  before.store.depose('the member is lost')
  before.log.append([{ type: jump.type, meta: encodeRecord(jump) }])
  before.log.sync()
  await catchUp(before.log, before.index, before.log.durableLsn)
  const { log, index, clock, random } = before
  return { was, world: makeWorld({ log, index, clock, random }) }
}

test('UIDNEXT of every mailbox passes over what may have been given out, and new letters come after the gap', async () => {
  const { was, world } = await jumped()
  assert.equal(statusByName(world, ANNA, 'INBOX').uidNext, was.inbox.uidNext + 1_000)
  assert.equal(statusByName(world, ANNA, 'Archive').uidNext, was.archive.uidNext + 1_000)
  assert.equal(statusByName(world, BERT, 'INBOX').uidNext, was.bert.uidNext + 1_000)
  assert.equal(await deliver(world, ANNA, 'four'), was.inbox.uidNext + 1_000)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, was.inbox.messages + 1)
})

test('every message has one MODSEQ above the jump, also where an account has none, and flags stay', async () => {
  const { was, world } = await jumped()
  const highest = Math.max(was.inbox.highestModSeq, was.archive.highestModSeq) + JUMP.modSeqs
  const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  const facts = inbox.facts([toUid(1), toUid(3)])
  assert.deepEqual(
    facts.map(({ uid, modSeq, flags }) => [uid, modSeq, flags.system, flags.keywords]),
    [
      [1, highest, 8, ['$a']],
      [3, highest, 0, []],
    ],
  )
  assert.equal(statusByName(world, ANNA, 'Archive').highestModSeq, highest)
  assert.ok(statusByName(world, BERT, 'INBOX').highestModSeq > JUMP.modSeqs)
  await inbox.store({ uids: [toUid(3)], change: 'add', flags: { system: 1, keywords: [] } })
  assert.equal(inbox.facts([toUid(3)])[0]?.modSeq, highest + 1)
})

test('a client that was told more than is left learns that those UIDs are gone, and what was expunged before', async () => {
  const { was, world } = await jumped()
  const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  const gap = { from: was.inbox.uidNext, to: was.inbox.uidNext + 999 }
  assert.deepEqual(inbox.vanishedSince(toModSeq(0)), [{ from: 2, to: 2 }, gap])
  assert.deepEqual(inbox.vanishedSince(was.inbox.highestModSeq), [gap])
  assert.deepEqual(inbox.vanishedSince(statusByName(world, ANNA, 'INBOX').highestModSeq), [])
  assert.deepEqual([...inbox.changedSince(was.inbox.highestModSeq)], [1, 3])
})

test('a mailbox that is made afterwards has a UIDVALIDITY that no lost one can have had', async () => {
  const { world } = await jumped()
  const made = await world.store.openImapAccount(ANNA).create('new', null)
  assert.equal(made.uidValidity, JUMP.uidValidity + 1)
})

test('a mailbox that runs out of UIDs by the jump takes nothing more, and keeps what it has', async () => {
  const { was, world } = await jumped({ ...JUMP, uids: 2 ** 32 - 1 })
  assert.equal(statusByName(world, ANNA, 'INBOX').uidNext, 2 ** 32)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, was.inbox.messages)
  await assert.rejects(deliver(world, ANNA, 'four'), /over-quota/)
})

test('the jump is the same from the log alone', async () => {
  const { world } = await jumped()
  await deliver(world, ANNA, 'four')
  const rebuilt = await rebuildIndex(world.log, toLsn(world.log.durableLsn))
  assert.deepEqual(rebuilt.digest(0), world.index.digest(0))
})
