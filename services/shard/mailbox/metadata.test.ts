import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rebuildIndex } from '../index/open.ts'
import { ANNA, BERT, type World, worldWith } from './testing/world.ts'

function entry(name: string, value: string | null) {
  return { name, value: value === null ? null : Buffer.from(value) }
}

function shown(world: World, mailbox: string | null, account = ANNA): [string, string][] {
  const opened = world.store.openImapAccount(account)
  const id = mailbox === null ? null : (opened.find(mailbox)?.id ?? assert.fail(`there is a ${mailbox}`))
  return opened.metadata(id).map(({ name, value }) => [name, Buffer.from(value).toString()])
}

async function sameFromTheLog({ log, index }: World): Promise<void> {
  assert.deepEqual(index.digest(0), (await rebuildIndex(log, index.appliedLsn)).digest(0))
}

test('setMetadata() keeps values by mailbox and by account, replaces them and takes them away', async () => {
  const world = await worldWith({}, ANNA, BERT)
  const account = world.store.openImapAccount(ANNA)
  const inbox = account.find('INBOX')?.id ?? assert.fail()
  await account.setMetadata(inbox, [entry('/private/b', '1'), entry('/private/a', ''), entry('/private/c', null)])
  await account.setMetadata(null, [entry('/private/b', 'of the account')])
  await account.setMetadata(inbox, [entry('/private/b', '2'), entry('/private/a', null)])
  assert.deepEqual(shown(world, 'INBOX'), [['/private/b', '2']])
  assert.deepEqual(shown(world, null), [['/private/b', 'of the account']])
  assert.deepEqual([shown(world, 'Sent'), shown(world, null, BERT)], [[], []])
  await sameFromTheLog(world)
})

test('annotations go with the mailbox, by whatever name, and end with it', async () => {
  const world = await worldWith()
  const account = world.store.openImapAccount(ANNA)
  const { id } = await account.create('Box', null)
  await account.setMetadata(id, [entry('/private/a', 'x')])
  await account.rename('Box', 'Case')
  assert.deepEqual(shown(world, 'Case'), [['/private/a', 'x']])
  await account.delete('Case')
  await account.create('Case', null)
  assert.deepEqual(shown(world, 'Case'), [])
  assert.throws(() => account.metadata(id), { code: 'STORE_NO_MAILBOX' })
  await sameFromTheLog(world)
})

test('an account has a number of annotations at most; changing and removing go on', async () => {
  const world = await worldWith({ limits: { metadataPerAccountMax: 2 } })
  const account = world.store.openImapAccount(ANNA)
  const inbox = account.find('INBOX')?.id ?? assert.fail()
  await account.setMetadata(inbox, [entry('/private/a', '1')])
  await account.setMetadata(null, [entry('/private/a', '1')])
  await assert.rejects(account.setMetadata(inbox, [entry('/private/b', '1')]), { code: 'STORE_METADATA' })
  await account.setMetadata(inbox, [entry('/private/a', '2')])
  await account.setMetadata(null, [entry('/private/a', null)])
  await account.setMetadata(inbox, [entry('/private/b', '1')])
  assert.equal(shown(world, 'INBOX').length, 2)
})

test('what changes nothing writes nothing', async () => {
  const world = await worldWith()
  const before = world.log.lastLsn
  await world.store.openImapAccount(ANNA).setMetadata(null, [entry('/private/a', null)])
  assert.equal(world.log.lastLsn, before)
})

test('a deleted account leaves no annotation behind', async () => {
  const world = await worldWith()
  await world.store.openImapAccount(ANNA).setMetadata(null, [entry('/private/a', '1')])
  await world.store.runAccountCommand({ kind: 'delete', account: ANNA })
  await world.store.runAccountCommand({ kind: 'own', account: ANNA, generation: 2, quotaBytes: null, locale: 'en' })
  assert.deepEqual(shown(world, null), [])
  await sameFromTheLog(world)
})
