import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Flag } from '#lib/mail/flags.ts'
import { toAccountId, toLsn, toMailboxId, toModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import type { CommittedRecord } from '../index/port.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import { RecordType, type ShardRecord } from '../records/types.ts'
import { OvertakenFacts } from './overtaken.ts'

const ACCOUNT = toAccountId('a'.repeat(16))
const BOXES = [toMailboxId('a'.repeat(13)), toMailboxId('b'.repeat(13))]
const KEYWORDS = ['$Junk', 'work', 'later']
const UIDS = 5

const own: ShardRecord = {
  type: RecordType.accountOwn,
  account: ACCOUNT,
  generation: 1,
  quotaBytes: null,
  modSeq: toModSeq(1),
  mailboxes: BOXES.map((id, i) => ({ id, name: `box ${i}`, uidValidity: i + 1, specialUse: null, subscribed: false })),
}

function add(mailbox: (typeof BOXES)[number], uid: Uid, modSeq: number): ShardRecord {
  const message = {
    uid,
    modSeq: toModSeq(modSeq),
    flags: { system: 0, keywords: [] },
    internalDateMs: 0,
    saveDateMs: 0,
    emailId: 'e',
    headerBlock: new Uint8Array(0),
    body: { lsns: [toLsn(1)], sizeBytes: 1 },
  }
  return { type: RecordType.messagesAdd, account: ACCOUNT, mailbox, messages: [message], deliveryId: null, traceId: '' }
}

const uidSet = fc.uniqueArray(fc.integer({ min: 1, max: UIDS }), { minLength: 1, maxLength: UIDS })
const flags = fc.record({
  system: fc.constantFrom(0, Flag.seen, Flag.deleted, Flag.seen | Flag.deleted),
  keywords: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(KEYWORDS) }),
})
const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('flags' as const), box: fc.nat(1), uids: uidSet, flags }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('recent' as const), box: fc.nat(1), upTo: fc.nat(UIDS) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('expunge' as const),
      box: fc.nat(1),
      uid: fc.integer({ min: 1, max: UIDS }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump' as const) }) },
)

/** The facts of a log in which these things were done, with what cannot be done left out. */
function facts(acts: readonly (typeof act extends fc.Arbitrary<infer T> ? T : never)[]): ShardRecord[] {
  const records: ShardRecord[] = [own]
  const present = BOXES.map(() => new Set<number>())
  let modSeq = 1
  for (const [i, mailbox] of BOXES.entries()) {
    for (let uid = 1; uid <= UIDS; uid++) {
      records.push(add(mailbox, toUid(uid), ++modSeq))
      present[i]?.add(uid)
    }
  }
  for (const one of acts) {
    if (one.kind === 'jump') {
      records.push({ type: RecordType.recoveryJump, uids: 100, modSeqs: 100, uidValidity: 1 })
      modSeq += 1_000
      continue
    }
    const mailbox = BOXES[one.box] ?? BOXES[0]
    const there = present[one.box] ?? new Set()
    if (mailbox === undefined) continue
    if (one.kind === 'recent')
      records.push({ type: RecordType.mailboxRecent, account: ACCOUNT, mailbox, upTo: one.upTo })
    else if (one.kind === 'expunge' && there.delete(one.uid)) {
      const uids = [toUid(one.uid)]
      records.push({ type: RecordType.messagesExpunge, account: ACCOUNT, mailbox, modSeq: toModSeq(++modSeq), uids })
    } else if (one.kind === 'flags') {
      const uids = one.uids
        .filter((uid) => there.has(uid))
        .sort((a, b) => a - b)
        .map(toUid)
      const changes = [{ uids, flags: one.flags }]
      if (uids.length > 0)
        records.push({ type: RecordType.messagesFlags, account: ACCOUNT, mailbox, modSeq: toModSeq(++modSeq), changes })
    }
  }
  return records
}

function fold(records: readonly CommittedRecord[]): unknown {
  const index = new SqliteIndex(':memory:')
  try {
    const last = records.at(-1)
    if (last !== undefined) index.apply(records, toLsn(1_000))
    return index.digest(0)
  } finally {
    index.close()
  }
}

let dropped = 0

test('A fold without overtaken facts gives the same rows as a fold of all', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 25 }), fc.array(act, { maxLength: 6 }), (within, behind) => {
      const segment = facts(within).length
      const all = facts([...within, ...behind]).map((record, i) => ({ lsn: toLsn(i + 1), record }))
      const gone = new Set<number>()
      const overtaken = new OvertakenFacts((lsn) => gone.add(lsn))
      for (const { lsn, record } of all.slice(0, segment)) overtaken.fact(lsn, record)
      dropped += gone.size
      // At the end of the segment, and at every point behind it.
      for (let end = segment; end <= all.length; end++) {
        const part = all.slice(0, end)
        assert.deepEqual(fold(part.filter(({ lsn }) => !gone.has(lsn))), fold(part))
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(dropped > 50, `${dropped} facts were overtaken`)
})
