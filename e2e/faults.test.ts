/** Things are killed while mail comes in: what was answered 250 is there once, byte for byte; the rest was refused temporarily. */
import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { pour, subjects, waitFor } from './support/pour.ts'

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

test('kill -9 of a shard in the middle of 1,000 deliveries loses and doubles nothing that was answered 250', async () => {
  const dave = array.account('dave')
  const name = `${dave.home.replace('/', '-')}`
  const shardProcess = (await array.status()).shards.find((line) => line.shard === dave.home)?.primary
  assert.ok(shardProcess, `${name} has a primary`)
  let killed = false
  const { accepted, replies } = await pour(array, 'kill', dave.address, 1_000, (sent) => {
    if (sent === 400 && !killed) {
      killed = true
      process.kill(shardProcess.pid, 'SIGKILL')
    }
  })
  assert.ok(killed)
  for (const reply of replies)
    assert.ok(reply.code === 250 || (reply.code >= 400 && reply.code < 500), `${reply.code} ${reply.text}`)
  assert.ok(accepted.length > 500, `${accepted.length} accepted`)
  const stored = await waitFor('the shard to serve again', () => subjects(array, 'dave'))
  const counts = new Map<string, number>()
  for (const subject of stored) counts.set(subject, (counts.get(subject) ?? 0) + 1)
  for (const subject of accepted) assert.equal(counts.get(subject), 1, subject)
  for (const [subject, count] of counts) assert.equal(count, 1, subject)
})

for (const away of ['directory', 'nats'] as const) {
  test(`with ${away} killed no accepted mail is lost, refusals are temporary, and all comes back by itself`, async () => {
    const bob = array.account('bob')
    await array.kill((await array.status()).processes.find((line) => line.name.includes(away))?.name ?? away)
    const { accepted, replies } = await pour(array, `${away}`, bob.address, 50, () => {})
    for (const reply of replies)
      assert.ok(reply.code === 250 || (reply.code >= 400 && reply.code < 500), `${reply.code} ${reply.text}`)
    await waitFor(`${away} to be back`, async () => {
      const { accepted: now } = await pour(array, `${away}-back-${Date.now()}`, bob.address, 1, () => {})
      accepted.push(...now)
      return now.length === 1 ? true : null
    })
    const stored = new Set(await subjects(array, 'bob'))
    for (const subject of accepted) assert.ok(stored.has(subject), subject)
    await waitFor('provisioning to work again', async () => {
      const { code } = await array.command(
        'account',
        'add',
        `after-${away}@example.test`,
        '--password',
        'correct horse battery',
      )
      return code === 0 ? true : null
    })
  })
}

/** The primary's replica of alice's home shard. */
async function primaryReplica(): Promise<{ shard: string; folder: string }> {
  const { shard, primary } = await array.shard(array.account('alice').home)
  assert.ok(primary)
  return { shard, folder: array.replicaFolder(shard, primary.member) }
}

test('a deleted index, a torn last record and a flipped bit are found, said, and repaired where the bytes allow', async () => {
  const alice = array.account('alice')
  const { accepted } = await pour(array, 'damage', alice.address, 20, () => {})
  assert.equal(accepted.length, 20)
  const before = await allMessages(array, alice)
  const { shard, folder } = await primaryReplica()
  await array.down()

  for (const file of readdirSync(folder, { recursive: true }) as string[]) {
    if (/index.*\.sqlite/.test(file)) rmSync(join(folder, file))
  }
  const logFiles = (readdirSync(folder, { recursive: true }) as string[])
    .filter((file) => /\.(log|segment|seg)$/.test(file))
    .sort()
  const newest = join(folder, logFiles.at(-1) ?? '')
  const tail = openSync(newest, 'a')
  writeSync(tail, Buffer.from('torn record: these bytes are no batch'))
  closeSync(tail)

  await array.up()
  assert.deepEqual(await allMessages(array, alice), before)
  await array.down()
  const report = await array.command('fsck', shard)
  assert.equal(report.code, 0, report.stdout + report.stderr)

  const files = (readdirSync(folder, { recursive: true }) as string[])
    .filter((file) => /\.(log|segment|seg)$/.test(file) && !file.startsWith('cut'))
    .map((file) => join(folder, file))
  const marker = Buffer.from('damage-7 xxxx')
  let flipped = false
  for (const file of files) {
    const at = readFileSync(file).indexOf(marker)
    if (at < 0) continue
    const handle = openSync(file, 'r+')
    const byte = Buffer.alloc(1)
    readSync(handle, byte, 0, 1, at + 20)
    byte.writeUInt8((byte[0] ?? 0) ^ 1)
    writeSync(handle, byte, 0, 1, at + 20)
    closeSync(handle)
    flipped = true
  }
  assert.ok(flipped, `found the letter in ${files.map((file) => `${file} (${statSync(file).size})`).join(', ')}`)
  const rotten = await array.command('fsck', shard)
  assert.notEqual(rotten.code, 0)
  assert.match(rotten.stdout + rotten.stderr, /rot/i)
  await array.up()
  // Never served wrong meanwhile, and brought back from the other member's disk.
  await waitFor('the rotten letter to be repaired', async () =>
    (await wholeLetters(before)) === before.size ? true : null,
  )
  await array.down()
  const mended = await array.command('fsck', shard)
  assert.equal(mended.code, 0, mended.stdout + mended.stderr)
})

/** How many of alice's letters come back as they were; one that does not must be refused, not served wrong. */
async function wholeLetters(before: ReadonlyMap<number, Buffer>): Promise<number> {
  const client = await imapLogin(array, array.account('alice'))
  const lock = await client.getMailboxLock('INBOX', { readOnly: true })
  let whole = 0
  for (const [uid, original] of before) {
    const message = await client.fetchOne(String(uid), { source: true }, { uid: true }).catch(() => false)
    const source = typeof message === 'object' ? message.source : undefined
    if (source?.equals(original)) whole++
    else assert.ok(!source || source.length === 0, 'a rotten letter is refused, never served wrong')
  }
  lock.release()
  client.close()
  return whole
}
