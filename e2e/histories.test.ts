/** Volumes of a pair that hold different histories: the pair stops and says so, or one serves alone; they are never merged. */
import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestArray } from './support/array.ts'
import { onlyInAll } from './support/extent.ts'
import { allMessages } from './support/imap.ts'
import { pairInSync, pour, waitFor } from './support/pour.ts'
import { assertKeptAccepting, assertNothingLost, byAppend, Writer } from './support/writer.ts'

const skip = onlyInAll
let array: TestArray
let home: string
/** A replica folder of the same shard in another array. */
let foreign: string
before(async () => {
  if (skip) return
  array = await TestArray.start({ small: true })
  home = array.account('alice').home
  foreign = join(array.root, 'foreign')
  const other = await TestArray.start({ small: true })
  try {
    const { mirror } = await pairInSync(other, home)
    assert.ok(mirror)
    const { accepted } = await pour(other, 'foreign', other.account('alice').address, 20)
    assert.equal(accepted.length, 20)
    await other.down()
    cpSync(other.replicaFolder(home, 1), foreign, { recursive: true })
  } finally {
    await other.remove()
  }
})
after(() => array?.remove())

/** `twinpost status` for people, once it says `words`. */
function statusSaying(words: RegExp): Promise<string> {
  return waitFor(`status to say ${words}`, async () => {
    const { stdout } = await array.command('status')
    return words.test(stdout) ? stdout : null
  })
}

async function nothingForeign(): Promise<void> {
  for (const bytes of (await allMessages(array, array.account('alice'))).values()) {
    assert.doesNotMatch(bytes.toString('latin1'), /^Subject: foreign/m)
  }
}

test('a mirror comes back with the volume of another array: it is not mirrored to, the primary serves alone and says so', {
  skip,
}, async (t) => {
  const { mirror, primary } = await pairInSync(array, home)
  assert.ok(mirror && primary && String(mirror.member) === 'n1-1')
  const { accepted } = await pour(array, 'own', array.account('alice').address, 20)
  const own = array.replicaFolder(home, 1)
  const beganMs = Date.now()
  const user = Writer.start(byAppend(array, array.account('alice')), { prefix: 'alone', workers: 2 })
  t.after(() => user.stop())
  process.kill(mirror.pid, 'SIGSTOP') // so that nothing starts it again before the folder is changed
  renameSync(own, `${own}.own`)
  cpSync(foreign, own, { recursive: true })
  process.kill(mirror.pid, 'SIGKILL')
  const said = await statusSaying(/HISTORIES_DIFFER/)
  t.diagnostic(said.split('\n').find((line) => line.includes('HISTORIES_DIFFER')) ?? '')
  const line = await array.shard(home)
  assert.deepEqual([line.primary?.member, line.inSync], [primary.member, [primary.member]])
  await user.stop()
  t.diagnostic(assertKeptAccepting(user.attempts, beganMs, Date.now(), 3))
  await assertNothingLost(array, 'alice', { accepted }, user)
  await nothingForeign()

  // An administrator takes the wrong volume away: the member gets a full copy.
  const now = (await array.shard(home)).replicas.find(({ member }) => member === 'n1-1')
  const processName = (await array.status()).processes.find(({ name }) => name === 'n1-1/shard-0')
  assert.ok(now && processName)
  process.kill(processName.pid, 'SIGSTOP')
  rmSync(own, { recursive: true })
  process.kill(processName.pid, 'SIGKILL')
  await pairInSync(array, home)
  await assertNothingLost(array, 'alice', { accepted }, user)
})

test('both are in sync by the ledger and hold different logs: both stop and say so, and go on when the right one is back', {
  skip,
}, async (t) => {
  await pairInSync(array, home)
  const { accepted } = await pour(array, 'stop', array.account('alice').address, 20)
  assert.equal(accepted.length, 20)
  const own = array.replicaFolder(home, 1)
  await array.down()
  for (const part of ['log', 'index']) {
    renameSync(join(own, part), join(own, `${part}.own`))
    cpSync(join(foreign, part), join(own, part), { recursive: true })
  }
  const starting = array.command('up', '--no-show', '--deploy', `${array.root}/deploy`, '--timeout', '90')
  const said = await statusSaying(/hold different logs/)
  t.diagnostic(said.split('\n').find((line) => line.includes('hold different logs')) ?? '')
  const { primary } = await array.shard(home)
  assert.equal(primary, null, 'nobody serves')
  await starting
  await array.down()
  for (const part of ['log', 'index']) {
    rmSync(join(own, part), { recursive: true })
    renameSync(join(own, `${part}.own`), join(own, part))
  }
  await array.up()
  await pairInSync(array, home)
  await assertNothingLost(array, 'alice', { accepted })
  await nothingForeign()
})
