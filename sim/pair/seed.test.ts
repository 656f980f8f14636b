import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPairHistory } from './history.ts'

async function fingerprintOf(seed: number): Promise<string> {
  const hashes: string[] = []
  // A history that finds a bug is a function of its seed too.
  await runPairHistory(seed, { onFingerprint: (hash) => hashes.push(hash) }).catch(() => {})
  const [hash] = hashes
  assert.ok(hash !== undefined)
  return hash
}

test('A history of a pair is a function of its seed, whatever this process ran before', async () => {
  const seeds = [1, 2, 3]
  const first = new Map<number, string>()
  for (const seed of seeds) first.set(seed, await fingerprintOf(seed))
  for (const seed of seeds.toReversed()) assert.equal(await fingerprintOf(seed), first.get(seed), `seed ${seed}`)
  assert.equal(new Set(first.values()).size, seeds.length)
})
