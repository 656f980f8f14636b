import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toUid } from '#lib/mail/types.ts'
import { ANNA, deliver, openByName, textOf, worldWith } from './testing/world.ts'

test('openMaildrop() shows INBOX as it was, to one session at a time', async () => {
  const world = await worldWith()
  await deliver(world, ANNA, 'one')
  await deliver(world, ANNA, 'two')
  const drop = await world.store.openMaildrop(ANNA)
  await assert.rejects(world.store.openMaildrop(ANNA), { code: 'STORE_IN_USE' })
  await deliver(world, ANNA, 'three')
  assert.deepEqual(
    drop.messages.map(({ uid }) => uid),
    [1, 2],
  )
  const uidls = drop.messages.map(({ uidl }) => uidl)
  assert.ok(uidls.every((uidl) => /^[\x21-\x7e]{1,70}$/.test(uidl)))
  drop.release()
  drop.release()
  const again = await world.store.openMaildrop(ANNA)
  assert.deepEqual(
    again.messages.slice(0, 2).map(({ uidl }) => uidl),
    uidls,
  )
  assert.equal(again.messages.length, 3)
  assert.throws(() => drop.message(toUid(1)), { code: 'STORE_CLOSED' })
})

test('Maildrop.remove() takes the messages away without \\Deleted, whatever IMAP did meanwhile', async () => {
  const world = await worldWith()
  for (const text of ['one', 'two', 'three']) await deliver(world, ANNA, text)
  const drop = await world.store.openMaildrop(ANNA)
  const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  await inbox.move([toUid(2)], 'Archive')
  assert.match(await textOf(drop.message(toUid(2))), /two$/)
  await drop.remove([toUid(3), toUid(2), toUid(1), toUid(1)])
  assert.deepEqual(inbox.delta(inbox.view).vanished, [1, 2, 3])
  drop.release()
  assert.deepEqual((await world.store.openMaildrop(ANNA)).messages, [])
})
