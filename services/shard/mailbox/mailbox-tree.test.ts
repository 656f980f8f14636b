import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImapAccount } from '#lib/imap/store.ts'
import { toUid } from '#lib/mail/types.ts'
import { MAILBOX_LIMITS } from './limits.ts'
import { canonicalName, checkName } from './names.ts'
import { ANNA, deliver, openByName, statusByName, textOf, worldWith } from './testing/world.ts'

const canonical: [name: string, given: string, expected: string][] = [
  ['spells INBOX in capitals', 'inBox', 'INBOX'],
  ['spells INBOX as first level in capitals', 'inbox/Lists', 'INBOX/Lists'],
  ['leaves INBOX alone elsewhere', 'Old/inbox', 'Old/inbox'],
  ['leaves names that begin like INBOX alone', 'inboxes', 'inboxes'],
  ['takes a separator off the end', 'Work/', 'Work'],
  ['composes characters', 'Cafe\u0301', 'Caf\u00e9'],
]
for (const [name, given, expected] of canonical) {
  test(`canonicalName() ${name}`, () => assert.equal(canonicalName(given), expected))
}

const names: [name: string, given: string, good: boolean][] = [
  ['takes Chinese', '项目/二〇二六', true],
  ['takes spaces and ampersands', 'R & D', true],
  ['refuses the empty name', '', false],
  ['refuses an empty level', 'a//b', false],
  ['refuses a separator at the beginning', '/a', false],
  ['refuses control characters', 'a\u0007b', false],
  ['refuses a line end', 'a\r\nb', false],
  ['refuses wildcards', 'a*', false],
  ['refuses half a surrogate pair', 'a\ud800', false],
  ['refuses a namespace prefix', '#news', false],
  ['takes a level of 255 bytes', 'é'.repeat(127) + 'x', true],
  ['refuses a level of 256 bytes', 'é'.repeat(128), false],
  ['takes 20 levels', Array(20).fill('a').join('/'), true],
  ['refuses 21 levels', Array(21).fill('a').join('/'), false],
]
for (const [name, given, good] of names) {
  test(`checkName() ${name}`, () => {
    if (good) checkName(given, MAILBOX_LIMITS)
    else assert.throws(() => checkName(given, MAILBOX_LIMITS), { code: 'STORE_NAME' })
  })
}

const namesOf = (account: ImapAccount) =>
  account
    .mailboxes()
    .map(({ name }) => name)
    .filter((name) => !['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash'].includes(name))

const refusals: [name: string, work: (account: ImapAccount) => Promise<unknown>, code: string][] = [
  ['create() of INBOX', (account) => account.create('inbox', null), 'STORE_MAILBOX_EXISTS'],
  ['create() of a name that is there', (account) => account.create('Sent', null), 'STORE_MAILBOX_EXISTS'],
  ['create() with a special use that is taken', (account) => account.create('Gone', 'trash'), 'STORE_SPECIAL_USE'],
  ['delete() of INBOX', (account) => account.delete('Inbox'), 'STORE_CANNOT'],
  ['delete() of what is not there', (account) => account.delete('Nothing'), 'STORE_NO_MAILBOX'],
  ['delete() of a mailbox with children', (account) => account.delete('A'), 'STORE_HAS_CHILDREN'],
  ['rename() of what is not there', (account) => account.rename('Nothing', 'B'), 'STORE_NO_MAILBOX'],
  ['rename() onto a name that is there', (account) => account.rename('A', 'Sent'), 'STORE_MAILBOX_EXISTS'],
  ['rename() onto itself', (account) => account.rename('A', 'A'), 'STORE_MAILBOX_EXISTS'],
  ['rename() into its own child', (account) => account.rename('A', 'A/x/y'), 'STORE_CANNOT'],
  ['rename() to a bad name', (account) => account.rename('A', 'B//C'), 'STORE_NAME'],
  [
    'rename() that makes a child too deep',
    (account) => account.rename('A', Array(20).fill('d').join('/')),
    'STORE_NAME',
  ],
  [
    'append() to what is not there',
    (account) => account.append({ mailbox: 'No', flags: { system: 0, keywords: [] }, internalDateMs: null, body: [] }),
    'STORE_NO_TARGET',
  ],
]
for (const [name, work, code] of refusals) {
  test(`ImapAccount refuses ${name} with ${code} and changes nothing`, async () => {
    const { store, log } = await worldWith()
    const account = store.openImapAccount(ANNA)
    await account.create('A/b', null)
    const before = [log.lastLsn, namesOf(account)]
    await assert.rejects(work(account), { code })
    assert.deepEqual([log.lastLsn, namesOf(account)], before)
  })
}

test('create() makes the missing parents, and a special use once it is free', async () => {
  const { store } = await worldWith()
  const account = store.openImapAccount(ANNA)
  const info = await account.create('A/b/c/', null)
  assert.equal(info.name, 'A/b/c')
  assert.deepEqual(namesOf(account), ['A', 'A/b', 'A/b/c'])
  await account.delete('Trash')
  assert.equal((await account.create('Bin', 'trash')).specialUse, 'trash')
})

test('create() after delete() gives another mailbox: new id, greater UIDVALIDITY', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  const first = await account.create('A', null)
  await deliver(world, ANNA, 'x', 'A')
  await account.delete('A')
  const second = await account.create('A', null)
  assert.notEqual(second.id, first.id)
  assert.ok(second.uidValidity > first.uidValidity)
  assert.equal(account.status(second.id).messages, 0)
})

test('create() stops at the limit of mailboxes', async () => {
  const { store } = await worldWith({ limits: { mailboxesPerAccountMax: 8 } })
  const account = store.openImapAccount(ANNA)
  await assert.rejects(account.create('a/b/c', null), { code: 'STORE_LIMIT' })
  await account.create('a/b', null)
  await assert.rejects(account.create('c', null), { code: 'STORE_LIMIT' })
})

test('rename() takes children along, makes parents, and keeps ids, UIDs and letters', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  await account.create('A/b', null)
  await account.create('Ab', null)
  const id = account.find('A/b')?.id
  await deliver(world, ANNA, 'letter', 'A/b')
  await account.rename('A', 'X/Y')
  assert.deepEqual(namesOf(account), ['Ab', 'X', 'X/Y', 'X/Y/b'])
  assert.equal(account.find('X/Y/b')?.id, id)
  assert.equal(statusByName(world, ANNA, 'X/Y/b').messages, 1)
})

test('rename() of INBOX moves its letters to a new mailbox and leaves INBOX and its children', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  await account.create('INBOX/child', null)
  await deliver(world, ANNA, 'one')
  await deliver(world, ANNA, 'two')
  await account.rename('INBOX', 'Old/Mail')
  assert.deepEqual(namesOf(account), ['INBOX/child', 'Old', 'Old/Mail'])
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
  assert.equal(await deliver(world, ANNA, 'three'), 3)
  const old = await openByName(account, 'Old/Mail')
  assert.deepEqual(Array.from(old.view.uids.subarray(0, old.view.exists)), [1, 2])
  assert.match(await textOf(old.message(toUid(1))), /one$/)
})

test('subscribe() keeps names of mailboxes that do not exist, and survives delete and rename', async () => {
  const { store, log } = await worldWith()
  const account = store.openImapAccount(ANNA)
  await account.subscribe('Later', true)
  await account.subscribe('Trash', false)
  await account.delete('Junk')
  assert.deepEqual(account.subscriptions(), ['Archive', 'Drafts', 'INBOX', 'Junk', 'Later', 'Sent'])
  assert.equal((await account.create('Later', null)).subscribed, true)
  const before = log.lastLsn
  await account.subscribe('Later', true)
  assert.equal(log.lastLsn, before)
})

test('delete() tells the sessions that have the mailbox open', async () => {
  const { store } = await worldWith()
  const account = store.openImapAccount(ANNA)
  const { id } = await account.create('A', null)
  const changes: string[] = []
  const open = await account.open(id, false, (change) => changes.push(change.kind))
  await account.delete('A')
  assert.deepEqual(changes, ['closed'])
  await assert.rejects(open.expunge(null), { code: 'STORE_CLOSED' })
})
