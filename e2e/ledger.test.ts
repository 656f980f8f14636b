/**
 * An old copy of the ledger is put back, as a restored backup does, while the pair serves, while one member is away, and while
 * the array is down (replication.md rule 13): nothing that was accepted is missing, nobody gets the right to write from it, `twinpost status`
 * says in words what is wrong, and what can mend itself does.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type ShardLine, TestArray } from './support/array.ts'
import { LedgerFile, type LedgerRow } from './support/ledger-file.ts'
import { pairInSync, waitFor } from './support/pour.ts'
import { assertKeptAccepting, assertNothingLost, byAppend, Writer } from './support/writer.ts'

let array: TestArray
let ledger: LedgerFile
let home: string
before(async () => {
  array = await TestArray.start({ small: true })
  ledger = new LedgerFile(array.root)
  home = array.account('alice').home
})
after(() => array?.remove())

function row(): LedgerRow {
  const found = ledger.read(home)
  assert.ok(found, `the ledger has ${home}`)
  return found
}

/** The present entry, after which the pair went on: the mirror was away and came back. */
async function oldRow(): Promise<LedgerRow> {
  await pairInSync(array, home)
  const old = row()
  const { mirror } = await pairInSync(array, home)
  assert.ok(mirror)
  // Frozen, not killed: a process may be back before anybody misses it.
  process.kill(mirror.pid, 'SIGSTOP')
  try {
    await waitFor('the mirror to be taken out', async () => (row().version > old.version ? true : null))
  } finally {
    process.kill(mirror.pid, 'SIGCONT')
  }
  await waitFor('the ledger to go on', async () => (row().version >= old.version + 2 ? true : null))
  await pairInSync(array, home)
  return old
}

/** `twinpost status` for people, once it says `words`. */
function statusSaying(words: RegExp): Promise<string> {
  return waitFor(`status to say ${words}`, async () => {
    const { stdout } = await array.command('status')
    return words.test(stdout) ? stdout : null
  })
}

const saidOf = (status: string) => status.split('\n').find((line) => line.includes('LedgerLost')) ?? ''

const writer = (prefix: string) => Writer.start(byAppend(array, array.account('alice')), { prefix, workers: 2 })

function primaryOf(line: ShardLine): { member: string; pid: number } {
  assert.ok(line.primary, `${line.shard}: ${line.phase}`)
  return { member: String(line.primary.member), pid: line.primary.pid }
}

test('an old ledger put back while both members serve is made anew by them, and service goes on', async (t) => {
  const old = await oldRow()
  const newest = row().version
  const { member } = primaryOf(await array.shard(home))
  const beganMs = Date.now()
  const user = writer('serving')
  t.after(() => user.stop())
  ledger.put(old)
  await waitFor('the ledger to be made anew', async () => (row().version > newest ? true : null))
  t.diagnostic(`version ${old.version} was put back over ${newest}, made anew as ${row().version}`)
  const line = await pairInSync(array, home)
  assert.equal(primaryOf(line).member, member, 'the primary keeps its office')
  await pause(1_000)
  await user.stop()
  t.diagnostic(assertKeptAccepting(user.attempts, beganMs, Date.now(), 1))
  await assertNothingLost(array, 'alice', user)
})

test('an old ledger put back while the mirror is away names it in sync: it gets no office from that, until the newest is back', async (t) => {
  const { mirror, primary } = await pairInSync(array, home)
  assert.ok(mirror && primary)
  const old = row()
  const beganMs = Date.now()
  const user = writer('away')
  t.after(() => user.stop())
  let newest = old
  process.kill(mirror.pid, 'SIGSTOP')
  try {
    newest = await waitFor('the mirror to be taken out', async () => (row().version > old.version ? row() : null))
    const aloneMs = Date.now()
    await waitFor('letters to be accepted on one disk', async () =>
      user.attempts.some(({ beganMs: at, outcome }) => at > aloneMs && outcome === 'accepted') ? true : null,
    )
    ledger.put(old)
    t.diagnostic(saidOf(await statusSaying(/LedgerLost/)))
    assert.equal(row().version, old.version, 'nobody changes a ledger that went back')
  } finally {
    process.kill(mirror.pid, 'SIGCONT')
  }
  await pause(4_000) // longer than lease and grace of the mirror, which reads that it is in sync
  assert.equal(primaryOf(await array.shard(home)).member, primary.member, 'the primary keeps its office')
  assert.equal(row().version, old.version)
  t.diagnostic(saidOf(await statusSaying(/LedgerLost/)))
  ledger.put(newest)
  await pairInSync(array, home)
  await user.stop()
  t.diagnostic(assertKeptAccepting(user.attempts, beganMs, Date.now(), 4))
  await assertNothingLost(array, 'alice', user)
})

test('an old ledger found at the start: nothing is served and status says why, until the newest copy is put back', async (t) => {
  const old = await oldRow()
  const user = writer('down')
  await waitFor('some letters', async () => (user.accepted.length > 10 ? true : null))
  await user.stop()
  await array.down()
  const newest = row()
  assert.ok(newest.version > old.version)
  ledger.put(old)
  const starting = array.command('up', '--no-show', '--deploy', `${array.root}/deploy`)
  t.after(() => starting)
  const said = await statusSaying(/LedgerLost/)
  t.diagnostic(saidOf(said))
  const line = await array.shard(home)
  assert.equal(line.primary, null, 'nobody serves on an old ledger')
  assert.equal(row().version, old.version)
  ledger.put(newest)
  assert.equal((await starting).code, 0)
  await pairInSync(array, home)
  await assertNothingLost(array, 'alice', user)
})
