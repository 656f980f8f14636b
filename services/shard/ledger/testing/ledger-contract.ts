/**
 * What every adapter of `Ledger` must do, whatever it is made of: run by the tests of each one with clients of its own making.
 * Clients are of different processes: they share the truth and nothing else.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ShardName, toEpoch, toShardName } from '#lib/mail/types.ts'
import type { Ledger, LedgerEntry } from '../types.ts'

export interface ContractWorld {
  /** A client of another process. */
  client(): Ledger
  /** A shard whose ledger is empty: whatever must exist beforehand exists. */
  emptyShard(): Promise<ShardName>
  /** An administrator takes the entry away. */
  lose(shard: ShardName): Promise<void>
  /** Lets time pass until `promise` is settled, where time does not pass by itself. */
  settle<T>(promise: Promise<T>): Promise<T>
}

export interface ContractOptions {
  /** False, or why these tests cannot run here. */
  readonly skip?: string | false
}

/** An entry that differs from every other by version and nonce. */
export function contractEntry(version: number, nonce = `nonce-${version}`, epoch = version): LedgerEntry {
  const id = 'n1/0@0#abc'
  return {
    version,
    epoch: toEpoch(epoch),
    primary: id,
    inSync: [id, 'n1/0@1#def'],
    replicas: [
      { id, member: 0, podUid: 'uid-0', incarnation: 'abc', bootId: 'boot-0' },
      { id: 'n1/0@1#def', member: 1, podUid: 'uid-1', incarnation: 'def', bootId: 'boot-1' },
    ],
    featureLevel: 1,
    nonce,
  }
}

export function ledgerContract(name: string, world: () => ContractWorld, { skip = false }: ContractOptions = {}): void {
  const options = { skip }
  const swap = (ledger: Ledger, shard: ShardName, from: LedgerEntry | null, to: LedgerEntry) =>
    world()
      .settle(ledger.compareAndSwap(shard, from, to))
      .then(({ kind }) => kind)
  const read = (ledger: Ledger, shard: ShardName) => world().settle(ledger.read(shard))

  test(`${name}: what was written is read, by the writer and by others, to the last field`, options, async () => {
    const shard = await world().emptyShard()
    const [one, two] = [world().client(), world().client()]
    assert.equal(await read(one, shard), null)
    assert.equal(await swap(one, shard, null, contractEntry(1)), 'ok')
    assert.deepEqual(await read(one, shard), contractEntry(1))
    assert.deepEqual(await read(two, shard), contractEntry(1))
  })

  test(`${name}: the first entry is made once`, options, async () => {
    const shard = await world().emptyShard()
    const clients = Array.from({ length: 6 }, () => world().client())
    await Promise.all(clients.map((client) => read(client, shard)))
    const kinds = await Promise.all(
      clients.map((client, i) => swap(client, shard, null, contractEntry(1, `first-${i}`))),
    )
    assert.equal(kinds.filter((kind) => kind === 'ok').length, 1, kinds.join())
    assert.equal(kinds.filter((kind) => kind === 'conflict').length, 5, kinds.join())
  })

  test(
    `${name}: of many who swap from one entry exactly one succeeds, also without having read it`,
    options,
    async () => {
      const shard = await world().emptyShard()
      assert.equal(await swap(world().client(), shard, null, contractEntry(1)), 'ok')
      for (let version = 1; version < 6; version++) {
        const clients = Array.from({ length: 4 }, () => world().client())
        const from = await read(world().client(), shard)
        const kinds = await Promise.all(
          clients.map((client, i) => swap(client, shard, from, contractEntry(version + 1, `by-${i}`))),
        )
        assert.equal(kinds.filter((kind) => kind === 'ok').length, 1, kinds.join())
        const winner = `by-${kinds.indexOf('ok')}`
        assert.equal((await read(world().client(), shard))?.nonce, winner)
      }
    },
  )

  test(`${name}: a writer swaps again and again without reading in between`, options, async () => {
    const shard = await world().emptyShard()
    const ledger = world().client()
    let from: LedgerEntry | null = null
    for (let version = 1; version <= 5; version++) {
      assert.equal(await swap(ledger, shard, from, contractEntry(version)), 'ok')
      from = contractEntry(version)
    }
    assert.deepEqual(await read(world().client(), shard), contractEntry(5))
  })

  test(`${name}: a swap from another entry is a conflict and changes nothing`, options, async () => {
    const shard = await world().emptyShard()
    const [one, two] = [world().client(), world().client()]
    await swap(one, shard, null, contractEntry(1))
    await read(two, shard)
    await swap(one, shard, contractEntry(1), contractEntry(2))
    const stale: [from: LedgerEntry | null, to: LedgerEntry][] = [
      [null, contractEntry(3)],
      [contractEntry(1), contractEntry(3)],
      [contractEntry(2, 'another nonce'), contractEntry(3)],
      [contractEntry(7), contractEntry(8)],
    ]
    for (const ledger of [one, two]) {
      for (const [from, to] of stale) assert.equal(await swap(ledger, shard, from, to), 'conflict')
    }
    assert.deepEqual(await read(one, shard), contractEntry(2))
    assert.equal(await swap(two, shard, contractEntry(2), contractEntry(9)), 'ok', 'a version may jump')
  })

  test(`${name}: shards do not touch each other`, options, async () => {
    const [first, second] = [await world().emptyShard(), await world().emptyShard()]
    const ledger = world().client()
    await swap(ledger, first, null, contractEntry(4))
    assert.equal(await read(ledger, second), null)
    assert.equal(await swap(ledger, second, contractEntry(4), contractEntry(5)), 'conflict')
    assert.equal(await swap(ledger, second, null, contractEntry(1)), 'ok')
    assert.deepEqual(await read(ledger, first), contractEntry(4))
  })

  test(`${name}: an entry that was taken away is none, and nothing is swapped from it`, options, async () => {
    const shard = await world().emptyShard()
    const ledger = world().client()
    await swap(ledger, shard, null, contractEntry(3))
    await world().lose(shard)
    assert.equal(await swap(ledger, shard, contractEntry(3), contractEntry(4)), 'conflict')
    assert.equal(await read(ledger, shard), null)
  })
}

/** Names of shards that no test uses twice. */
export function shardNames(): () => ShardName {
  let next = 0
  return () => toShardName(`contract${next++}/0`)
}
