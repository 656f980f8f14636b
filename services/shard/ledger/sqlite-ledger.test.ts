import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { toEpoch, toShardName } from '#lib/mail/types.ts'
import { SqliteLedger } from './sqlite-ledger.ts'
import type { LedgerEntry } from './types.ts'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-ledger-'))
after(() => rmSync(folder, { recursive: true }))
const shard = toShardName('n1/0')

function entry(version: number, epoch: number): LedgerEntry {
  const id = 'n1/0@0#abc'
  return {
    version,
    epoch: toEpoch(epoch),
    primary: id,
    inSync: [id],
    replicas: [{ id, member: 0, podUid: 'u', incarnation: 'abc', bootId: 'b' }],
    featureLevel: 1,
    nonce: `n${version}`,
  }
}

test('SqliteLedger lets exactly one of two writers swap from the same version', async () => {
  const path = join(folder, 'race.sqlite')
  const [one, two] = [new SqliteLedger(path), new SqliteLedger(path)]
  assert.equal(await one.read(shard), null)
  assert.deepEqual(await one.compareAndSwap(shard, null, entry(1, 1)), { kind: 'ok' })
  assert.deepEqual(await two.compareAndSwap(shard, null, entry(1, 7)), { kind: 'conflict' })
  const seen = await two.read(shard)
  assert.deepEqual(seen, entry(1, 1))
  assert.deepEqual(await two.compareAndSwap(shard, seen, entry(2, 2)), { kind: 'ok' })
  assert.deepEqual(await one.compareAndSwap(shard, seen, entry(2, 9)), { kind: 'conflict' })
  assert.deepEqual(await one.read(shard), entry(2, 2))
  one.close()
  two.close()
})

test('SqliteLedger refuses an entry that it cannot read instead of taking it for none', async () => {
  const path = join(folder, 'broken.sqlite')
  const ledger = new SqliteLedger(path)
  const raw = new DatabaseSync(path)
  raw.prepare('INSERT INTO ledger VALUES (?, 3, ?)').run(shard, '{"version":3}')
  await assert.rejects(ledger.read(shard), { code: 'LEDGER_UNREADABLE' })
  raw.close()
  ledger.close()
})
