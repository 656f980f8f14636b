import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Flag } from '#lib/mail/flags.ts'
import { type MailboxId, toAccountId, toLsn, toMailboxId, toModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import type { CommittedRecord } from '../index/port.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import { RecordType, type ShardRecord } from '../records/types.ts'
import { ExpungedFacts } from './expunged-facts.ts'

const ACCOUNT = toAccountId('a'.repeat(16))
const INBOX = toMailboxId('a'.repeat(13))
const OTHER = toMailboxId('b'.repeat(13))
const UIDS = 4
/** Letters were stored at this time, or long before. */
const NOW_MS = 1_000

const own: ShardRecord = {
  type: RecordType.accountOwn,
  account: ACCOUNT,
  generation: 1,
  quotaBytes: null,
  modSeq: toModSeq(1),
  mailboxes: [INBOX, OTHER].map((id, i) => ({
    id,
    name: `box ${i}`,
    uidValidity: i + 1,
    specialUse: null,
    subscribed: false,
  })),
}

const flags = fc.record({
  system: fc.constantFrom(0, Flag.seen, Flag.deleted),
  keywords: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.subarray(['$Junk', 'work']) },
  ),
})
const uid = fc.integer({ min: 1, max: UIDS })
const act = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('add' as const), flags, fresh: fc.boolean(), id: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('flags' as const), uid, flags }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('recent' as const), upTo: fc.nat(UIDS) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('expunge' as const), uid }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move' as const), uid }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump' as const) }) },
)

/** The facts of a log in which these things were done, with what cannot be done left out. */
class History {
  readonly records: ShardRecord[] = [own]
  #modSeq = 1
  readonly #next = new Map<MailboxId, number>()
  readonly #there = new Set<number>()

  constructor(acts: readonly (typeof act extends fc.Arbitrary<infer T> ? T : never)[]) {
    for (const one of acts) {
      switch (one.kind) {
        case 'add': {
          const message = this.#message(INBOX, one.flags, one.fresh ? NOW_MS : 0)
          this.#there.add(message.uid)
          const deliveryId = one.id ? Buffer.alloc(16, this.records.length) : null
          const messages = [message]
          this.#put({
            type: RecordType.messagesAdd,
            account: ACCOUNT,
            mailbox: INBOX,
            messages,
            deliveryId,
            traceId: '',
          })
          break
        }
        case 'flags':
          if (this.#there.has(one.uid))
            this.#put({
              type: RecordType.messagesFlags,
              account: ACCOUNT,
              mailbox: INBOX,
              modSeq: this.#nextModSeq(),
              changes: [{ uids: [toUid(one.uid)], flags: one.flags }],
            })
          break
        case 'recent':
          this.#put({ type: RecordType.mailboxRecent, account: ACCOUNT, mailbox: INBOX, upTo: one.upTo })
          break
        case 'expunge':
          if (this.#there.delete(one.uid))
            this.#put({
              type: RecordType.messagesExpunge,
              account: ACCOUNT,
              mailbox: INBOX,
              modSeq: this.#nextModSeq(),
              uids: [toUid(one.uid)],
            })
          break
        case 'move':
          if (this.#there.delete(one.uid))
            this.#put({
              type: RecordType.messagesMove,
              account: ACCOUNT,
              source: INBOX,
              sourceUids: [toUid(one.uid)],
              target: OTHER,
              messages: [this.#message(OTHER, { system: 0, keywords: [] }, 0)],
              modSeq: this.#nextModSeq(),
            })
          break
        case 'jump':
          this.#put({ type: RecordType.recoveryJump, uids: 100, modSeqs: 100, uidValidity: 1 })
          this.#modSeq += 1_000
          for (const [mailbox, next] of this.#next) this.#next.set(mailbox, next + 100)
          break
        default:
          one satisfies never
      }
    }
  }

  #put(record: ShardRecord): void {
    this.records.push(record)
  }

  #nextModSeq() {
    return toModSeq(++this.#modSeq)
  }

  #message(mailbox: MailboxId, messageFlags: { system: number; keywords: readonly string[] }, saveDateMs: number) {
    const next = this.#next.get(mailbox) ?? 1
    this.#next.set(mailbox, next + 1)
    return {
      uid: toUid(next),
      modSeq: this.#nextModSeq(),
      flags: messageFlags,
      internalDateMs: 0,
      saveDateMs,
      emailId: `e${next}`,
      headerBlock: Buffer.from('H: h\r\n'),
      body: { lsns: [toLsn(1)], sizeBytes: 1 },
    }
  }
}

function foldInto<T>(records: readonly CommittedRecord[], ask: (index: SqliteIndex) => T): T {
  const index = new SqliteIndex(':memory:')
  try {
    index.apply(records, toLsn(1_000))
    return ask(index)
  } finally {
    index.close()
  }
}

/** Deliveries that are old enough to be forgotten do not count. */
const digest = (records: readonly CommittedRecord[]) => foldInto(records, (index) => index.digest(NOW_MS))

/** Half of them beyond the end. */
const horizons = fc.oneof(fc.nat(24), fc.constant(99))

let dropped = 0

test('A fold without the facts of expunged messages gives the same index at the horizon and above', () => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 8, maxLength: 25 }), horizons, (acts, cut) => {
      const all = new History(acts).records.map((record, i) => ({ lsn: toLsn(i + 1), record }))
      const horizon = Math.min(cut + 1, all.length)
      const gone = foldInto(all, (index) => {
        const expunged = new ExpungedFacts({
          horizon,
          expungedLsn: (message) => index.expungedLsn(message),
          deliveriesFromMs: NOW_MS,
          jumps: all
            .filter(({ record }) => record.type === RecordType.recoveryJump)
            .map(({ lsn }) => ({ first: lsn, last: lsn })),
        })
        return new Set(
          all.filter(({ lsn, record }) => lsn <= horizon && expunged.mayGo(lsn, record)).map(({ lsn }) => lsn),
        )
      })
      dropped += gone.size
      for (const end of new Set([horizon, all.length])) {
        const part = all.slice(0, end)
        const left = part
          .filter(({ lsn }) => !gone.has(lsn))
          .map((one) => (one.lsn <= horizon ? { ...one, compacted: true } : one))
        assert.deepEqual(digest(left), digest(part))
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(dropped > 40, `${dropped} facts were dropped`)
})

function mayGo(
  fact: ShardRecord,
  expungedAt: number | null,
  options: { horizon?: number; jump?: number } = {},
): boolean {
  const jumps = options.jump === undefined ? [] : [{ first: options.jump, last: options.jump }]
  return new ExpungedFacts({
    horizon: options.horizon ?? 100,
    expungedLsn: () => (expungedAt === null ? null : toLsn(expungedAt)),
    deliveriesFromMs: NOW_MS,
    jumps,
  }).mayGo(10, fact)
}

function added(uids: readonly Uid[], keywords: readonly string[], deliveryId: Uint8Array | null, saveDateMs: number) {
  const messages = uids.map((one) => ({
    uid: one,
    modSeq: toModSeq(2),
    flags: { system: 0, keywords },
    internalDateMs: 0,
    saveDateMs,
    emailId: 'e',
    headerBlock: new Uint8Array(0),
    body: { lsns: [toLsn(1)], sizeBytes: 1 },
  }))
  return { type: RecordType.messagesAdd, account: ACCOUNT, mailbox: INBOX, messages, deliveryId, traceId: '' } as const
}

const ID = Buffer.alloc(16, 1)
const plain = added([toUid(1)], [], null, 0)
const cases: [name: string, fact: ShardRecord, expungedAt: number | null, may: boolean, options?: { jump: number }][] =
  [
    ['of a message that is there', plain, null, false],
    ['of one that was expunged', plain, 50, true],
    ['of one that was expunged at the horizon', plain, 100, true],
    ['of one that was expunged above the horizon', plain, 101, false],
    ['with a keyword that the mailbox remembers', added([toUid(1)], ['work'], null, 0), 50, false],
    ['with a delivery id that may come again', added([toUid(1)], [], ID, NOW_MS), 50, false],
    ['with a delivery id that is old', added([toUid(1)], [], ID, NOW_MS - 1), 50, true],
    ['before a jump, expunged behind it', plain, 50, false, { jump: 30 }],
    ['behind a jump', plain, 50, true, { jump: 5 }],
    ['before a jump, expunged before it', plain, 50, true, { jump: 60 }],
    [
      'that is an expunge',
      { type: RecordType.messagesExpunge, account: ACCOUNT, mailbox: INBOX, modSeq: toModSeq(3), uids: [toUid(1)] },
      50,
      false,
    ],
  ]
for (const [name, fact, expungedAt, may, options] of cases) {
  test(`A fact ${name} ${may ? 'may go' : 'stays'}`, () => {
    assert.equal(mayGo(fact, expungedAt, options), may)
  })
}
