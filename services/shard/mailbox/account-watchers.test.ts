import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountChange } from '#lib/imap/store.ts'
import { ANNA, BERT, deliver, statusByName, type World, worldWith } from './testing/world.ts'

function watched(world: World): { told: AccountChange[]; end: () => void } {
  const told: AccountChange[] = []
  return { told, end: world.store.openImapAccount(ANNA).watch((change) => told.push(change)) }
}

const works: [name: string, work: (world: World) => Promise<unknown>][] = [
  ['a delivery', (world) => deliver(world, ANNA, 'a: b\r\n\r\n')],
  ['a new mailbox', (world) => world.store.openImapAccount(ANNA).create('Box', null)],
  ['a rename', (world) => world.store.openImapAccount(ANNA).rename('Drafts', 'Notes')],
  ['a deletion', (world) => world.store.openImapAccount(ANNA).delete('Drafts')],
  ['a subscription', (world) => world.store.openImapAccount(ANNA).subscribe('Drafts', false)],
]
for (const [name, work] of works) {
  test(`watch() hears of ${name}, once`, async () => {
    const world = await worldWith({}, ANNA, BERT)
    const { told } = watched(world)
    await work(world)
    assert.deepEqual(told, [{ kind: 'changed' }])
  })
}

test('watch() hears when memory shows it', async () => {
  const world = await worldWith()
  let seen = 0
  world.store.openImapAccount(ANNA).watch(() => {
    seen = statusByName(world, ANNA, 'INBOX').messages
  })
  await deliver(world, ANNA, 'a: b\r\n\r\n')
  assert.equal(seen, 1)
})

test('watch() names annotations and their mailbox', async () => {
  const world = await worldWith()
  const { told } = watched(world)
  const account = world.store.openImapAccount(ANNA)
  const mailbox = account.find('INBOX')?.id ?? assert.fail()
  await account.setMetadata(mailbox, [{ name: '/shared/a', value: Buffer.from('x') }])
  await account.setMetadata(null, [{ name: '/private/b', value: Buffer.from('y') }])
  assert.deepEqual(
    told.filter(({ kind }) => kind === 'metadata'),
    [
      { kind: 'metadata', mailbox, names: ['/shared/a'] },
      { kind: 'metadata', mailbox: null, names: ['/private/b'] },
    ],
  )
})

test('watch() hears nothing of other accounts, and nothing after its end', async () => {
  const world = await worldWith({}, ANNA, BERT)
  const { told, end } = watched(world)
  await deliver(world, BERT, 'a: b\r\n\r\n')
  end()
  end()
  await deliver(world, ANNA, 'a: b\r\n\r\n')
  assert.deepEqual(told, [])
})

test('watch() of a session that shares hears of what is shared with it, and then of what happens there', async () => {
  const world = await worldWith({}, ANNA, BERT)
  const identity = (name: string) => ({ address: `${name}@example.test`, addresses: [`${name}@example.test`] })
  for (const [account, name] of [
    [ANNA, 'anna'],
    [BERT, 'bert'],
  ] as const) {
    await world.store.introduce(account, identity(name))
  }
  let told = 0
  const end = world.store.openImapAccount(BERT, identity('bert')).watch(() => told++)
  const heard = async (work: Promise<unknown> | undefined) => {
    told = 0
    await work
    return told > 0
  }
  const anna = world.store.openImapAccount(ANNA, identity('anna'))
  assert.equal(await heard(deliver(world, ANNA, 'a: b\r\n\r\n')), false)
  assert.equal(await heard(anna.access?.grant('INBOX', 'bert@example.test', 'lr')), true)
  assert.equal(await heard(deliver(world, ANNA, 'a: b\r\n\r\n')), true)
  end()
  assert.equal(await heard(anna.access?.grant('INBOX', 'bert@example.test', 'l')), false)
  assert.equal(await heard(deliver(world, ANNA, 'a: b\r\n\r\n')), false)
})
