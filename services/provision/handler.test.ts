import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventPayload, ProvisionCommandInput } from '#lib/events/events.ts'
import { toShardName } from '#lib/mail/types.ts'
import { isDue } from './expiry.ts'
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

const ALL = 'all@a.example'
const group = (more: object): ProvisionCommandInput => ({ kind: 'group.create', address: ALL, ...more })

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
    name: 'account.move',
    before: [create(ANNA, { home: 'n1/0' })],
    command: { kind: 'account.move', address: ANNA, target: 'n1/1' },
    check(world) {
      assert.deepEqual([anna(world).home, anna(world).generation], ['n1/1', 2])
      assert.deepEqual(onShard(world), { generation: 2, suspended: false, quotaBytes: null })
      assert.equal(world.owned.get(toShardName('n1/0'))?.size, 0)
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
    name: 'account.filter',
    before: [create(ANNA)],
    command: { kind: 'account.filter', address: ANNA, filter: { level: 'strict', deny: ['bad.example'] } },
    check: (world) => assert.deepEqual(anna(world).filter, { level: 'strict', allow: [], deny: ['bad.example'] }),
  },
  {
    name: 'domain.filter',
    before: [],
    command: { kind: 'domain.filter', name: 'A.example', filter: { level: 'low' } },
    check: (world) => assert.equal(world.domains.get('a.example')?.filter?.level, 'low'),
  },
  {
    name: 'account.delete with a grace',
    before: [create(ANNA), { kind: 'account.suspend', address: ANNA }],
    command: { kind: 'account.delete', address: ANNA, graceSeconds: 60 },
    check(world) {
      assert.equal(anna(world).status, 'deleting')
      assert.deepEqual(anna(world).deletion, { atMs: world.nowMs + 60_000, before: 'suspended' })
      assert.equal(onShard(world)?.suspended, true)
      assert.ok(world.ended.length > 0, 'live sessions end')
    },
  },
  {
    name: 'account.undelete',
    before: [create(ANNA), { kind: 'account.delete', address: ANNA, graceSeconds: 60 }],
    command: { kind: 'account.undelete', address: ANNA },
    check(world) {
      assert.equal(anna(world).status, 'active')
      assert.equal(anna(world).deletion, null)
      assert.equal(onShard(world)?.suspended, false)
    },
  },
  {
    name: 'account.undelete of one that was suspended',
    before: [
      create(ANNA),
      { kind: 'account.suspend', address: ANNA },
      { kind: 'account.delete', address: ANNA, graceSeconds: 60 },
    ],
    command: { kind: 'account.undelete', address: ANNA },
    check(world) {
      assert.equal(anna(world).status, 'suspended')
      assert.equal(onShard(world)?.suspended, true)
    },
  },
  {
    name: 'account.delete for good of one that is in its grace',
    before: [create(ANNA), { kind: 'account.delete', address: ANNA, graceSeconds: 60 }],
    command: { kind: 'account.delete', address: ANNA },
    check(world) {
      assert.equal(world.accounts.size, 0)
      assert.equal(
        [...world.owned.values()].reduce((sum, accounts) => sum + accounts.size, 0),
        0,
      )
    },
  },
  {
    name: 'account.rename',
    before: [create(ANNA, { aliases: ['a@a.example'] }), group({ members: [ANNA] })],
    command: { kind: 'account.rename', address: ANNA, to: 'Ann@a.example' },
    check(world) {
      const account = world.accounts.get('ann@a.example')
      assert.deepEqual(account?.aliases, ['a@a.example', ANNA])
      assert.equal(world.accounts.size, 1)
      assert.deepEqual(world.groups.get(ALL)?.members, [ANNA], 'still an address of the account')
    },
  },
  {
    name: 'account.rename that gives up the old address',
    before: [create(ANNA), group({ members: [ANNA] })],
    command: { kind: 'account.rename', address: ANNA, to: 'ann@a.example', keepAlias: false },
    check(world) {
      assert.deepEqual(world.accounts.get('ann@a.example')?.aliases, [])
      assert.deepEqual(world.groups.get(ALL)?.members, ['ann@a.example'])
      const news = [...world.events.values()].find(({ payload }) => JSON.stringify(payload).includes('"addresses"}'))
      assert.ok(JSON.stringify(news?.payload).includes(ANNA), 'caches hear of the old address')
    },
  },
  {
    name: 'account.alias.add',
    before: [create(ANNA)],
    command: { kind: 'account.alias.add', address: ANNA, alias: 'Info@a.example' },
    check: (world) => assert.deepEqual(anna(world).aliases, ['info@a.example']),
  },
  {
    name: 'account.alias.remove',
    before: [create(ANNA, { aliases: ['info@a.example'] }), group({ members: ['info@a.example', ANNA] })],
    command: { kind: 'account.alias.remove', address: ANNA, alias: 'info@a.example' },
    check(world) {
      assert.deepEqual(anna(world).aliases, [])
      assert.deepEqual(world.groups.get(ALL)?.members, [ANNA])
    },
  },
  {
    name: 'account.name',
    before: [create(ANNA)],
    command: { kind: 'account.name', address: ANNA, displayName: '王小明' },
    check: (world) => assert.equal(anna(world).displayName, '王小明'),
  },
  {
    name: 'account.open',
    before: [create(ANNA)],
    command: { kind: 'account.open', address: ANNA, reason: 'export' },
    check(world) {
      const ticket = [...world.events.values()].flatMap(
        ({ payload }) => /"ticket":"(.+?)"/.exec(JSON.stringify(payload)) ?? [],
      )
      assert.equal(ticket[1], world.tickets.at(-1))
    },
  },
  {
    name: 'account.open of one that is deleted and within its grace',
    before: [create(ANNA), { kind: 'account.delete', address: ANNA, graceSeconds: 60 }],
    command: { kind: 'account.open', address: ANNA, reason: 'export' },
    check: (world) => assert.ok(world.tickets.length > 0),
  },
  {
    name: 'group.create',
    before: [create(ANNA), create('ben@a.example')],
    command: group({ members: ['Ben@a.example', ANNA], aliases: ['everyone@a.example'], senders: 'anyone' }),
    check(world) {
      const { lastCommand: _, ...made } = world.groups.get(ALL) ?? assert.fail('no group')
      assert.deepEqual(made, {
        address: ALL,
        aliases: ['everyone@a.example'],
        displayName: ALL,
        senders: 'anyone',
        members: [ANNA, 'ben@a.example'],
      })
    },
  },
  {
    name: 'group.members',
    before: [create(ANNA), create('ben@a.example'), group({ members: [ANNA] }), group({ address: 'sub@a.example' })],
    command: { kind: 'group.members', address: ALL, add: ['ben@a.example', 'sub@a.example'], remove: [ANNA] },
    check: (world) => assert.deepEqual(world.groups.get(ALL)?.members, ['ben@a.example', 'sub@a.example']),
  },
  {
    name: 'group.update',
    before: [group({})],
    command: { kind: 'group.update', address: ALL, senders: 'members', displayName: 'All' },
    check: (world) => assert.equal(world.groups.get(ALL)?.senders, 'members'),
  },
  {
    name: 'group.update of the filter',
    before: [group({})],
    command: { kind: 'group.update', address: ALL, filter: { level: 'strict' } },
    check: (world) => assert.equal(world.groups.get(ALL)?.filter?.level, 'strict'),
  },
  {
    name: 'group.delete',
    before: [group({})],
    command: { kind: 'group.delete', address: ALL },
    check: (world) => assert.equal(world.groups.size, 0),
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

const rename = (to: string): ProvisionCommandInput => ({ kind: 'account.rename', address: ANNA, to })

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
  ['a new address that is taken', [create(ANNA), create('b@a.example')], rename('b@a.example'), 'address-taken'],
  ['a new address in a foreign domain', [create(ANNA)], rename('b@b.example'), 'unknown-domain'],
  ['a new address that a group has', [create(ANNA), group({})], rename(ALL), 'address-taken'],
  [
    'the taking away of the primary address',
    [create(ANNA)],
    { kind: 'account.alias.remove', address: ANNA, alias: ANNA },
    'invalid',
  ],
  [
    'an alias that is taken by a group',
    [create(ANNA), group({})],
    { kind: 'account.alias.add', address: ANNA, alias: ALL },
    'address-taken',
  ],
  [
    'a change of a deleted account',
    [create(ANNA), { kind: 'account.delete', address: ANNA, graceSeconds: 60 }],
    { kind: 'account.resume', address: ANNA },
    'in-transition',
  ],
  ['the return of nobody', [], { kind: 'account.undelete', address: ANNA }, 'unknown-account'],
  [
    'the deletion of a postmaster',
    [
      create(ANNA, { aliases: ['boss@a.example'] }),
      { kind: 'domain.ensure', name: 'a.example', postmaster: 'boss@a.example' },
    ],
    { kind: 'account.delete', address: ANNA },
    'named-by-domain',
  ],
  [
    'a postmaster’s giving up of the address',
    [create(ANNA), { kind: 'domain.ensure', name: 'a.example', catchAll: ANNA }],
    { kind: 'account.rename', address: ANNA, to: 'ann@a.example', keepAlias: false },
    'named-by-domain',
  ],
  [
    'the taking away of a postmaster’s alias',
    [
      create(ANNA, { aliases: ['boss@a.example'] }),
      { kind: 'domain.ensure', name: 'a.example', postmaster: 'boss@a.example' },
    ],
    { kind: 'account.alias.remove', address: ANNA, alias: 'boss@a.example' },
    'named-by-domain',
  ],
  ['a session of nobody', [], { kind: 'account.open', address: ANNA, reason: 'export' }, 'unknown-account'],
  ['a group with an address that is taken', [create(ANNA)], group({ address: ANNA }), 'address-taken'],
  ['a group that is there with others', [create(ANNA), group({})], group({ members: [ANNA] }), 'address-taken'],
  ['a member of another system', [], group({ members: ['x@elsewhere.example'] }), 'unknown-account'],
  ['a change of no group', [], { kind: 'group.members', address: ALL }, 'unknown-group'],
  ['a group in a foreign domain', [], group({ address: 'all@b.example' }), 'unknown-domain'],
  ['a domain that is no name', [], { kind: 'domain.ensure', name: 'no domain' }, 'invalid'],
  [
    'a filter of a domain that is not here',
    [],
    { kind: 'domain.filter', name: 'b.example', filter: {} },
    'unknown-domain',
  ],
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

test('Expiry takes accounts off whose grace is over, and no others', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA))
  await world.deliver(2, create('ben@a.example'))
  await world.deliver(3, { kind: 'account.delete', address: ANNA, graceSeconds: 60 })
  await world.deliver(4, { kind: 'account.delete', address: 'ben@a.example', graceSeconds: 3600 })
  await world.deliver(5, create('carl@a.example'))
  await world.deliver(6, group({ members: ['carl@a.example', 'ben@a.example'] }))
  assert.equal(await world.look(), 0)
  world.nowMs += 60_000
  assert.equal(await world.look(), 1)
  assert.deepEqual([...world.accounts.keys()], ['ben@a.example', 'carl@a.example'])
  assert.equal(
    [...world.owned.values()].reduce((sum, accounts) => sum + accounts.size, 0),
    2,
  )
  world.nowMs += 3_600_000
  assert.equal(await world.look(), 1)
  assert.deepEqual(world.groups.get(ALL)?.members, ['carl@a.example'])
  assert.equal([...world.events.keys()].filter((id) => /^expired-.*-audit$/.test(id)).length, 2)
})

test('Expiry goes on with an account when it died at any of its steps', async () => {
  const deleted = async () => {
    const world = new FakeWorld()
    await world.deliver(1, create(ANNA))
    await world.deliver(2, { kind: 'account.delete', address: ANNA, graceSeconds: 60 })
    world.nowMs += 60_000
    return world
  }
  const undisturbed = await deleted()
  const began = undisturbed.calls.length
  assert.equal(await undisturbed.look(), 1)
  const steps = undisturbed.calls.length - began
  for (const when of ['before', 'after'] as const) {
    for (let step = 2; step <= steps; step++) {
      const world = await deleted()
      world.failAt(step, when)
      assert.equal(await world.look(), 0)
      world.restart()
      await world.look()
      assert.equal(world.accounts.size, 0, `${when} step ${step}`)
      assert.equal(world.owned.get(toShardName('n1/0'))?.size, 0)
    }
  }
})

test('Expiry and undoing: whoever is first wins, and the other one is refused', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA))
  await world.deliver(2, { kind: 'account.delete', address: ANNA, graceSeconds: 60 })
  world.nowMs += 60_000
  world.failAt(3, 'before') // claimed, and dies before the shard was told
  assert.equal(await world.expire(ANNA), false)
  world.restart()
  await world.deliver(3, { kind: 'account.undelete', address: ANNA })
  const late = world.result('c3')
  assert.equal(late && !late.ok && late.code, 'in-transition')
  assert.equal(await world.look(), 1)

  await world.deliver(4, create(ANNA))
  await world.deliver(5, { kind: 'account.delete', address: ANNA, graceSeconds: 60 })
  const old = anna(world)
  await world.deliver(6, { kind: 'account.undelete', address: ANNA })
  assert.equal(isDue(anna(world), world.nowMs + 1e9), false)
  assert.equal(isDue(old, world.nowMs + 1e9), true)
})

test('CommandHandler shows in the audit trail what was and what is, and no secret', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA, { quotaBytes: 1 }))
  await world.deliver(2, { kind: 'account.quota', address: ANNA, quotaBytes: 2 })
  await world.deliver(3, { kind: 'account.suspend', address: ANNA, reason: 'spam' })
  const audit = (id: string) => world.events.get(`${id}-audit`)?.payload as EventPayload<'audit.provision'>
  assert.equal(audit('c1').before, null)
  assert.equal(audit('c2').before?.['quotaBytes'], 1)
  assert.equal(audit('c2').after?.['quotaBytes'], 2)
  assert.deepEqual(
    [audit('c3').reason, audit('c3').before?.['status'], audit('c3').after?.['status']],
    ['spam', 'active', 'suspended'],
  )
  const all = JSON.stringify([...world.events.values()])
  assert.ok(!all.includes('argon2id') && !all.includes('SCRAM-SHA-256'))
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

test('account.move to a shard that takes none, and one that the shards give up, are refused; the account stays', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA, { home: 'n1/0' }))
  await world.deliver(2, { kind: 'account.move', address: ANNA, target: 'n7/0' })
  world.moveEnds = 'failed'
  await world.deliver(3, { kind: 'account.move', address: ANNA, target: 'n1/1' })
  const codes = ['c2', 'c3'].map((id) => world.result(id)).map((result) => result?.ok === false && result.code)
  assert.deepEqual(codes, ['no-shard', 'move-failed'])
  assert.equal(anna(world).home, 'n1/0')
})

test('account.move writes the home of an account that had moved before the directory heard of it', async () => {
  const world = new FakeWorld()
  await world.deliver(1, create(ANNA, { home: 'n1/0' }))
  const { id } = anna(world)
  world.owned.get(toShardName('n1/0'))?.delete(id)
  world.owned.set(toShardName('n1/1'), new Map([[id, { generation: 2, suspended: false, quotaBytes: null }]]))
  await world.deliver(2, { kind: 'account.move', address: ANNA, target: 'n1/1' })
  assert.equal(anna(world).home, 'n1/1')
  assert.ok(world.events.has('c2-route'))
})
