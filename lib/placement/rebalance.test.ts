import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AccountId, toAccountId, toShardName } from '#lib/mail/types.ts'
import { ACCOUNT_BYTES, type PlacedAccount, planDrain, planRebalance, TOLERANCE } from './rebalance.ts'

const SHARDS = ['n1/0', 'n1/1', 'n2/0', 'n2/1'].map(toShardName)
const GIB = 1024 ** 3

function id(number: number): AccountId {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  return toAccountId(`${letters[number >> 5] ?? 'a'}${letters[number & 31] ?? 'a'}`.padStart(16, 'a'))
}

const account = (number: number, home: string, bytes: number): PlacedAccount => ({
  account: id(number),
  home: toShardName(home),
  bytes,
})

const someAccounts = fc
  .array(fc.tuple(fc.constantFrom(...SHARDS), fc.nat(50 * GIB)), { maxLength: 60 })
  .map((list) => list.map(([home, bytes], i): PlacedAccount => ({ account: id(i), home, bytes })))

function loads(accounts: readonly PlacedAccount[]): number[] {
  return SHARDS.map((shard) =>
    accounts.filter(({ home }) => home === shard).reduce((sum, { bytes }) => sum + bytes + ACCOUNT_BYTES, 0),
  )
}

function after(
  accounts: readonly PlacedAccount[],
  moves: readonly { account: AccountId; to: PlacedAccount['home'] }[],
) {
  const homes = new Map(moves.map(({ account: name, to }) => [name, to]))
  return accounts.map((one) => ({ ...one, home: homes.get(one.account) ?? one.home }))
}

test('planDrain() empties every shard of a MailNode and nothing else', () => {
  fc.assert(
    fc.property(someAccounts, (accounts) => {
      const moves = planDrain('n1', SHARDS, accounts) ?? assert.fail('there is another MailNode')
      const placed = after(accounts, moves)
      assert.ok(placed.every(({ home }) => home.startsWith('n2/')))
      assert.equal(moves.length, accounts.filter(({ home }) => home.startsWith('n1/')).length)
    }),
  )
})

test('planDrain() gives the largest account to the emptiest shard first', () => {
  const accounts = [account(1, 'n1/0', GIB), account(2, 'n1/1', 5 * GIB), account(3, 'n2/0', 2 * GIB)]
  const moves = planDrain('n1', SHARDS, accounts)
  assert.deepEqual(
    moves?.map((move) => [move.account, move.from, move.to]),
    [
      [id(2), 'n1/1', 'n2/1'],
      [id(1), 'n1/0', 'n2/0'],
    ],
  )
})

test('planDrain() says when there is nowhere to go', () => {
  assert.equal(planDrain('n1', SHARDS.slice(0, 2), [account(1, 'n1/0', 1)]), null)
})

test('planRebalance() leaves alone what is even, and moves each account once at most', () => {
  const even = SHARDS.map((shard, i) => account(i, shard, 10 * GIB))
  assert.deepEqual(planRebalance(SHARDS, even), [])
  fc.assert(
    fc.property(someAccounts, (accounts) => {
      const moves = planRebalance(SHARDS, accounts)
      const before = loads(accounts)
      const then = loads(after(accounts, moves))
      const spread = (list: number[]) => Math.max(...list) - Math.min(...list)
      assert.ok(spread(then) <= spread(before))
      assert.ok(moves.every(({ from, to }) => from !== to))
    }),
  )
})

test('planRebalance() fills a MailNode that was added, within its tolerance', () => {
  const accounts = Array.from({ length: 40 }, (_, i) => account(i, i % 2 === 0 ? 'n1/0' : 'n1/1', GIB))
  const then = loads(after(accounts, planRebalance(SHARDS, accounts)))
  const mean = then.reduce((sum, load) => sum + load, 0) / then.length
  assert.ok(Math.max(...then) - Math.min(...then) <= mean * TOLERANCE + GIB, then.join(' '))
})

test('planRebalance() moves no account that is larger than the difference, and keeps to a limit', () => {
  assert.deepEqual(planRebalance(SHARDS, [account(1, 'n1/0', 500 * GIB)]), [])
  const accounts = Array.from({ length: 40 }, (_, i) => account(i, 'n1/0', GIB))
  assert.equal(planRebalance(SHARDS, accounts, 3).length, 3)
})

test('planRebalance() takes from the next shard where the fullest has one large account only', () => {
  const small = Array.from({ length: 8 }, (_, i) => account(i, 'n2/1', GIB))
  const moves = planRebalance(SHARDS, [...small, account(20, 'n2/0', 20 * GIB)])
  assert.ok(moves.length > 2 && moves.every(({ from }) => from === 'n2/1'), JSON.stringify(moves))
})
