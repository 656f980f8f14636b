import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AddressLookup, DirectoryAccount, DirectoryGroup, GroupSenders } from '#lib/directory/port.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { GROUP_ACCOUNTS_MAX, GROUP_DEPTH_MAX } from '../limits.ts'
import { expandGroup } from './group-expansion.ts'

const account = (address: string): DirectoryAccount => ({
  id: toAccountId(
    Buffer.from(address.padEnd(8))
      .toString('hex')
      .slice(0, 16)
      .replace(/[^a-f]/g, (digit) => 'ghijklmnop'[Number(digit)] ?? 'z'),
  ),
  address,
  aliases: [],
  displayName: address,
  home: toShardName('n1/0'),
  generation: 1,
  status: 'active',
  quotaBytes: null,
})

/** Groups by name: their members, and who may write. Members that are no group are accounts, unless they begin with `gone`. */
class Groups {
  readonly #groups: Readonly<Record<string, readonly [senders: GroupSenders, ...members: string[]]>>
  asked = 0

  constructor(groups: Readonly<Record<string, readonly [senders: GroupSenders, ...members: string[]]>>) {
    this.#groups = groups
  }

  group(address: string): DirectoryGroup {
    const [senders, ...members] = this.#groups[address] ?? assert.fail(address)
    return { address, aliases: [], displayName: address, senders, members }
  }

  async expand(address: string, author: string | null = null) {
    const expansion = await expandGroup(this.group(address), author === null ? null : account(author), async (one) =>
      this.#lookup(one),
    )
    return expansion.kind === 'accounts'
      ? { accounts: expansion.accounts.map((one) => one.address).sort(), lost: expansion.lost }
      : expansion
  }

  #lookup(address: string): AddressLookup {
    this.asked++
    if (address in this.#groups) return { kind: 'group', group: this.group(address) }
    if (address.startsWith('gone')) return { kind: 'unknown-address' }
    return { kind: 'account', account: account(address), detail: null }
  }
}

test('expandGroup() opens groups within groups, each account once', async () => {
  const groups = new Groups({ all: ['anyone', 'anna', 'team'], team: ['anyone', 'ben', 'anna', 'gone'] })
  assert.deepEqual(await groups.expand('all'), { accounts: ['anna', 'ben'], lost: ['gone'] })
})

test('expandGroup() ends where groups hold each other and themselves', async () => {
  const groups = new Groups({ a: ['anyone', 'a', 'b', 'anna'], b: ['anyone', 'c'], c: ['anyone', 'a', 'b', 'ben'] })
  assert.deepEqual(await groups.expand('a'), { accounts: ['anna', 'ben'], lost: [] })
  assert.ok(groups.asked <= 7, 'each group is opened once')
})

test('expandGroup() asks once for a group that is reached by two ways', async () => {
  const groups = new Groups({
    top: ['anyone', 'x', 'y'],
    x: ['anyone', 'z'],
    y: ['anyone', 'z'],
    z: ['anyone', 'anna'],
  })
  assert.deepEqual(await groups.expand('top'), { accounts: ['anna'], lost: [] })
  assert.equal(groups.asked, 5)
})

const senders: [name: string, group: string, author: string | null, allowed: boolean][] = [
  ['anybody may write to a group for all', 'open', null, true],
  ['a stranger may not write to an internal group', 'internal', null, false],
  ['a user may write to an internal group', 'internal', 'zoe', true],
  ['a stranger may not write to a group for members', 'members', null, false],
  ['a user who is no member may not', 'members', 'zoe', false],
  ['a member may', 'members', 'anna', true],
  ['a member of a group within may', 'members', 'ben', true],
  ['a group for all opens no way into a group for members', 'way-in', null, false],
  ['and for a member it does', 'way-in', 'ben', true],
]
for (const [name, address, author, allowed] of senders)
  test(`expandGroup(): ${name}`, async () => {
    const groups = new Groups({
      open: ['anyone', 'anna'],
      internal: ['internal', 'anna'],
      members: ['members', 'anna', 'within', 'members'],
      within: ['anyone', 'ben'],
      'way-in': ['anyone', 'members'],
    })
    const expansion = await groups.expand(address, author)
    assert.equal('accounts' in expansion, allowed, JSON.stringify(expansion))
  })

test('expandGroup() bounds depth and number', async () => {
  const chain = (length: number) =>
    new Groups(
      Object.fromEntries(
        Array.from({ length }, (_, i) => [`g${i}`, ['anyone', i + 1 < length ? `g${i + 1}` : 'anna'] as const]),
      ),
    )
  assert.ok('accounts' in (await chain(GROUP_DEPTH_MAX).expand('g0')))
  assert.deepEqual(await chain(GROUP_DEPTH_MAX + 1).expand('g0'), { kind: 'too-large' })
  const many = (length: number) => new Groups({ all: ['anyone', ...Array.from({ length }, (_, i) => `u${i}`)] })
  assert.ok('accounts' in (await many(GROUP_ACCOUNTS_MAX).expand('all')))
  assert.deepEqual(await many(GROUP_ACCOUNTS_MAX + 1).expand('all'), { kind: 'too-large' })
})

test('expandGroup() rejects when the directory does', async () => {
  const groups = new Groups({ all: ['anyone', 'anna'] })
  await assert.rejects(
    expandGroup(groups.group('all'), null, () => Promise.reject(new Error('down'))),
    /down/,
  )
})
