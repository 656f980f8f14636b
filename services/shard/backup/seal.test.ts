import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { Seal } from './seal.ts'

const SECRET = Buffer.from('a secret of the array, long enough')
const PLAIN = Buffer.from('letters, '.repeat(1_000))

for (const secret of [SECRET, null]) {
  const how = secret ? 'with a secret' : 'without a secret'
  test(`What was closed ${how} comes back, smaller, and under its own name only`, async () => {
    const seal = new Seal(secret, nodeRandom)
    const sealed = await seal.close('n1-0/a', PLAIN)
    assert.ok(sealed.length < PLAIN.length / 10)
    if (secret) assert.equal(sealed.includes('letters'), false)
    assert.deepEqual(await seal.open('n1-0/a', sealed), PLAIN)
    await assert.rejects(seal.open('n1-0/b', sealed), { code: 'BACKUP_DAMAGED' })
  })

  test(`Every changed byte ${how} is noticed`, async () => {
    const seal = new Seal(secret, nodeRandom)
    const sealed = await seal.close('n', Buffer.from('x'))
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(sealed.readUInt8(at) ^ 1, at)
      await assert.rejects(seal.open('n', changed), { name: 'BackupError' }, `byte ${at}`)
      await assert.rejects(seal.open('n', sealed.subarray(0, at)), { name: 'BackupError' }, `cut at ${at}`)
    }
  })
}

test('Another secret, or none, opens nothing and says so', async () => {
  const sealed = await new Seal(SECRET, nodeRandom).close('n', PLAIN)
  for (const other of [Buffer.from('another secret, long enough too'), null]) {
    await assert.rejects(new Seal(other, nodeRandom).open('n', sealed), { code: 'BACKUP_KEY' })
  }
  assert.throws(() => new Seal(Buffer.from('short'), nodeRandom), { code: 'BACKUP_KEY' })
})
