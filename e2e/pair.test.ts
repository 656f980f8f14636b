/**
 * A member of a pair is frozen, loses its disk, or the ledger loses its entry, while a writer records every acknowledgement: nothing
 * that was answered 250 is missing, nothing is there twice, UIDs stay, and the pair comes back by itself where it may.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type ShardLine, TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { letter, pairInSync, pour, subjects, waitFor } from './support/pour.ts'
import { assertKeptAccepting, byAppend, Writer } from './support/writer.ts'

/** Longer than lease and grace together (replication.md rule 8). */
const FROZEN_MS = 6_000
const FAILOVER_MS = 5_000
/** Seconds in which a user may be refused for one failover, on a test machine that does other things as well. */
const FAILOVER_SECONDS = 7

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

const inSync = (name: string): Promise<ShardLine> => pairInSync(array, array.account(name).home)

/** Every letter that was answered 250 is there, and none twice. */
async function nothingLost(name: string, accepted: readonly string[]): Promise<void> {
  const counts = new Map<string, number>()
  for (const subject of await subjects(array, name)) counts.set(subject, (counts.get(subject) ?? 0) + 1)
  for (const subject of accepted) assert.equal(counts.get(subject), 1, `${subject} is there once`)
}

/** Letters are poured in until one is answered 250 after `from`; how long that took, in milliseconds. */
async function servedAfter(prefix: string, address: string, from: number): Promise<{ ms: number; accepted: string[] }> {
  const accepted: string[] = []
  for (let n = 0; n < 100; n++) {
    accepted.push(...(await pour(array, `${prefix}-${n}`, address, 1)).accepted)
    if (accepted.length > 0) return { ms: Date.now() - from, accepted }
    await pause(100)
  }
  throw new Error('Nothing was accepted any more')
}

/** A user logs in and appends a letter: mail from outside waits for `degradedAfter` while one member is away, users do not. */
async function appendedAfter(name: string, subject: string, from: number): Promise<number> {
  await waitFor('an APPEND to succeed', async () => {
    const client = await imapLogin(array, array.account(name))
    try {
      return (await client.append('INBOX', letter(subject))) === false ? null : true
    } finally {
      client.close()
    }
  })
  return Date.now() - from
}

interface User {
  readonly writer: Writer
  /** Ends the writing: what was accepted is there once, and at most so many seconds had most of their attempts refused. */
  done(outageSeconds: number): Promise<void>
}

/** A user who appends all the while that things break: refusing everything does not pass. */
async function userOf(t: TestContext, name: string): Promise<User> {
  const writer = Writer.start(byAppend(array, array.account(name)), { prefix: `user-${name}`, workers: 2 })
  t.after(() => writer.stop())
  await waitFor('the first letters', async () => (writer.accepted.length > 5 ? true : null))
  const beganMs = Date.now()
  return {
    writer,
    async done(outageSeconds) {
      await writer.stop()
      t.diagnostic(assertKeptAccepting(writer.attempts, beganMs, Date.now(), outageSeconds))
      await nothingLost(name, writer.accepted)
    },
  }
}

test('kill -9 of a primary: the other member serves within seconds, with the same UIDs', async (t) => {
  const carol = array.account('carol')
  const { primary, epoch } = await inSync('carol')
  assert.ok(primary)
  const { accepted } = await pour(array, 'before-kill', carol.address, 30)
  const earlier = await allMessages(array, carol)
  const user = await userOf(t, 'carol')
  const killedMs = Date.now()
  process.kill(primary.pid, 'SIGKILL')
  const served = await servedAfter('after-kill', carol.address, killedMs)
  t.diagnostic(`served again after ${served.ms} ms`)
  assert.ok(served.ms < FAILOVER_MS * 2, `${served.ms} ms`)
  await nothingLost('carol', [...accepted, ...served.accepted])
  const now = await allMessages(array, carol)
  for (const [uid, bytes] of earlier) assert.ok(now.get(uid)?.equals(bytes), `UID ${uid} still means the same bytes`)
  const line = await inSync('carol')
  assert.ok(line.epoch > epoch, 'the epoch went up')
  await user.done(FAILOVER_SECONDS)
})

test('a primary that is frozen longer than every timeout is replaced, and wakes without harm', async (t) => {
  const bob = array.account('bob')
  const { primary, epoch } = await inSync('bob')
  assert.ok(primary)
  const { accepted } = await pour(array, 'before-freeze', bob.address, 20)
  const user = await userOf(t, 'bob')
  const frozenMs = Date.now()
  process.kill(primary.pid, 'SIGSTOP')
  try {
    t.diagnostic(`served again after ${await appendedAfter('bob', 'while-frozen', frozenMs)} ms`)
    const { replies } = await pour(array, 'outside', bob.address, 1)
    assert.equal(replies[0]?.code, 451, 'mail from outside waits for the second copy')
    await pause(Math.max(0, FROZEN_MS - (Date.now() - frozenMs)))
  } finally {
    process.kill(primary.pid, 'SIGCONT')
  }
  accepted.push(...(await pour(array, 'after-waking', bob.address, 20)).accepted)
  const line = await inSync('bob')
  assert.ok(line.epoch > epoch, 'the epoch went up')
  await nothingLost('bob', accepted)
  // Its sessions at the frozen primary end only when a link finds that nobody answers.
  await user.done(2 * FAILOVER_SECONDS)
})

test('a mirror whose volume is deleted gets a full copy while the primary serves', async (t) => {
  const dave = array.account('dave')
  const { mirror, shard } = await inSync('dave')
  assert.ok(mirror)
  const { accepted } = await pour(array, 'before-loss', dave.address, 40)
  const user = await userOf(t, 'dave')
  process.kill(mirror.pid, 'SIGKILL')
  rmSync(array.replicaFolder(shard, mirror.member), { recursive: true, force: true })
  const served = await servedAfter('while-copying', dave.address, Date.now())
  accepted.push(...served.accepted)
  const line = await inSync('dave')
  assert.ok(line.primary)
  // The copy is a whole one: it serves alone.
  process.kill(line.primary.pid, 'SIGKILL')
  accepted.push(...(await servedAfter('from-the-copy', dave.address, Date.now())).accepted)
  await nothingLost('dave', accepted)
  await user.done(FAILOVER_SECONDS)
})

test('a ledger that lost its entry is made anew by the serving primary', async (t) => {
  const alice = array.account('alice')
  const { shard } = await inSync('alice')
  const { accepted } = await pour(array, 'before-ledger', alice.address, 10)
  const user = await userOf(t, 'alice')
  const ledger = new DatabaseSync(join(array.root, 'ledger', 'ledger.sqlite'), { timeout: 5_000 })
  try {
    assert.equal(ledger.prepare('DELETE FROM ledger WHERE shard = ?').run(shard).changes, 1)
    accepted.push(...(await pour(array, 'without-ledger', alice.address, 10)).accepted)
    await waitFor('the entry to be there again', async () =>
      ledger.prepare('SELECT 1 FROM ledger WHERE shard = ?').get(shard) === undefined ? null : true,
    )
  } finally {
    ledger.close()
  }
  const { primary } = await inSync('alice')
  assert.ok(primary)
  process.kill(primary.pid, 'SIGKILL')
  accepted.push(...(await servedAfter('after-ledger', alice.address, Date.now())).accepted)
  await nothingLost('alice', accepted)
  await user.done(FAILOVER_SECONDS)
})
