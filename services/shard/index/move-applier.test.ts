import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flag } from '#lib/mail/flags.ts'
import { toAccountId, toLsn, toMailboxId, toModSeq, toShardName, toUid } from '#lib/mail/types.ts'
import type { CopyAccount, CopyMessages, MoveBegin } from '../records/move-records.ts'
import { type NewMessage, RecordType, type ShardRecord } from '../records/types.ts'
import { INDEX_TABLES } from './schema.ts'
import { SqliteIndex } from './sqlite-index.ts'

const account = toAccountId('a'.repeat(16))
const mailbox = toMailboxId('m'.repeat(13))
const begin: MoveBegin = {
  type: RecordType.moveBegin,
  account,
  direction: 'in',
  peer: toShardName('n1/0'),
  generation: 2,
  move: 'm1',
  atMs: 0,
}

function copied(upTo: number, given: Partial<CopyAccount> = {}): CopyAccount {
  const box = { id: mailbox, name: 'INBOX', uidValidity: 7, specialUse: null, keywords: [], gaps: [] }
  return {
    type: RecordType.copyAccount,
    account,
    upTo: toLsn(upTo),
    quotaBytes: 9,
    suspended: false,
    modSeq: toModSeq(50),
    uidValidityMax: 7,
    mailboxes: [{ ...box, uidNext: 10, highestModSeq: toModSeq(50), recentUpTo: 0 }],
    subscriptions: ['INBOX'],
    metadata: null,
    ...given,
  }
}

function letter(uid: number, modSeq: number, system = 0): NewMessage {
  return {
    uid: toUid(uid),
    modSeq: toModSeq(modSeq),
    flags: { system, keywords: [] },
    internalDateMs: 1,
    saveDateMs: 2,
    emailId: `e${uid}`,
    headerBlock: Buffer.from('X: y\r\n'),
    body: { lsns: [toLsn(1)], sizeBytes: 100 },
  }
}

function messages(given: Partial<CopyMessages>): CopyMessages {
  return {
    type: RecordType.copyMessages,
    account,
    mailbox,
    messages: [],
    flags: [],
    gone: [],
    deliveries: [],
    cursor: { modSeq: 0, uid: 0, goneModSeq: 0, goneUid: 0, deliveryUid: 0 },
    ...given,
  }
}

function indexWith(...records: readonly ShardRecord[]) {
  const index = new SqliteIndex(':memory:')
  let lsn = 1
  const apply = (...more: readonly ShardRecord[]) => {
    for (const record of more) index.apply([{ lsn: toLsn(++lsn), record }], toLsn(lsn))
    return lsn
  }
  apply(...records)
  const inbox = () => {
    const row = index.account(account)
    return (row && index.mailboxes(row.key)[0]) ?? assert.fail('there is an INBOX')
  }
  return { index, apply, inbox }
}

test('an older state of a message changes nothing, and what was expunged stays so', () => {
  const { index, apply, inbox } = indexWith(
    begin,
    copied(10),
    messages({ messages: [letter(3, 20, Flag.seen), letter(4, 21)] }),
  )
  apply(messages({ flags: [{ uid: toUid(3), modSeq: toModSeq(19), flags: { system: 0, keywords: [] } }] }))
  apply(messages({ messages: [letter(3, 15)] }))
  assert.equal(index.message(inbox().key, toUid(3))?.flags.system, Flag.seen)
  apply(messages({ flags: [{ uid: toUid(3), modSeq: toModSeq(22), flags: { system: Flag.flagged, keywords: [] } }] }))
  assert.equal(index.message(inbox().key, toUid(3))?.flags.system, Flag.flagged)
  apply(messages({ gone: [4, 8].map((uid) => ({ uid: toUid(uid), modSeq: toModSeq(30) })) }))
  apply(messages({ messages: [letter(4, 21), letter(8, 5)] }))
  assert.deepEqual([...index.uids(inbox().key)], [3])
  assert.deepEqual(index.uidsExpungedSince(inbox().key, toModSeq(29)), [
    { from: 4, to: 4 },
    { from: 8, to: 8 },
  ])
  const { messages: count, unseen, sizeBytes } = inbox()
  assert.deepEqual([count, unseen, sizeBytes], [1, 1, 106])
})

test('an older state of the account changes nothing', () => {
  const { index, apply, inbox } = indexWith(begin, copied(10), copied(9, { mailboxes: [], quotaBytes: 1 }))
  assert.equal(index.account(account)?.quotaBytes, 9)
  assert.equal(inbox().name, 'INBOX')
  apply(copied(11, { mailboxes: [] }))
  assert.throws(inbox)
})

const own: ShardRecord = {
  type: RecordType.accountOwn,
  account,
  generation: 2,
  quotaBytes: 9,
  mailboxes: [],
  modSeq: toModSeq(50),
}

test('lastUidUpTo() trusts no LSN before the last copy: they do not come in the order of UIDs', () => {
  const { index, apply, inbox } = indexWith(begin, copied(10))
  const first = apply(messages({ messages: [letter(9, 20)] }))
  assert.equal(index.lastUidUpTo(inbox().key, toLsn(first)), 9)
  const second = apply(messages({ messages: [letter(2, 21)] }))
  assert.equal(index.lastUidUpTo(inbox().key, toLsn(first)), 0, 'UID 2 came later than UID 9')
  assert.equal(index.lastUidUpTo(inbox().key, toLsn(second)), 9)
})

test('a recovery jump ends what is half copied, and seals what is whole', () => {
  const jump: ShardRecord = { type: RecordType.recoveryJump, uids: 100, modSeqs: 1_000, uidValidity: 9 }
  const half = indexWith(begin, copied(10), messages({ messages: [letter(1, 20)] }), jump)
  assert.deepEqual([half.index.moves.move(account), half.index.account(account)?.status], [null, 'deleted'])
  const ready: ShardRecord = { type: RecordType.moveReady, account, upTo: toLsn(10) }
  const whole = indexWith(begin, copied(10), messages({ messages: [letter(1, 20)] }), ready, jump)
  assert.equal(whole.index.moves.move(account)?.phase, 'sealed')
  assert.equal(whole.inbox().uidNext, 110)
  whole.apply(own)
  assert.equal(whole.index.account(account)?.status, 'active')
})

test('an account that was suspended arrives suspended, and one that does not come leaves what was before', () => {
  const { index, apply } = indexWith(begin, copied(10, { suspended: true }), own)
  assert.equal(index.account(account)?.status, 'suspended')
  const target = toShardName('n3/0')
  apply({ type: RecordType.accountMoved, account, target, generation: 3, upTo: toLsn(5) })
  apply({ ...begin, generation: 4, peer: target, move: 'm2' }, copied(90))
  assert.equal(index.account(account)?.status, 'arriving')
  apply({ type: RecordType.moveEnd, account })
  const { status, home, generation } = index.account(account) ?? assert.fail()
  assert.deepEqual([status, home, generation], ['moved', target, 3])
})

/** Where a move takes the rows of an account; a new table needs a place here, and in `copyAccount`, `copyMessages` or the hand-over. */
const COPIED = ['accounts', 'mailboxes', 'subscriptions', 'keywords', 'metadata', 'messages', 'expunged', 'uid_gaps']
const WITH_THEM = ['header_blocks', 'deliveries', 'queue', 'queue_recipients']
const OF_THE_SHARD = ['state', 'moves', 'arrivals', 'queue_counts']

test('every table of the index is known to moves', () => {
  assert.deepEqual([...INDEX_TABLES].sort(), [...COPIED, ...WITH_THEM, ...OF_THE_SHARD].sort())
})
