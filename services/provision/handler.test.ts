import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProvisionCommandInput } from '#lib/events/events.ts'
import { toShardName } from '#lib/mail/types.ts'
import { standing } from './mark.ts'
import { leastLoaded } from './placement.ts'
import { FakeWorld } from './testing/fake-world.ts'

const HASH = '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const OTHER_HASH = HASH.replace('$AAAA', '$BBBB')
const scramKeys = `SCRAM-SHA-256$4096:${'A'.repeat(22)}==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`
const secrets = { passwordHash: HASH, scramKeys }
const appHash = `$sha256$${'A'.repeat(16)}$${'A'.repeat(43)}`

const create = (address: string, more: object = {}): ProvisionCommandInput => ({
  kind: 'account.create',
  address,
  secrets,
  ...more,
})
const ANNA = 'anna@a.example'

interface Scenario {
  readonly name: string
  readonly before: readonly ProvisionCommandInput[]
  readonly command: ProvisionCommandInput
  readonly check: (world: FakeWorld) => void
}

const anna = (world: FakeWorld) => {
  const account = world.accounts.get(ANNA)
  assert.ok(account)
  return account
}
const onShard = (world: FakeWorld) => world.owned.get(anna(world).home)?.get(anna(world).id)

const scenarios: readonly Scenario[] = [
  {
    name: 'account.create',
    before: [],
    command: create('Anna@A.example', { aliases: ['info@a.example'], quotaBytes: 5 }),
    check(world) {
      assert.equal(anna(world).status, 'active')
      assert.deepEqual(onShard(world), { generation: 1, suspended: false, quotaBytes: 5 })
      assert.equal(
        [...world.owned.values()].reduce((sum, accounts) => sum + accounts.size, 0),
        1,
      )
    },
  },
  {
    name: 'account.create on a pinned shard',
    before: [],
    command: create(ANNA, { home: 'n1/1' }),
    check: (world) => assert.equal(anna(world).home, 'n1/1'),
  },
  {
    name: 'account.delete',
    before: [create(ANNA)],
    command: { kind: 'account.delete', address: ANNA },
    check(world) {
      assert.equal(world.accounts.size, 0)
      assert.equal(
        [...world.owned.values()].reduce((sum, accounts) => sum + accounts.size, 0),
        0,
      )
      assert.ok(world.ended.length > 0)
    },
  },
  {
    name: 'account.password',
    before: [create(ANNA)],
    command: { kind: 'account.password', address: ANNA, secrets: { passwordHash: OTHER_HASH, scramKeys } },
    check(world) {
      assert.equal(anna(world).secret, OTHER_HASH)
      assert.ok(world.ended.length > 0, 'live sessions end')
    },
  },
  {
    name: 'account.suspend',
    before: [create(ANNA)],
    command: { kind: 'account.suspend', address: ANNA, reason: 'spam' },
    check(world) {
      assert.equal(anna(world).status, 'suspended')
      assert.equal(onShard(world)?.suspended, true)
      assert.ok(world.ended.length > 0, 'live sessions end')
    },
  },
  {
    name: 'account.resume',
    before: [create(ANNA), { kind: 'account.suspend', address: ANNA }],
    command: { kind: 'account.resume', address: ANNA },
    check(world) {
      assert.equal(anna(world).status, 'active')
      assert.equal(onShard(world)?.suspended, false)
    },
  },
  {
    name: 'account.quota',
    before: [create(ANNA)],
    command: { kind: 'account.quota', address: ANNA, quotaBytes: 77 },
    check(world) {
      assert.equal(anna(world).quotaBytes, 77)
      assert.equal(onShard(world)?.quotaBytes, 77)
    },
  },
  {
    name: 'account.app-password.add',
    before: [create(ANNA)],
    command: {
      kind: 'account.app-password.add',
      address: ANNA,
      appPassword: { name: 'phone', scopes: ['imap'], hash: appHash },
    },
    check: (world) => assert.deepEqual(anna(world).apps, ['phone']),
  },
  {
    name: 'account.app-password.remove',
    before: [
      create(ANNA),
      {
        kind: 'account.app-password.add',
        address: ANNA,
        appPassword: { name: 'phone', scopes: ['imap'], hash: appHash },
      },
    ],
    command: { kind: 'account.app-password.remove', address: ANNA, name: 'phone' },
    check: (world) => assert.deepEqual(anna(world).apps, []),
  },
  {
    name: 'domain.ensure',
    before: [],
    command: { kind: 'domain.ensure', name: 'Bücher.example', postmaster: ANNA },
    check: (world) => assert.equal(world.domains.get('xn--bcher-kva.example')?.postmaster, ANNA),
  },
]

/** A world after `before`, and the sequence of the next command. */
async function worldOf(scenario: Scenario): Promise<[FakeWorld, number]> {
  const world = new FakeWorld()
  let sequence = 1
  for (const command of scenario.before) assert.equal(await world.deliver(sequence++, command), 'done')
  world.ended.length = 0
  return [world, sequence]
}

for (const scenario of scenarios) {
  test(`CommandHandler carries out ${scenario.name}, and a repeat changes nothing`, async () => {
    const [world, sequence] = await worldOf(scenario)
    assert.equal(await world.deliver(sequence, scenario.command), 'done')
    const result = world.result(`c${sequence}`)
    assert.ok(result?.ok, JSON.stringify(result))
    assert.equal(result.changed, true)
    scenario.check(world)
    const state = world.state()
    assert.equal(await world.deliver(sequence, scenario.command, 2), 'done')
    assert.equal(world.endings.at(-1), 'known')
    assert.deepEqual(world.state(), state)
  })

  for (const when of ['before', 'after'] as const)
    test(`CommandHandler heals ${scenario.name} when it dies ${when} any of its steps has worked`, async () => {
      const [undisturbed, sequence] = await worldOf(scenario)
      const began = undisturbed.calls.length
      await undisturbed.deliver(sequence, scenario.command)
      const steps = undisturbed.calls.slice(began)
      assert.ok(steps.length >= 5)
      for (const [i, step] of steps.entries()) {
        const [world] = await worldOf(scenario)
        world.failAt(i + 1, when)
        assert.equal(await world.deliver(sequence, scenario.command), 'retry', step)
        world.restart()
        assert.equal(await world.deliver(sequence, scenario.command, 2), 'done', step)
        assert.equal(world.result(`c${sequence}`)?.ok, true, step)
        scenario.check(world)
        assert.deepEqual(world.state(), undisturbed.state(), step)
      }
    })
}

const refusals: [name: string, before: ProvisionCommandInput[], command: ProvisionCommandInput, code: string][] = [
  [
    'an address that is taken as an alias',
    [create(ANNA, { aliases: ['b@a.example'] })],
    create('b@a.example'),
    'address-taken',
  ],
  ['an alias that is taken', [create('b@a.example')], create(ANNA, { aliases: ['b@a.example'] }), 'address-taken'],
  [
    'an existing account with other aliases',
    [create(ANNA)],
    create(ANNA, { aliases: ['x@a.example'] }),
    'address-taken',
  ],
  ['a foreign domain', [], create('anna@b.example'), 'unknown-domain'],
  ['an alias in a foreign domain', [], create(ANNA, { aliases: ['anna@b.example'] }), 'unknown-domain'],
  ['a subaddress', [], create('anna+x@a.example'), 'invalid'],
  ['a password in clear', [], create(ANNA, { secrets: { passwordHash: 'secret', scramKeys } }), 'invalid'],
  ['a shard that is not there', [], create(ANNA, { home: 'n7/0' }), 'no-shard'],
  ['a change of nobody', [], { kind: 'account.suspend', address: ANNA }, 'unknown-account'],
  [
    'a deletion by alias',
    [create(ANNA, { aliases: ['b@a.example'] })],
    { kind: 'account.delete', address: 'b@a.example' },
    'invalid',
  ],
  ['a domain that is no name', [], { kind: 'domain.ensure', name: 'no domain' }, 'invalid'],
]
for (const [name, before, command, code] of refusals)
  test(`CommandHandler refuses ${name} with ${code}`, async () => {
    const world = new FakeWorld()
    let sequence = 1
    for (const earlier of before) await world.deliver(sequence++, earlier)
    const accounts = structuredClone(world.accounts)
    assert.equal(await world.deliver(sequence, command), 'done')
    const result = world.result(`c${sequence}`)
    assert.equal(result && !result.ok && result.code, code)
    assert.deepEqual(world.accounts, accounts)
    assert.ok(world.events.has(`c${sequence}-audit`))
  })

test('CommandHandler answers a second create of the same account with the account that is there', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA))
  await world.deliver(2, create(ANNA))
  const first = world.result('c1')
  const second = world.result('c2')
  assert.ok(first?.ok && second?.ok)
  assert.equal(second.changed, false)
  assert.deepEqual(second.account, first.account)
})

test('CommandHandler finishes what another command began, on the shard chosen then', async () => {
  const world = new FakeWorld()
  world.failAt(7, 'before')
  assert.equal(await world.deliver(1, create(ANNA)), 'retry')
  assert.equal(world.calls.at(-1), 'shard own')
  const { home } = anna(world)
  world.restart()
  assert.equal(await world.deliver(2, create(ANNA, { secrets: { passwordHash: OTHER_HASH, scramKeys } })), 'done')
  assert.equal(anna(world).status, 'active')
  assert.equal(anna(world).home, home)
  assert.equal(anna(world).secret, OTHER_HASH)
  assert.equal(await world.deliver(1, create(ANNA), 2), 'done')
  assert.equal(anna(world).secret, OTHER_HASH)
})

test('CommandHandler does not let an old password come back after a later one', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA))
  const old: ProvisionCommandInput = { kind: 'account.password', address: ANNA, secrets }
  world.failAt(2, 'before')
  assert.equal(await world.deliver(2, old), 'retry')
  world.restart()
  await world.deliver(3, { kind: 'account.password', address: ANNA, secrets: { passwordHash: OTHER_HASH, scramKeys } })
  assert.equal(await world.deliver(2, old, 2), 'done')
  const result = world.result('c2')
  assert.equal(result && !result.ok && result.code, 'superseded')
  assert.equal(anna(world).secret, OTHER_HASH)
})

test('CommandHandler creates one account when many commands for it come at the same time', async () => {
  const world = new FakeWorld()
  await Promise.all(Array.from({ length: 8 }, (_, i) => world.deliver(i + 1, create(ANNA))))
  const results = Array.from({ length: 8 }, (_, i) => world.result(`c${i + 1}`))
  assert.equal(results.filter((result) => result?.ok && result.changed).length, 1)
  assert.equal(results.filter((result) => result?.ok).length, 8)
  assert.equal(world.accounts.size, 1)
})

test('CommandHandler spreads accounts over the active shards', async () => {
  const world = new FakeWorld()
  world.shards = ['n1/0', 'n1/1', 'n2/0'].map((name) => ({ name: toShardName(name), active: name !== 'n2/0' }))
  await Promise.all(Array.from({ length: 10 }, (_, i) => world.deliver(i + 1, create(`u${i}@a.example`))))
  assert.deepEqual([...world.owned].map(([shard, accounts]) => [shard, accounts.size]).sort(), [
    ['n1/0', 5],
    ['n1/1', 5],
  ])
})

test('CommandHandler waits for a failure that passes, and gives up one that does not', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA))
  world.owned.clear() // the shard says that it does not own the account: no waiting heals that
  const suspend: ProvisionCommandInput = { kind: 'account.suspend', address: ANNA }
  assert.equal(await world.deliver(2, suspend, 1), 'retry')
  assert.equal(await world.deliver(2, suspend, 100), 'done')
  const result = world.result('c2')
  assert.equal(result && !result.ok && result.code, 'internal')
  world.failAt(2, 'before')
  assert.equal(await world.deliver(3, { kind: 'account.delete', address: ANNA }, 100), 'retry')
})

const standings: [mark: string, last: string, want: string][] = [
  ['1:5:a', '1:4:b', 'newer'],
  ['1:4:a', '1:5:b', 'older'],
  ['1:5:a', '1:5:a', 'same'],
  ['1:9:a', '1:5:a', 'same'],
  ['1:10:a', '1:9:b', 'newer'],
  ['2:1:a', '1:9:b', 'newer'],
  ['1:1:a', '2:9:b', 'newer'],
]
for (const [mark, last, want] of standings)
  test(`standing() of ${mark} after ${last} is ${want}`, () => assert.equal(standing(mark, last), want))

test('leastLoaded() takes the shard with the fewest accounts, by name among equals', () => {
  const [a, b, c] = ['n1/0', 'n1/1', 'n2/0'].map(toShardName)
  assert.ok(a && b && c)
  assert.equal(leastLoaded([b, a, c], new Map()), a)
  assert.equal(
    leastLoaded(
      [a, b, c],
      new Map([
        [a, 2],
        [b, 1],
        [c, 1],
      ]),
    ),
    b,
  )
  assert.equal(leastLoaded([], new Map()), null)
})
