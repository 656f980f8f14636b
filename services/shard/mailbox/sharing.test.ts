import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identity } from '#lib/imap/sharing/neighbours.ts'
import type { ImapAccount, MailboxChange } from '#lib/imap/store.ts'
import { Flag, NO_FLAGS } from '#lib/mail/flags.ts'
import { type AccountId, toUid } from '#lib/mail/types.ts'
import { rebuildIndex } from '../index/open.ts'
import { SqliteIndex } from '../index/sqlite-index.ts'
import {
  ANNA,
  BERT,
  deliver,
  makeWorld,
  openByName,
  statusByName,
  textOf,
  turn,
  type World,
  worldWith,
} from './testing/world.ts'

const SHARED = '#user/anna@example.test/Plan'

function identityOf(id: AccountId): Identity {
  const name = id === ANNA ? 'anna' : 'bert'
  return { address: `${name}@example.test`, addresses: [`${name}@example.test`, `${name}.miller@example.test`] }
}

function viewOf(world: World, id = BERT): ImapAccount {
  return world.store.openImapAccount(id, identityOf(id))
}

/** Anna has a mailbox with two letters, which Bert may use so. */
async function shared(rights: string, options: Parameters<typeof worldWith>[0] = {}): Promise<World> {
  const world = await worldWith(options, ANNA, BERT)
  await world.store.introduce(ANNA, identityOf(ANNA))
  await world.store.introduce(BERT, identityOf(BERT))
  const anna = viewOf(world, ANNA)
  await anna.create('Plan', null)
  for (const text of ['Subject: 1\r\n\r\none', 'Subject: 2\r\n\r\ntwo']) await deliver(world, ANNA, text, 'Plan')
  await anna.access?.grant('Plan', 'bert@example.test', rights)
  return world
}

async function sameFromTheLog({ log, index }: World): Promise<void> {
  assert.deepEqual(index.digest(0), (await rebuildIndex(log, index.appliedLsn)).digest(0))
}

const names = (account: ImapAccount) => account.mailboxes().flatMap(({ name }) => (name.startsWith('#') ? [name] : []))

test('a grant is found by whom it is for, and gone when it is taken away, with its mailbox, and in the log', async () => {
  const world = await shared('lr')
  assert.deepEqual(names(viewOf(world)), [SHARED])
  assert.deepEqual(names(viewOf(world, ANNA)), [])
  assert.deepEqual(viewOf(world, ANNA).access?.grants('Plan'), [{ identifier: 'bert@example.test', rights: 'lr' }])
  await sameFromTheLog(world)
  await viewOf(world, ANNA).access?.grant('Plan', 'bert@example.test', '')
  assert.deepEqual(names(viewOf(world)), [])
  await viewOf(world, ANNA).access?.grant('Plan', 'anyone', 'l')
  assert.deepEqual(names(viewOf(world)), [SHARED])
  await viewOf(world, ANNA).delete('Plan')
  assert.deepEqual(names(viewOf(world)), [])
  await sameFromTheLog(world)
})

test('no client can read or say what the shard keeps of grants', async () => {
  const world = await shared('lr')
  const anna = world.store.openImapAccount(ANNA)
  const entries = anna.metadata(anna.find('Plan')?.id ?? assert.fail()).map(({ name }) => name)
  assert.deepEqual(entries, ['/acl/bert@example.test'])
  assert.ok(entries.every((name) => !/^\/(?:private|shared)(?:\/|$)/.test(name)))
})

test('a guest reads, and may change only what it was given', async () => {
  const world = await shared('lrs')
  const open = await openByName(viewOf(world), SHARED)
  assert.match(await textOf(open.message(toUid(1))), /one$/)
  const seen = {
    uids: [toUid(1)],
    change: 'add',
    flags: { system: Flag.seen | Flag.flagged, keywords: ['x'] },
  } as const
  await open.store(seen)
  assert.deepEqual(open.facts([toUid(1)])[0]?.flags, { system: Flag.seen, keywords: [] })
  await assert.rejects(open.expunge(null), { code: 'IMAP_REFUSED' })
  await assert.rejects(open.move([toUid(1)], 'INBOX'), { code: 'IMAP_REFUSED' })
  await assert.rejects(viewOf(world).appendAll(SHARED, []), { code: 'IMAP_REFUSED' })
  await sameFromTheLog(world)
})

test('letters are copied and moved between accounts: same bytes, and its quota counts for who gets them', async () => {
  const world = await shared('lrswite')
  const open = await openByName(viewOf(world), SHARED)
  const copied = await open.copy([toUid(1)], 'INBOX')
  assert.deepEqual([copied.source, copied.target], [[1], [1]])
  const moved = await open.move([toUid(2)], 'INBOX')
  assert.deepEqual([moved.source, moved.target], [[2], [2]])
  assert.deepEqual([statusByName(world, ANNA, 'Plan').messages, statusByName(world, BERT, 'INBOX').messages], [1, 2])
  const inbox = await openByName(viewOf(world), 'INBOX')
  assert.match(await textOf(inbox.message(toUid(2))), /two$/)
  assert.equal(inbox.facts([toUid(1)])[0]?.emailId, open.facts([toUid(1)])[0]?.emailId)
  await inbox.move([toUid(1)], SHARED)
  assert.deepEqual([statusByName(world, ANNA, 'Plan').messages, statusByName(world, BERT, 'INBOX').messages], [2, 1])
  await sameFromTheLog(world)
  await world.store.runAccountCommand({ kind: 'set-quota', account: BERT, quotaBytes: 10 })
  await assert.rejects(open.move([toUid(1)], 'INBOX'), { code: 'STORE_OVER_QUOTA' })
  assert.equal(statusByName(world, ANNA, 'Plan').messages, 2)
})

test('flags that a guest may not set do not come with a letter that it brings', async () => {
  const world = await shared('lri')
  const flags = { system: Flag.seen | Flag.deleted, keywords: ['x'] }
  await viewOf(world).append({ mailbox: SHARED, flags, internalDateMs: null, body: [Buffer.from('a: b\r\n\r\n')] })
  const open = await openByName(viewOf(world), SHARED)
  assert.deepEqual(open.facts([toUid(3)])[0]?.flags, NO_FLAGS)
})

const endings: [name: string, act: (world: World) => Promise<unknown>][] = [
  [
    'the right to read is taken away',
    async (world) => viewOf(world, ANNA).access?.grant('Plan', 'bert@example.test', 'l'),
  ],
  ['the owner is suspended', (world) => world.store.runAccountCommand({ kind: 'suspend', account: ANNA })],
  ['the owner is deleted', (world) => world.store.runAccountCommand({ kind: 'delete', account: ANNA })],
  ['the mailbox is deleted', (world) => viewOf(world, ANNA).delete('Plan')],
  ['sessions of the owner end, as for a move', async (world) => world.store.endSessions(ANNA, 'Account moves')],
]
for (const [name, act] of endings) {
  test(`a guest is shown out when ${name}`, async () => {
    const world = await shared('lr')
    const view = viewOf(world)
    const told: MailboxChange['kind'][] = []
    const opened = await view.open(view.find(SHARED)?.id ?? assert.fail(), true, ({ kind }) => told.push(kind))
    await act(world)
    assert.ok(told.includes('closed'), told.join(' '))
    opened.close()
    if (!name.startsWith('sessions')) assert.equal(view.find(SHARED)?.rights?.includes('r') ?? false, false)
  })
}

test('a guest that has left is not told any more', async () => {
  const world = await shared('lr')
  const view = viewOf(world)
  const told: string[] = []
  const opened = await view.open(view.find(SHARED)?.id ?? assert.fail(), true, ({ kind }) => told.push(kind))
  opened.close()
  world.store.endSessions(ANNA, 'bye')
  await deliver(world, ANNA, 'a: b\r\n\r\n', 'Plan')
  assert.deepEqual(told, [])
})

test('nothing is shared with whom it cannot reach: only accounts that have logged in here, and are here', async () => {
  const world = await shared('lr')
  const { access } = viewOf(world, ANNA)
  const grant = async (identifier: string) => access?.grant('Plan', identifier, 'lr')
  await grant('bert.miller@example.test')
  await assert.rejects(grant('carl@example.test'), { code: 'IMAP_REFUSED', message: /carl@example.test/ })
  await world.store.introduce(BERT, { address: 'b@example.test', addresses: ['b@example.test'] })
  await assert.rejects(grant('bert@example.test'), { code: 'IMAP_REFUSED' })
  await grant('b@example.test')
  await world.store.runAccountCommand({ kind: 'delete', account: BERT })
  await assert.rejects(grant('b@example.test'), { code: 'IMAP_REFUSED' })
  await access?.grant('Plan', 'b@example.test', '')
  await sameFromTheLog(world)
})

test('who is known already is not written down again', async () => {
  const world = await shared('lr')
  const before = world.log.lastLsn
  await world.store.introduce(BERT, identityOf(BERT))
  assert.equal(world.log.lastLsn, before)
})

test('a letter on its way into another account is in one of both at every moment at which the process may die', async () => {
  const seen = new Set<string>()
  for (let syncs = 0; syncs < 6; syncs++) {
    const before = await shared('lrswite')
    const log = before.log.afterCrash(0, 'by-hand')
    const world = makeWorld({ log, index: before.index })
    const open = await openByName(viewOf(world), SHARED)
    const moving = open.move([toUid(1)], 'INBOX').catch(() => null)
    for (let i = 0; i < syncs; i++) {
      await turn()
      log.sync()
    }
    await turn()
    const left = log.afterCrash()
    const index = await rebuildIndex(left)
    assert.ok(index instanceof SqliteIndex)
    const after = makeWorld({ log: left, index })
    const counts = [statusByName(after, ANNA, 'Plan').messages - 1, statusByName(after, BERT, 'INBOX').messages]
    seen.add(counts.join(' '))
    assert.ok(counts.includes(1), `after ${syncs} syncs: ${counts}`)
    world.store.depose('over')
    await moving
  }
  // Before, between the commit there and the one here, and after.
  assert.deepEqual([...seen], ['1 0', '1 1', '0 1'])
})
