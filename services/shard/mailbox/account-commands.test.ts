import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountCommand } from '#lib/frames/shard-protocol.ts'
import { ANNA, deliver, makeWorld, statusByName, worldWith } from './testing/world.ts'

const own = (generation: number, quotaBytes: number | null = null): AccountCommand => ({
  kind: 'own',
  account: ANNA,
  generation,
  quotaBytes,
  locale: 'en',
})

test('runAccountCommand() own creates INBOX and the special-use mailboxes, all subscribed', async () => {
  const { store } = makeWorld()
  assert.deepEqual(await store.runAccountCommand(own(1)), { account: ANNA, changed: true })
  const account = store.openImapAccount(ANNA)
  assert.deepEqual(
    account.mailboxes().map(({ name, specialUse, subscribed }) => [name, specialUse, subscribed]),
    [
      ['Archive', 'archive', true],
      ['Drafts', 'drafts', true],
      ['INBOX', null, true],
      ['Junk', 'junk', true],
      ['Sent', 'sent', true],
      ['Trash', 'trash', true],
    ],
  )
  const validities = account.mailboxes().map(({ uidValidity }) => uidValidity)
  assert.equal(new Set(validities).size, validities.length)
})

test('runAccountCommand() finds a repeated wish true, also when both come at once', async () => {
  const { store } = makeWorld()
  const both = await Promise.all([store.runAccountCommand(own(1)), store.runAccountCommand(own(1))])
  assert.deepEqual(
    both.map(({ changed }) => changed),
    [true, false],
  )
  const commands: AccountCommand[] = [
    { kind: 'set-quota', account: ANNA, quotaBytes: 5 },
    { kind: 'suspend', account: ANNA },
    { kind: 'resume', account: ANNA },
    { kind: 'delete', account: ANNA },
  ]
  for (const command of commands) {
    assert.equal((await store.runAccountCommand(command)).changed, true, command.kind)
    assert.equal((await store.runAccountCommand(command)).changed, false, command.kind)
  }
})

test('runAccountCommand() own takes only generations that grow, also over a deletion', async () => {
  const world = await worldWith()
  const { store } = world
  await deliver(world, ANNA, 'old')
  assert.equal((await store.runAccountCommand(own(3))).changed, true)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 1)
  await assert.rejects(store.runAccountCommand(own(2)), { code: 'STORE_GENERATION' })
  const before = store.openImapAccount(ANNA).mailboxes()
  await store.runAccountCommand({ kind: 'delete', account: ANNA })
  assert.equal(store.accountState(ANNA), 'unknown')
  await assert.rejects(store.runAccountCommand(own(3)), { code: 'STORE_GENERATION' })
  assert.equal((await store.runAccountCommand(own(4))).changed, true)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
  const validities = new Set(before.map(({ uidValidity }) => uidValidity))
  assert.ok(
    store
      .openImapAccount(ANNA)
      .mailboxes()
      .every(({ uidValidity }) => !validities.has(uidValidity)),
  )
})

test('runAccountCommand() refuses what needs an account that is not here', async () => {
  const { store } = makeWorld()
  await assert.rejects(store.runAccountCommand({ kind: 'suspend', account: ANNA }), { code: 'STORE_UNKNOWN_ACCOUNT' })
  assert.deepEqual(await store.runAccountCommand({ kind: 'delete', account: ANNA }), { account: ANNA, changed: false })
})

test('runAccountCommand() suspend ends the sessions and opens none until resume', async () => {
  const { store } = await worldWith()
  const ended: string[] = []
  const release = store.registerSession(ANNA, 'imap', (reason) => ended.push(reason))
  store.registerSession(ANNA, 'pop3', (reason) => ended.push(reason))
  await store.runAccountCommand({ kind: 'suspend', account: ANNA })
  assert.equal(ended.length, 2)
  assert.equal(store.counts().sessions, 0)
  release()
  assert.equal(store.counts().sessions, 0)
  assert.throws(() => store.registerSession(ANNA, 'imap', () => undefined), { code: 'STORE_SUSPENDED' })
  assert.throws(() => store.openImapAccount(ANNA), { code: 'STORE_SUSPENDED' })
  await store.runAccountCommand({ kind: 'resume', account: ANNA })
  assert.equal(store.openImapAccount(ANNA).id, ANNA)
})

test('endSessions() ends those of one account, and close() all of them', async () => {
  const { store } = await worldWith({ limits: { sessionsPerAccountMax: 2 } })
  const ended: string[] = []
  store.registerSession(ANNA, 'imap', (reason) => ended.push(reason))
  store.registerSession(ANNA, 'imap', (reason) => ended.push(reason))
  assert.throws(() => store.registerSession(ANNA, 'imap', () => undefined), { code: 'STORE_LIMIT' })
  assert.equal(store.endSessions(ANNA, 'password changed'), 2)
  store.registerSession(ANNA, 'imap', (reason) => ended.push(reason))
  await store.close('shutting down')
  assert.deepEqual(ended, ['password changed', 'password changed', 'shutting down'])
  assert.throws(() => store.openImapAccount(ANNA), { code: 'STORE_UNAVAILABLE' })
})
