import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId } from '#lib/mail/types.ts'
import { deliver, openByName, statusByName, worldWith } from './testing/world.ts'

const ids = [...'abcdefgh'].map((letter) => toAccountId(letter.repeat(16)))

test('MailStore keeps a bounded number of accounts in memory, and those in use beyond it', async () => {
  const world = await worldWith({ limits: { accountsInMemoryMax: 3 } }, ...ids)
  for (const id of ids) await deliver(world, id, 'letter')
  assert.equal(world.store.counts().accountsInMemory, 3)
  const open = await Promise.all(ids.slice(0, 5).map((id) => openByName(world.store.openImapAccount(id), 'INBOX')))
  for (const id of ids) assert.equal(await deliver(world, id, 'letter'), 2)
  for (const mailbox of open) assert.equal(mailbox.delta(mailbox.view).view.exists, 2)
  assert.equal(world.store.counts().openMailboxes, 5)
  for (const mailbox of open) mailbox.close()
  for (const id of ids) assert.equal(statusByName(world, id, 'INBOX').messages, 2)
  assert.equal(world.store.counts().openMailboxes, 0)
})

test('MailStore forgets the maps of closed mailboxes beyond a limit, and shows the same afterwards', async () => {
  const world = await worldWith({ limits: { closedMailboxUidsMax: 600 } }, ...ids)
  for (let round = 1; round <= 3; round++) {
    for (const id of ids) {
      await deliver(world, id, 'letter')
      const mailbox = await openByName(world.store.openImapAccount(id), 'INBOX')
      assert.equal(mailbox.view.exists, round)
      mailbox.close()
    }
  }
})
