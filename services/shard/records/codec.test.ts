import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BytesError } from '#lib/bytes/reader.ts'
import { NOTIFY_OCCASIONS } from '#lib/mail/notify.ts'
import { toAccountId, toLsn, toMailboxId, toModSeq, toShardName, toUid } from '#lib/mail/types.ts'
import { BODY_META, decodeBodyEnd, decodeRecord, encodeBodyEnd, encodeRecord } from './codec.ts'
import { type NewMailbox, type NewMessage, RecordType, type ShardRecord } from './types.ts'

/** Objects as literals make them. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true })

const idOf = (length: number) =>
  fc
    .array(fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567'), { minLength: length, maxLength: length })
    .map((letters) => letters.join(''))
const account = idOf(16).map(toAccountId)
const mailbox = idOf(13).map(toMailboxId)
const modSeq = fc.maxSafeNat().map(toModSeq)
const uid = fc.integer({ min: 1, max: 0xffff_ffff }).map(toUid)
const uids = fc
  .uniqueArray(fc.oneof(uid, fc.integer({ min: 1, max: 60 }).map(toUid)), { maxLength: 40 })
  .map((list) => list.sort((a, b) => a - b))
const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const flags = plain({ system: fc.integer({ min: 0, max: 31 }), keywords: fc.array(text, { maxLength: 3 }) })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((given) => Buffer.from(given))
const newMailbox: fc.Arbitrary<NewMailbox> = plain({
  id: mailbox,
  name: text,
  uidValidity: fc.integer({ min: 1, max: 0xffff_ffff }),
  specialUse: fc.constantFrom(
    null,
    'archive' as const,
    'drafts' as const,
    'junk' as const,
    'sent' as const,
    'trash' as const,
  ),
  subscribed: fc.boolean(),
})
const lsn = fc.maxSafeNat().map(toLsn)
const body = plain({ lsns: fc.array(lsn, { minLength: 1, maxLength: 4 }), sizeBytes: fc.maxSafeNat() })
const newMessage: fc.Arbitrary<NewMessage> = plain({
  uid,
  modSeq,
  flags,
  internalDateMs: fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
  saveDateMs: fc.nat(),
  emailId: text,
  headerBlock: bytes(50),
  body,
})
const quotaBytes = fc.option(fc.maxSafeNat())
const mailboxes = fc.array(newMailbox, { maxLength: 4 })
const messages = fc.array(newMessage, { maxLength: 3 })
const shard = fc.constantFrom('n1/0', 'mail-2/13').map(toShardName)
const change = { uid, modSeq }
const moveFact: fc.Arbitrary<ShardRecord> = fc.oneof(
  plain({ type: fc.constant(RecordType.accountMoved), account, target: shard, generation: fc.nat(), upTo: lsn }),
  plain({
    type: fc.constant(RecordType.moveBegin),
    account,
    direction: fc.constantFrom('out' as const, 'in' as const),
    peer: shard,
    generation: fc.nat(),
    move: text,
    atMs: fc.nat(),
  }),
  plain({ type: fc.constant(RecordType.moveReady), account, upTo: lsn }),
  plain({ type: fc.constant(RecordType.moveCancel), account, reason: text }),
  plain({ type: fc.constant(RecordType.moveEnd), account }),
  plain({
    type: fc.constant(RecordType.copyAccount),
    account,
    upTo: lsn,
    quotaBytes,
    suspended: fc.boolean(),
    modSeq,
    uidValidityMax: fc.nat(),
    mailboxes: fc.array(
      newMailbox.chain(({ subscribed: _, ...made }) =>
        plain({
          uidNext: fc.maxSafeNat(),
          highestModSeq: modSeq,
          recentUpTo: fc.maxSafeNat(),
          keywords: fc.array(text, { maxLength: 3 }),
          gaps: fc.array(plain({ first: uid, last: uid, modSeq }), { maxLength: 2 }),
        }).map((rest) => ({ ...made, ...rest })),
      ),
      { maxLength: 3 },
    ),
    subscriptions: fc.array(text, { maxLength: 3 }),
    metadata: fc.option(
      fc.array(
        plain({
          mailbox: fc.option(mailbox),
          entries: fc.array(plain({ name: text, value: bytes(20) }), { maxLength: 2 }),
        }),
        { maxLength: 2 },
      ),
    ),
  }),
  plain({
    type: fc.constant(RecordType.copyMessages),
    account,
    mailbox,
    messages,
    flags: fc.array(plain({ ...change, flags }), { maxLength: 3 }),
    gone: fc.array(plain(change), { maxLength: 3 }),
    deliveries: fc.array(
      plain({
        id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((given) => Buffer.from(given)),
        uid,
        atMs: fc.nat(),
      }),
      { maxLength: 3 },
    ),
    cursor: plain({
      modSeq: fc.maxSafeNat(),
      uid: fc.maxSafeNat(),
      goneModSeq: fc.maxSafeNat(),
      goneUid: fc.maxSafeNat(),
      deliveryUid: fc.maxSafeNat(),
    }),
  }),
)
const fact: fc.Arbitrary<ShardRecord> = fc.oneof(
  moveFact,
  plain({ type: fc.constant(RecordType.epochStart), replica: text, bootId: text }),
  plain({
    type: fc.constant(RecordType.recoveryJump),
    uids: fc.nat(),
    modSeqs: fc.maxSafeNat(),
    uidValidity: fc.nat(),
  }),
  plain({ type: fc.constant(RecordType.accountOwn), account, generation: fc.nat(), quotaBytes, mailboxes, modSeq }),
  plain({ type: fc.constant(RecordType.accountUpdate), account, quotaBytes, suspended: fc.boolean() }),
  plain({ type: fc.constant(RecordType.accountDelete), account }),
  plain({ type: fc.constant(RecordType.mailboxCreate), account, mailboxes, modSeq }),
  plain({
    type: fc.constant(RecordType.mailboxRename),
    account,
    names: fc.array(plain({ id: mailbox, name: text }), { maxLength: 3 }),
    created: mailboxes,
    modSeq,
  }),
  plain({ type: fc.constant(RecordType.mailboxDelete), account, mailbox, modSeq }),
  plain({ type: fc.constant(RecordType.mailboxSubscribe), account, name: text, on: fc.boolean() }),
  plain({ type: fc.constant(RecordType.mailboxRecent), account, mailbox, upTo: fc.nat() }),
  plain({
    type: fc.constant(RecordType.mailboxMetadata),
    account,
    mailbox: fc.option(mailbox),
    entries: fc.array(plain({ name: text, value: fc.option(bytes(50)) }), { maxLength: 3 }),
  }),
  plain({
    type: fc.constant(RecordType.messagesAdd),
    account,
    mailbox,
    messages,
    deliveryId: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }).map((given) => Buffer.from(given))),
    traceId: text,
  }),
  plain({
    type: fc.constant(RecordType.messagesFlags),
    account,
    mailbox,
    modSeq,
    changes: fc.array(plain({ uids, flags }), { maxLength: 3 }),
  }),
  plain({ type: fc.constant(RecordType.messagesExpunge), account, mailbox, modSeq, uids }),
  fc.array(fc.tuple(uid, newMessage), { maxLength: 3 }).chain((pairs) => {
    const unique = [...new Map(pairs).entries()].sort(([a], [b]) => a - b)
    return plain({
      type: fc.constant(RecordType.messagesMove),
      account,
      source: mailbox,
      sourceUids: fc.constant(unique.map(([source]) => source)),
      target: mailbox,
      messages: fc.constant(unique.map(([, message]) => message)),
      modSeq,
    })
  }),
  plain({
    type: fc.constant(RecordType.queueAdd),
    account: fc.option(account),
    kind: fc.constantFrom('submission' as const, 'notification' as const, 'transit' as const),
    reversePath: text,
    traceId: text,
    addedMs: fc.nat(),
    dueMs: fc.nat(),
    expiresMs: fc.nat(),
    deliveryId: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }).map((given) => Buffer.from(given))),
    eightBit: fc.boolean(),
    smtpUtf8: fc.boolean(),
    ret: fc.constantFrom(null, 'FULL' as const, 'HDRS' as const),
    envid: fc.option(text),
    headerBlock: bytes(50),
    body,
    recipients: fc.array(
      plain({
        address: text,
        destination: text,
        notify: fc.option(fc.subarray([...NOTIFY_OCCASIONS])),
        orcpt: fc.option(text),
      }),
      { maxLength: 3 },
    ),
  }),
  plain({
    type: fc.constant(RecordType.queueAttempt),
    entry: lsn,
    atMs: fc.nat(),
    places: fc.array(fc.nat(), { maxLength: 4 }),
  }),
  plain({
    type: fc.constant(RecordType.queueDefer),
    entry: lsn,
    recipients: fc.array(
      plain({
        place: fc.nat(),
        attempts: fc.nat(),
        dueMs: fc.nat(),
        held: fc.boolean(),
        warned: fc.boolean(),
        reply: text,
        remote: text,
      }),
      { maxLength: 3 },
    ),
  }),
  plain({
    type: fc.constant(RecordType.queueDone),
    entry: lsn,
    atMs: fc.nat(),
    recipients: fc.array(
      plain({
        place: fc.nat(),
        outcome: fc.constantFrom('delivered' as const, 'failed' as const, 'expired' as const, 'dropped' as const),
        reply: text,
      }),
      { maxLength: 3 },
    ),
  }),
)

const everyType = Object.values(RecordType)

test('decodeRecord() gives back what encodeRecord() was given', () => {
  fc.assert(fc.property(fact, (record) => assert.deepEqual(decodeRecord(record.type, encodeRecord(record)), record)))
})

test('decodeRecord() accepts no prefix of a record and nothing behind it', () => {
  fc.assert(
    fc.property(fact, fc.nat(), (record, cut) => {
      const encoded = encodeRecord(record)
      assert.throws(() => decodeRecord(record.type, encoded.subarray(0, cut % encoded.length)), BytesError)
      assert.throws(() => decodeRecord(record.type, Buffer.concat([encoded, Buffer.of(0)])), BytesError)
    }),
  )
})

test('decodeRecord() answers arbitrary bytes with a record or a BytesError', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...everyType, 99),
      fc.uint8Array({ maxLength: 80 }),
      fc.boolean(),
      (type, noise, versioned) => {
        const meta = versioned ? Buffer.concat([Buffer.of(1), noise]) : noise
        try {
          decodeRecord(type, meta)
        } catch (error) {
          assert.ok(error instanceof BytesError, String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

test('decodeRecord() answers a changed byte with a record or a BytesError', () => {
  fc.assert(
    fc.property(fact, fc.nat(), fc.nat(255), (record, at, value) => {
      const encoded = encodeRecord(record)
      encoded[at % encoded.length] = value
      try {
        decodeRecord(record.type, encoded)
      } catch (error) {
        assert.ok(error instanceof BytesError, String(error))
      }
    }),
    { numRuns: 1_000 },
  )
})

test('decodeRecord() refuses an unknown version and an unknown type', () => {
  assert.throws(() => decodeRecord(RecordType.body, Buffer.of(2)), BytesError)
  assert.throws(() => decodeRecord(41, Buffer.of(1)), BytesError)
})

test('decodeRecord() does not unfold a few bytes into more UIDs than a record may have', () => {
  const expunge = encodeRecord({
    type: RecordType.messagesExpunge,
    account: toAccountId('a'.repeat(16)),
    mailbox: toMailboxId('b'.repeat(13)),
    modSeq: toModSeq(1),
    uids: [],
  })
  const bomb = Buffer.concat([expunge.subarray(0, -1), Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff, 0x0e])])
  assert.throws(() => decodeRecord(RecordType.messagesExpunge, bomb), BytesError)
})

test('encodeRecord() says a run of UIDs in a few bytes', () => {
  const of = (count: number) =>
    encodeRecord({
      type: RecordType.messagesExpunge,
      account: toAccountId('a'.repeat(16)),
      mailbox: toMailboxId('b'.repeat(13)),
      modSeq: toModSeq(1),
      uids: Array.from({ length: count }, (_, i) => toUid(i + 1)),
    }).length
  assert.ok(of(100_000) - of(1) <= 2)
})

test('decodeBodyEnd() gives back what encodeBodyEnd() was given', () => {
  const end = { sizeBytes: 3_000_000, sha256: Buffer.alloc(32, 7) }
  assert.deepEqual(decodeBodyEnd(encodeBodyEnd(end)), end)
  assert.deepEqual(decodeRecord(RecordType.bodyEnd, encodeBodyEnd(end)), { type: RecordType.bodyEnd })
  assert.deepEqual(decodeRecord(RecordType.body, BODY_META), { type: RecordType.body })
})
