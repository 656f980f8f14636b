import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import { type Lsn, toAccountId, toEpoch, toLsn, toMailboxId, toModSeq, toUid } from '#lib/mail/types.ts'
import { fsck } from '../index/fsck.ts'
import { CatchUpBatch, catchUp, rebuildIndex } from '../index/open.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import type { Log } from '../log/log.ts'
import { flipped, ManualClock, MemoryDisk, openTestLog } from '../log/testing.ts'
import type { NewRecord } from '../log/types.ts'
import { BODY_META, encodeRecord } from '../records/codec.ts'
import { DELIVERY_MEMORY_MS, RecordType, type ShardRecord } from '../records/types.ts'
import { UPKEEP_POLICY, type UpkeepPolicy } from './decide.ts'
import { Reserve } from './reserve.ts'
import { ScrubFile } from './scrub.ts'
import { Upkeep, type UpkeepNotice, type UpkeepSurroundings } from './upkeep.ts'

const ACCOUNT = toAccountId('a'.repeat(16))
const INBOX = toMailboxId('a'.repeat(13))
const OTHER = toMailboxId('b'.repeat(13))
const DAY_MS = 86_400_000
const BODY_BYTES = 600
const HASTE: UpkeepPolicy = {
  ...UPKEEP_POLICY,
  atEase: { deadShareMin: 0.01, markEveryMs: 1_000, retentionMs: 0 },
}

/** A log with letters, an index that follows it, and upkeep with a clock that is moved by hand. */
class World {
  readonly clock = new ManualClock()
  readonly disk: MemoryDisk
  readonly log: Log
  readonly index = new SqliteIndex(':memory:')
  readonly notices: UpkeepNotice[] = []
  readonly upkeep: Upkeep
  surroundings: Partial<UpkeepSurroundings> = {}
  #modSeq = 1
  #uid = 0

  static async make(policy: UpkeepPolicy = HASTE, withReserve = false): Promise<World> {
    const disk = new MemoryDisk()
    const clock = new ManualClock()
    const log = await openTestLog(disk, { segmentBytes: 8_000, clock })
    const reserve = withReserve ? await Reserve.open(disk, 'replica', 5_000) : null
    const world = new World(disk, clock, log, policy, reserve)
    const mailboxes = [INBOX, OTHER].map((id, i) => ({
      id,
      name: i === 0 ? 'INBOX' : 'Other',
      uidValidity: i + 1,
      specialUse: null,
      subscribed: false,
    }))
    await world.append([
      {
        type: RecordType.accountOwn,
        account: ACCOUNT,
        generation: 1,
        quotaBytes: null,
        mailboxes,
        modSeq: toModSeq(1),
      },
    ])
    return world
  }

  private constructor(disk: MemoryDisk, clock: ManualClock, log: Log, policy: UpkeepPolicy, reserve: Reserve | null) {
    this.disk = disk
    this.clock = clock
    this.log = log
    this.upkeep = new Upkeep({
      log,
      index: this.index,
      clock,
      surroundings: () => ({
        commit: log.durableLsn,
        indexLsn: this.index.appliedLsn,
        followers: [],
        freeBytes: 5e8,
        totalBytes: 1e9,
        ...this.surroundings,
      }),
      scrubFile: new ScrubFile(disk, 'replica'),
      reserve,
      onNotice: (notice) => this.notices.push(notice),
      policy,
      lookMs: 1_000,
    })
  }

  async append(facts: readonly ShardRecord[], bodies: readonly NewRecord[] = []): Promise<Lsn> {
    const records = facts.map((fact) => ({ type: fact.type, meta: encodeRecord(fact) }))
    const { first } = this.log.append([...bodies, ...records])
    await this.log.drained()
    await catchUp(this.log, this.index, this.log.durableLsn)
    return first
  }

  /** @returns UID and LSN of the body */
  async letter(mailbox = INBOX, bodyLsn: Lsn | null = null): Promise<{ uid: number; body: Lsn }> {
    const lsn = bodyLsn ?? toLsn(this.log.lastLsn + 1)
    const body: NewRecord = { type: RecordType.body, meta: BODY_META, body: [Buffer.alloc(BODY_BYTES, 'x')] }
    const uid = ++this.#uid
    const message = {
      uid: toUid(uid),
      modSeq: toModSeq(++this.#modSeq),
      flags: { system: 0, keywords: [] },
      internalDateMs: 0,
      saveDateMs: this.clock.nowMs(),
      emailId: `e${uid}`,
      headerBlock: Buffer.from('H: h\r\n'),
      body: { lsns: [lsn], sizeBytes: BODY_BYTES },
    }
    const deliveryId = Buffer.alloc(16, uid)
    await this.append(
      [{ type: RecordType.messagesAdd, account: ACCOUNT, mailbox, messages: [message], deliveryId, traceId: '' }],
      bodyLsn === null ? [body] : [],
    )
    return { uid, body: lsn }
  }

  expunge(uid: number, mailbox = INBOX): Promise<Lsn> {
    const uids = [toUid(uid)]
    const modSeq = toModSeq(++this.#modSeq)
    return this.append([{ type: RecordType.messagesExpunge, account: ACCOUNT, mailbox, modSeq, uids }])
  }

  flag(uid: number, system: number): Promise<Lsn> {
    const changes = [{ uids: [toUid(uid)], flags: { system, keywords: [] } }]
    const modSeq = toModSeq(++this.#modSeq)
    return this.append([{ type: RecordType.messagesFlags, account: ACCOUNT, mailbox: INBOX, modSeq, changes }])
  }

  /** Row of INBOX. */
  get inbox(): number {
    const { key } = known(this.index.account(ACCOUNT), 'the account')
    return known(
      this.index.mailboxes(key).find(({ id }) => id === INBOX),
      'INBOX',
    ).key
  }

  /** More than a segment of letters that stay, so that what came before is sealed. */
  async fill(): Promise<void> {
    for (let i = 0; i < 12; i++) await this.letter()
  }

  /** Lets time go by in small steps, so that what upkeep awaits comes. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 20) {
      this.clock.advance(20)
      for (let i = 0; i < 12; i++) await new Promise(setImmediate)
    }
  }

  async has(lsn: Lsn): Promise<boolean> {
    try {
      await this.log.read(lsn)
      return true
    } catch (error) {
      if (errorCode(error) === 'LOG_DROPPED_RECORD') return false
      throw error
    }
  }

  /** The index equals a rebuild, all that is needed is there, and the log is sound. */
  async prove(): Promise<void> {
    const report = await fsck({ log: this.log, index: this.index, nowMs: this.clock.nowMs() })
    assert.deepEqual(report.findings, [])
    // Older delivery ids go with the facts that have them, and from the index with a sweep.
    const fromMs = this.clock.nowMs() - DELIVERY_MEMORY_MS
    assert.deepEqual((await rebuildIndex(this.log)).digest(fromMs), this.index.digest(fromMs))
  }

  kinds(): string[] {
    return this.notices.map(({ kind }) => kind)
  }
}

test('Upkeep drops the bodies of expunged messages, and a rebuild from what is left gives the same index', async () => {
  const world = await World.make()
  const gone = []
  for (let i = 0; i < 8; i++) gone.push(await world.letter())
  const kept = await world.letter()
  await world.fill()
  for (const { uid } of gone) await world.expunge(uid)
  await world.pass(200) // the header that covers the tail is written
  const before = world.log.sizeBytes()
  const digest = world.index.digest(0)
  world.upkeep.start()
  await world.pass(3_000)
  for (const { body } of gone) assert.equal(await world.has(body), false)
  assert.equal(await world.has(kept.body), true)
  assert.ok(world.log.sizeBytes() <= before - 6 * BODY_BYTES, `${before} bytes became ${world.log.sizeBytes()}`)
  assert.deepEqual(world.index.digest(0), digest)
  await world.prove()
  const { freedBytes, droppedRecords, horizon } = world.upkeep.counts
  assert.deepEqual([freedBytes, droppedRecords], [before - world.log.sizeBytes(), 8])
  assert.equal(horizon, world.log.durableLsn)
  await world.upkeep.stop()
})

test('While a delivery id may come again the fact that has it stays, and the index knows the message', async () => {
  const world = await World.make()
  const { uid, body } = await world.letter()
  await world.expunge(uid)
  await world.fill()
  world.upkeep.start()
  await world.pass(3_000)
  assert.deepEqual([await world.has(body), await world.has(toLsn(body + 1))], [false, true])
  assert.ok(world.index.expungedMessage(world.inbox, toUid(uid)))
  await world.prove()
  await world.upkeep.stop()
})

test('Of an expunged message only its end is kept once nobody can need the rest, in the log and in the index', async () => {
  const world = await World.make()
  const { uid, body } = await world.letter()
  const flagged = await world.flag(uid, Flag.seen)
  const end = await world.expunge(uid)
  const kept = await world.letter()
  await world.fill()
  world.clock.advance(8 * DAY_MS)
  world.upkeep.start()
  await world.pass(3_000)
  const left = [body, toLsn(body + 1), flagged, end].map((lsn) => world.has(lsn))
  assert.deepEqual(await Promise.all(left), [false, false, false, true])
  const { index, inbox, log } = world
  assert.equal(index.expungedMessage(inbox, toUid(uid)), null)
  assert.equal(index.source(inbox, toUid(uid)), null)
  assert.equal(index.expungedLsn({ mailbox: INBOX, uid: toUid(uid) }), end)
  assert.deepEqual(index.uidsExpungedSince(inbox, toModSeq(1)), [{ from: uid, to: uid }])
  assert.ok(index.message(inbox, toUid(kept.uid)))
  await world.prove()
  await world.upkeep.stop()

  // Only a log that was compacted may speak of messages that nothing added.
  const strict = new SqliteIndex(':memory:')
  const batch = new CatchUpBatch(strict, toLsn(0))
  await log.scan(toLsn(1), log.durableLsn, { bodies: false }, (record) => batch.add(record))
  assert.throws(() => batch.flush(log.durableLsn), { code: 'INDEX_RECORD' })
  strict.close()
})

test('A body lives until nothing refers to it: copies count, and so do mailboxes that were deleted', async () => {
  const world = await World.make()
  const copied = await world.letter()
  const copy = await world.letter(OTHER, copied.body)
  await world.fill()
  await world.expunge(copied.uid)
  world.upkeep.start()
  await world.pass(3_000)
  assert.equal(await world.has(copied.body), true)
  assert.ok(copy.uid !== copied.uid)
  await world.append([{ type: RecordType.mailboxDelete, account: ACCOUNT, mailbox: OTHER, modSeq: toModSeq(10_000) }])
  await world.pass(3_000)
  assert.equal(await world.has(copied.body), false)
  await world.prove()
  await world.upkeep.stop()
})

test('Nothing is dropped before retention has gone by since it was expunged', async () => {
  const world = await World.make({ ...HASTE, atEase: { ...HASTE.atEase, retentionMs: DAY_MS } })
  const { uid, body } = await world.letter()
  await world.fill()
  world.clock.advance(2 * DAY_MS)
  await world.expunge(uid)
  world.upkeep.start()
  await world.pass(3_000)
  assert.equal(await world.has(body), true)
  world.clock.advance(DAY_MS)
  await world.pass(3_000)
  assert.equal(await world.has(body), false)
  await world.upkeep.stop()
})

test('Rule 10: nothing is dropped on the ground of an expunge above the horizon', async () => {
  const world = await World.make()
  const { uid, body } = await world.letter()
  await world.fill()
  const expunged = await world.expunge(uid)
  for (const held of [
    { commit: expunged - 1 },
    { indexLsn: expunged - 1 },
    { followers: [{ name: 'B', lsn: expunged - 1, awayMs: 0 }] },
  ]) {
    world.surroundings = held
    world.upkeep.start()
    await world.pass(2_000)
    assert.equal(await world.has(body), true, JSON.stringify(held))
  }
  world.surroundings = { followers: [{ name: 'B', lsn: expunged, awayMs: 0 }] }
  await world.pass(2_000)
  assert.equal(await world.has(body), false)
  assert.equal(world.log.horizon, expunged)
  await world.upkeep.stop()
})

test('A replica that was away for too long is told of, and not waited for', async () => {
  const world = await World.make()
  const { uid, body } = await world.letter()
  await world.fill()
  await world.expunge(uid)
  world.surroundings = { followers: [{ name: 'n1/0@1#x', lsn: 1, awayMs: 8 * DAY_MS }] }
  world.upkeep.start()
  await world.pass(2_000)
  assert.equal(await world.has(body), false)
  assert.deepEqual(
    world.notices.filter(({ kind }) => kind === 'needs-full-copy'),
    [{ kind: 'needs-full-copy', names: ['n1/0@1#x'] }],
  )
  assert.deepEqual(world.upkeep.counts.needFullCopy, ['n1/0@1#x'])
  await world.upkeep.stop()
})

test('Flags that were overtaken go, and bodies that no fact of their epoch ever referred to', async () => {
  const world = await World.make()
  const body: NewRecord = { type: RecordType.body, meta: BODY_META, body: [Buffer.alloc(BODY_BYTES, 'o')] }
  const first = await world.letter()
  const orphan = await world.append([], [body])
  const overtaken = await world.flag(first.uid, Flag.seen)
  const last = await world.flag(first.uid, Flag.seen | Flag.flagged)
  const dead = await world.letter()
  await world.expunge(dead.uid)
  await world.fill()
  world.upkeep.start()
  await world.pass(2_000)
  assert.deepEqual([await world.has(overtaken), await world.has(last)], [false, true])
  // A delivery that is under way in this epoch may still come to refer to it.
  assert.equal(await world.has(orphan), true)
  await world.upkeep.stop()
  await world.prove()

  const next = await World.make()
  const lost = await next.append([], [body])
  const gone = await next.letter()
  await next.fill()
  await next.expunge(gone.uid)
  next.log.setEpoch(toEpoch(next.log.epoch + 1))
  await next.fill()
  next.upkeep.start()
  await next.pass(2_000)
  assert.equal(await next.has(lost), false)
  await next.prove()
  await next.upkeep.stop()
})

test('A disk without space ends a step, not the log; the next mark tries again', async () => {
  const world = await World.make()
  const { uid, body } = await world.letter()
  await world.fill()
  await world.expunge(uid)
  await world.pass(200) // the header that covers the tail is written
  world.disk.beforeWrite = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  world.upkeep.start()
  await world.pass(1_500)
  assert.ok(world.kinds().includes('failed'))
  assert.equal(await world.has(body), true)
  world.disk.beforeWrite = async () => {}
  await world.letter()
  await world.pass(4_000)
  assert.equal(await world.has(body), false)
  assert.ok([...world.disk.files.keys()].every((path) => !path.endsWith('.new')))
  await world.upkeep.stop()
})

test('A scrub reads all sealed records, tells rot to the log, and is remembered over a restart', async () => {
  const world = await World.make()
  await world.fill()
  await world.fill()
  const segment = known(world.log.sealed[1], 'a second sealed segment')
  const offsets = await world.log.offsetsOf(segment)
  const at = known(offsets[3], 'a fourth record') + 150
  world.disk.files.set(segment.path, flipped(known(world.disk.files.get(segment.path), segment.path), at))
  world.upkeep.start()
  await world.pass(3_000)
  const lsn = segment.firstLsn + 3
  assert.deepEqual(world.log.rotten, [{ first: lsn, last: lsn }])
  const sealedUpTo = known(world.log.sealed.at(-1), 'a sealed segment').nextLsn - 1
  const scrubbed = world.notices.filter(({ kind }) => kind === 'scrubbed')
  assert.deepEqual(scrubbed, [{ kind: 'scrubbed', upTo: sealedUpTo, rotten: 1 }])
  const { lastScrubMs, scrubRotten } = world.upkeep.counts
  assert.equal(scrubRotten, 1)
  assert.deepEqual(await new ScrubFile(world.disk, 'replica').read(), { lastFullMs: lastScrubMs, nextLsn: null })
  world.disk.files.set('replica/scrub.json', Buffer.from('{"lastFullMs":'))
  assert.deepEqual(await new ScrubFile(world.disk, 'replica').read(), { lastFullMs: null, nextLsn: null })
  await world.upkeep.stop()
})

test('The reserve is filled in the background', async () => {
  const world = await World.make(HASTE, true)
  assert.equal(world.upkeep.counts.reserveMissingBytes, 10_000)
  world.upkeep.start()
  await world.pass(2_000)
  assert.equal(world.upkeep.counts.reserveMissingBytes, 0)
  assert.deepEqual(world.disk.files.get('replica/reserve-2'), Buffer.alloc(5_000))
  assert.ok(world.kinds().includes('reserve-filled'))
  await world.upkeep.stop()
})

test('stop() ends in the middle of a step and leaves no unfinished file', async () => {
  const world = await World.make()
  const { uid } = await world.letter()
  await world.fill()
  await world.expunge(uid)
  world.upkeep.start()
  for (let i = 0; i < 100 && ![...world.disk.files.keys()].some((path) => path.endsWith('.new')); i++)
    await world.pass(20)
  await world.upkeep.stop()
  assert.ok([...world.disk.files.keys()].every((path) => !path.endsWith('.new')))
  await world.prove()
})

test('The body of a letter in the queue lives until its last recipient is done', async () => {
  const world = await World.make()
  const letter = async (): Promise<{ entry: Lsn; body: Lsn }> => {
    const body = toLsn(world.log.lastLsn + 1)
    await world.append(
      [
        {
          type: RecordType.queueAdd,
          account: ACCOUNT,
          kind: 'submission',
          reversePath: 'a@example.test',
          traceId: '',
          addedMs: 1,
          dueMs: 1,
          expiresMs: 2,
          deliveryId: null,
          eightBit: false,
          smtpUtf8: false,
          ret: null,
          envid: null,
          headerBlock: Buffer.alloc(0),
          body: { lsns: [body], sizeBytes: BODY_BYTES },
          recipients: ['example.net', 'example.org'].map((destination) => ({
            address: `b@${destination}`,
            destination,
            notify: null,
            orcpt: null,
          })),
        },
      ],
      [{ type: RecordType.body, meta: BODY_META, body: [Buffer.alloc(BODY_BYTES, 'q')] }],
    )
    return { entry: toLsn(body + 1), body }
  }
  const done = (entry: Lsn, place: number) =>
    world.append([
      { type: RecordType.queueDone, entry, atMs: 3, recipients: [{ place, outcome: 'delivered', reply: '' }] },
    ])
  const half = await letter()
  const whole = await letter()
  await world.fill()
  await done(half.entry, 0)
  await done(whole.entry, 0)
  await done(whole.entry, 1)
  world.upkeep.start()
  await world.pass(3_000)
  assert.equal(await world.has(half.body), true)
  assert.equal(await world.has(whole.body), false)
  await world.prove()
  await world.upkeep.stop()
})
