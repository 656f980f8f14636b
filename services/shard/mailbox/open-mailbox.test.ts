import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxView, OpenMailbox } from '#lib/imap/store.ts'
import { Flag, type FlagChange, type Flags, NO_FLAGS } from '#lib/mail/flags.ts'
import { toModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { ANNA, deliver, openByName, statusByName, textOf, worldWith } from './testing/world.ts'

const uids = (...numbers: number[]): Uid[] => numbers.map(toUid)
const shown = (view: MailboxView) => Array.from(view.uids.subarray(0, view.exists))
const seen: Flags = { system: Flag.seen, keywords: [] }
const deleted: Flags = { system: Flag.deleted, keywords: [] }

async function withLetters(count: number, limits = {}) {
  const world = await worldWith({ limits })
  for (let i = 1; i <= count; i++) await deliver(world, ANNA, `letter ${i}`)
  const account = world.store.openImapAccount(ANNA)
  const open = (readOnly = false) => openByName(account, 'INBOX', readOnly)
  return { world, account, open }
}

const add = (mailbox: OpenMailbox, flags: Flags, ...numbers: number[]) =>
  mailbox.store({ uids: uids(...numbers), change: 'add', flags })

test('a full disk refuses COPY and APPEND, while flags, MOVE and EXPUNGE go on', async () => {
  let full = false
  const world = await worldWith({
    refusal: (kind) => (full && kind === 'user' ? new StoreError('STORE_FULL', 'Cannot write: full') : null),
  })
  for (let i = 1; i <= 3; i++) await deliver(world, ANNA, `letter ${i}`)
  const account = world.store.openImapAccount(ANNA)
  const mailbox = await openByName(account, 'INBOX', false)
  full = true
  await assert.rejects(mailbox.copy(uids(1), 'Trash'), { code: 'STORE_FULL' })
  await assert.rejects(account.create('New', null), { code: 'STORE_FULL' })
  await mailbox.move(uids(1), 'Trash')
  await add(mailbox, deleted, 2)
  await mailbox.expunge(null)
  assert.deepEqual(shown(mailbox.delta(mailbox.view).view), [3])
})

test('what is committed with one copy where two are demanded is answered as failed, is there, and freeing space is not', async () => {
  let copies = 2
  const world = await worldWith({
    doubt: (kind) => (copies < 2 && kind !== 'relief' ? new StoreError('STORE_ONE_COPY', 'Only one copy') : null),
  })
  await deliver(world, ANNA, 'letter 1')
  const account = world.store.openImapAccount(ANNA)
  const mailbox = await openByName(account, 'INBOX', false)
  const append = () =>
    account.append({ mailbox: 'INBOX', flags: seen, internalDateMs: null, body: [Buffer.from('letter 2')] })
  assert.equal((await append()).uid, 2)
  copies = 1
  await assert.rejects(append(), { code: 'STORE_ONE_COPY' })
  await assert.rejects(mailbox.copy(uids(1), 'Archive'), { code: 'STORE_ONE_COPY' })
  await assert.rejects(add(mailbox, deleted, 1), { code: 'STORE_ONE_COPY' })
  assert.deepEqual(await mailbox.expunge(null), [1], 'the flag was set, and expunge is answered')
  assert.deepEqual(shown(mailbox.delta(mailbox.view).view), [2, 3])
  assert.equal(statusByName(world, ANNA, 'Archive').messages, 1)
})

test('delta() gives the same view again while nothing changed', async () => {
  const { open } = await withLetters(3)
  const mailbox = await open()
  const delta = mailbox.delta(mailbox.view)
  assert.equal(delta.view, mailbox.view)
  assert.deepEqual([delta.vanished, delta.changed, delta.firstNew], [[], [], 3])
})

test('delta() tells one session what another did, each view against its own past', async () => {
  const { world, open } = await withLetters(4)
  const one = await open()
  const two = await open()
  const first = two.view
  await add(one, seen, 1, 3)
  await deliver(world, ANNA, 'letter 5')
  const second = two.delta(first)
  assert.deepEqual(
    second.changed.map(({ uid, flags }) => [uid, flags.system]),
    [
      [1, Flag.seen],
      [3, Flag.seen],
    ],
  )
  assert.deepEqual([second.vanished, second.firstNew, shown(second.view)], [[], 4, [1, 2, 3, 4, 5]])
  await add(one, deleted, 2, 5)
  await one.expunge(null)
  await deliver(world, ANNA, 'letter 6')
  const third = two.delta(second.view)
  assert.deepEqual([third.vanished, third.firstNew, shown(third.view)], [[2, 5], 3, [1, 3, 4, 6]])
  assert.deepEqual(third.changed, [])
  // Views that were given out never change.
  assert.deepEqual(shown(first), [1, 2, 3, 4])
  assert.deepEqual(shown(second.view), [1, 2, 3, 4, 5])
  // From the oldest view: all at once.
  const all = two.delta(first)
  assert.deepEqual([all.vanished, all.firstNew], [[2], 3])
  assert.deepEqual(
    all.changed.map(({ uid }) => uid),
    [1, 3],
  )
})

test('delta() still finds flag changes that are no longer remembered', async () => {
  const { world, account, open } = await withLetters(0, { closedMailboxUidsMax: 0 })
  for (let i = 0; i < 250; i++) {
    await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [Buffer.from('x')] })
  }
  const mailbox = await open()
  const before = mailbox.view
  const all = Array.from(shown(before), toUid)
  // One more than the memory of changes holds, the first change being the only one of UID 7.
  await add(mailbox, seen, 7)
  const others = all.filter((uid) => uid !== 7)
  for (let i = 0; i < 82; i++) {
    await mailbox.store({ uids: others, change: i % 2 === 0 ? 'add' : 'remove', flags: seen })
  }
  assert.deepEqual(
    mailbox.delta(before).changed.map(({ uid }) => uid),
    all,
  )
  mailbox.close()
  const again = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  assert.deepEqual(
    again.delta(before).changed.map(({ uid }) => uid),
    all,
  )
})

test('facts() and message() show an expunged message to those who still have it', async () => {
  const { open } = await withLetters(2)
  const one = await open()
  const two = await open()
  await add(one, { system: Flag.deleted, keywords: ['$Work'] }, 1)
  assert.deepEqual(await one.expunge(uids(1, 2)), [1])
  assert.deepEqual(
    two.facts(uids(1, 2)).map(({ uid, flags }) => [uid, flags.system, flags.keywords]),
    [
      [1, Flag.deleted, ['$Work']],
      [2, 0, []],
    ],
  )
  assert.match(await textOf(two.message(toUid(1))), /letter 1$/)
  const { facts } = await two.store({ uids: uids(1, 2), change: 'add', flags: seen })
  assert.deepEqual(
    facts.map(({ uid, flags }) => [uid, flags.system]),
    [
      [1, Flag.deleted],
      [2, Flag.seen],
    ],
  )
  assert.deepEqual(two.facts(uids(7)), [])
  assert.equal(two.message(toUid(7)), null)
})

const stores: [name: string, before: Flags, change: FlagChange, flags: Flags, after: Flags][] = [
  ['adds', seen, 'add', deleted, { system: Flag.seen | Flag.deleted, keywords: [] }],
  [
    'removes',
    { system: 12, keywords: ['a', 'b'] },
    'remove',
    { system: 8, keywords: ['A'] },
    { system: 4, keywords: ['b'] },
  ],
  [
    'replaces',
    { system: 12, keywords: ['a'] },
    'replace',
    { system: 1, keywords: ['c'] },
    { system: 1, keywords: ['c'] },
  ],
  [
    'keeps the spelling of a keyword',
    { system: 0, keywords: ['Work'] },
    'add',
    { system: 0, keywords: ['WORK'] },
    { system: 0, keywords: ['Work'] },
  ],
]
for (const [name, before, change, flags, after] of stores) {
  test(`store() ${name}`, async () => {
    const { open } = await withLetters(1)
    const mailbox = await open()
    await mailbox.store({ uids: uids(1), change: 'replace', flags: before })
    const result = await mailbox.store({ uids: uids(1), change, flags })
    assert.deepEqual(
      result.facts.map((facts) => facts.flags),
      [after],
    )
    assert.deepEqual(mailbox.facts(uids(1))[0]?.flags, after)
  })
}

test('store() leaves alone what changed after UNCHANGEDSINCE, and writes nothing when nothing changes', async () => {
  const { world, open } = await withLetters(3)
  const mailbox = await open()
  const since = mailbox.view.modSeq
  await add(mailbox, { system: Flag.flagged, keywords: [] }, 2)
  const result = await mailbox.store({ uids: uids(1, 2, 3), change: 'add', flags: seen, unchangedSince: since })
  assert.deepEqual(result.modified, [2])
  assert.deepEqual(
    result.facts.map(({ uid, flags }) => [uid, flags.system]),
    [
      [1, Flag.seen],
      [2, Flag.flagged],
      [3, Flag.seen],
    ],
  )
  const modSeqs = mailbox.facts(uids(1, 2, 3)).map(({ modSeq }) => modSeq)
  assert.equal(modSeqs[0], modSeqs[2])
  assert.ok((modSeqs[0] ?? 0) > (modSeqs[1] ?? 0))
  const before = world.log.lastLsn
  await add(mailbox, seen, 1, 3)
  assert.equal(world.log.lastLsn, before)
  assert.equal(mailbox.status().highestModSeq, toModSeq(modSeqs[0] ?? 0))
})

test('store() bounds keywords', async () => {
  const { open } = await withLetters(1, { keywordsPerMessageMax: 2, keywordsPerMailboxMax: 3, keywordBytesMax: 5 })
  const mailbox = await open()
  const keywords = (...given: string[]) => add(mailbox, { system: 0, keywords: given }, 1)
  await assert.rejects(keywords('a', 'b', 'c'), { code: 'STORE_LIMIT' })
  await assert.rejects(keywords('sixsix'), { code: 'STORE_LIMIT' })
  await keywords('a', 'b')
  await assert.rejects(keywords('c'), { code: 'STORE_LIMIT' })
  await mailbox.store({ uids: uids(1), change: 'replace', flags: { system: 0, keywords: ['c'] } })
  await assert.rejects(mailbox.store({ uids: uids(1), change: 'replace', flags: { system: 0, keywords: ['d'] } }), {
    code: 'STORE_LIMIT',
  })
  assert.deepEqual(mailbox.keywords(), ['a', 'b', 'c'])
})

test('expunge() takes those with \\Deleted, of the given ones or all', async () => {
  const { open } = await withLetters(4)
  const mailbox = await open()
  await add(mailbox, deleted, 1, 2, 4)
  assert.deepEqual(await mailbox.expunge(uids(2, 3)), [2])
  assert.deepEqual(await mailbox.expunge(null), [1, 4])
  assert.deepEqual(await mailbox.expunge(null), [])
  const { messages, deleted: left, uidNext } = mailbox.status()
  assert.deepEqual([messages, left, uidNext], [1, 0, 5])
})

test('copy() gives new UIDs, keeps flags, dates and EMAILID, and copies no bytes', async () => {
  const { world, account, open } = await withLetters(3)
  const mailbox = await open()
  await add(mailbox, { system: Flag.flagged, keywords: ['k'] }, 1)
  world.clock.advance(60_000)
  const size = world.log.sizeBytes()
  const result = await mailbox.copy(uids(1, 3, 9), 'Archive')
  assert.ok(world.log.sizeBytes() - size < 300)
  assert.deepEqual(
    [result.source, result.target],
    [
      [1, 3],
      [1, 2],
    ],
  )
  const archive = await openByName(account, 'Archive')
  assert.equal(result.uidValidity, archive.info.uidValidity)
  const [copy] = archive.facts(uids(1))
  const [original] = mailbox.facts(uids(1))
  assert.ok(copy && original)
  assert.deepEqual(copy.flags, original.flags)
  assert.deepEqual(
    [copy.emailId, copy.internalDateMs, copy.sizeBytes],
    [original.emailId, original.internalDateMs, original.sizeBytes],
  )
  assert.equal(copy.saveDateMs, original.saveDateMs + 60_000)
  assert.equal(await textOf(archive.message(toUid(2))), await textOf(mailbox.message(toUid(3))))
  assert.deepEqual(archive.keywords(), ['k'])
  await assert.rejects(mailbox.copy(uids(1), 'Nowhere'), { code: 'STORE_NO_TARGET' })
})

test('copy() is refused over quota, move() is not', async () => {
  const { world, open } = await withLetters(2)
  const { sizeBytes } = statusByName(world, ANNA, 'INBOX')
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: sizeBytes + 1 })
  const mailbox = await open()
  await assert.rejects(mailbox.copy(uids(1), 'Archive'), { code: 'STORE_OVER_QUOTA' })
  await mailbox.move(uids(1), 'Archive')
})

test('move() takes away here and adds there in one step, also into the same mailbox', async () => {
  const { world, account, open } = await withLetters(3)
  const mailbox = await open()
  const archive = await openByName(account, 'Archive')
  const lsn = world.log.lastLsn
  const result = await mailbox.move(uids(1, 2), 'Archive')
  assert.equal(world.log.lastLsn, lsn + 1)
  assert.deepEqual(
    [result.source, result.target],
    [
      [1, 2],
      [1, 2],
    ],
  )
  assert.deepEqual(mailbox.delta(mailbox.view).vanished, [1, 2])
  assert.deepEqual(shown(archive.delta(archive.view).view), [1, 2])
  const again = await mailbox.move(uids(3), 'INBOX')
  assert.deepEqual(again.target, [4])
  assert.deepEqual(shown(mailbox.delta(mailbox.view).view), [4])
  assert.match(await textOf(mailbox.message(toUid(4))), /letter 3$/)
})

test('large orders go in steps and answer once', async () => {
  const { world, account, open } = await withLetters(7, { messagesPerStepMax: 3 })
  const mailbox = await open()
  const lsn = world.log.lastLsn
  const all = uids(1, 2, 3, 4, 5, 6, 7)
  const copied = await mailbox.copy(all, 'Archive')
  assert.deepEqual([copied.source, copied.target], [all, all])
  assert.equal(world.log.lastLsn, lsn + 3)
  assert.equal((await mailbox.store({ uids: all, change: 'add', flags: deleted })).facts.length, 7)
  assert.deepEqual((await mailbox.move(uids(1, 2, 3, 4), 'Trash')).target, [1, 2, 3, 4])
  await account.rename('INBOX', 'Old')
  const old = await openByName(account, 'Old')
  assert.deepEqual(shown(old.view), [1, 2, 3])
  const archive = await openByName(account, 'Archive')
  await add(archive, deleted, ...all)
  assert.deepEqual(await archive.expunge(null), all)
})

test('claimRecent() gives a message to exactly one session, and to none that only looks', async () => {
  const { world, open } = await withLetters(2)
  const looking = await open(true)
  assert.equal(await looking.claimRecent(), 0)
  assert.equal(looking.status().recent, 2)
  const [one, two] = await Promise.all([open(), open()])
  assert.deepEqual(await Promise.all([one.claimRecent(), two.claimRecent()]), [0, 2])
  assert.equal(one.status().recent, 0)
  await deliver(world, ANNA, 'letter 3')
  assert.equal(two.status().recent, 1)
  assert.equal(await two.claimRecent(), 2)
  assert.equal(await one.claimRecent(), 3)
})

test('a mailbox opened read-only refuses changes', async () => {
  const { open } = await withLetters(1)
  const mailbox = await open(true)
  await assert.rejects(add(mailbox, seen, 1), { code: 'STORE_READ_ONLY' })
  await assert.rejects(mailbox.expunge(null), { code: 'STORE_READ_ONLY' })
  await assert.rejects(mailbox.move(uids(1), 'Trash'), { code: 'STORE_READ_ONLY' })
  await mailbox.copy(uids(1), 'Trash')
})

test('listeners hear of each commit until their mailbox is closed', async () => {
  const { world, account } = await withLetters(1)
  const info = account.find('INBOX')
  assert.ok(info)
  let heard = 0
  const mailbox = await account.open(info.id, false, () => heard++)
  await deliver(world, ANNA, 'a')
  await deliver(world, ANNA, 'b', 'Junk')
  await add(mailbox, seen, 1)
  assert.equal(heard, 2)
  mailbox.close()
  await deliver(world, ANNA, 'c')
  assert.equal(heard, 2)
  assert.throws(() => mailbox.delta(mailbox.view), { code: 'STORE_CLOSED' })
})

test('append() stores flags, date and bytes without a header block', async () => {
  const { world, account, open } = await withLetters(1)
  const body = ['Subject: x\r\n', '\r\n', 'text\r\n'].map((line) => Buffer.from(line))
  const flags = { system: Flag.draft, keywords: ['$Label1'] }
  const { uid, uidValidity } = await account.append({ mailbox: 'inbox', flags, internalDateMs: -86_400_000, body })
  const mailbox = await open()
  assert.equal(uidValidity, mailbox.info.uidValidity)
  const [facts] = mailbox.facts([uid])
  assert.deepEqual([facts?.flags, facts?.internalDateMs, facts?.saveDateMs], [flags, -86_400_000, world.clock.nowMs()])
  assert.equal(await textOf(mailbox.message(uid)), 'Subject: x\r\n\r\ntext\r\n')
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 1 })
  await assert.rejects(account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body }), {
    code: 'STORE_OVER_QUOTA',
  })
})

test('status() counts what its row says after every kind of change', async () => {
  const { open } = await withLetters(3)
  const mailbox = await open()
  await add(mailbox, seen, 1)
  await add(mailbox, deleted, 1, 2)
  const counts = () => {
    const { messages, unseen, deleted: marked, recent } = mailbox.status()
    return [messages, unseen, marked, recent]
  }
  assert.deepEqual(counts(), [3, 2, 2, 3])
  await mailbox.expunge(uids(1))
  assert.deepEqual(counts(), [2, 2, 1, 2])
  await mailbox.move(uids(2), 'Trash')
  assert.deepEqual(counts(), [1, 1, 0, 1])
})
