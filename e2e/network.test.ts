/**
 * The network between the members of a pair is cut, in one direction or both, or slow, while writers record every attempt:
 * the primary keeps its office, users are served on, mail from outside waits for the second copy, nothing accepted is missing,
 * and the pair is whole again when the network is.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type ShardLine, TestArray } from './support/array.ts'
import { onlyInAll } from './support/extent.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { PairNetwork } from './support/network.ts'
import { pairInSync, waitFor } from './support/pour.ts'
import {
  type Attempt,
  acceptedShare,
  assertKeptAccepting,
  assertNothingLost,
  byAppend,
  bySmtp,
  Writer,
} from './support/writer.ts'

/** Removing a silent mirror takes 0.6 s and a swap; a second more for a test machine that does other things as well. */
const OUTAGE_SECONDS = 3
const CUT_MS = 5_000

let array: TestArray
let network: PairNetwork
let home: string
before(async () => {
  array = await TestArray.start({ small: true })
  network = await PairNetwork.between(array, 'n1')
  home = array.account('alice').home
})
after(async () => {
  await network?.remove()
  await array?.remove()
})

function members(line: ShardLine): { primary: string; mirror: string } {
  assert.ok(line.primary && line.mirror, `${line.shard}: ${line.phase}`)
  return { primary: String(line.primary.member), mirror: String(line.mirror.member) }
}

/** The shard once its primary stands alone. */
function alone(): Promise<ShardLine> {
  return waitFor(`${home} with one copy`, async () => {
    const line = await array.shard(home)
    return line.primary && line.inSync.length === 1 ? line : null
  })
}

function startWriters(prefix: string, pod: string): { user: Writer; outside: Writer } {
  const alice = array.account('alice')
  return {
    user: Writer.start(byAppend(array, alice, array.at(pod, 'imaps')), { prefix: `${prefix}-user`, workers: 2 }),
    outside: Writer.start(bySmtp(array.at(pod, 'smtp'), alice.address), { prefix: `${prefix}-outside`, workers: 2 }),
  }
}

const refusedBetween = (attempts: readonly Attempt[], fromMs: number, toMs: number) =>
  attempts.filter(({ outcome, beganMs, endedMs }) => outcome === 'refused' && beganMs >= fromMs && endedMs < toMs)

const cuts: [name: string, from: (line: { primary: string; mirror: string }) => string | null][] = [
  ['both ways', () => null],
  ['from the primary to the mirror only', ({ primary }) => primary],
  ['from the mirror to the primary only', ({ mirror }) => mirror],
]
for (const [name, from] of cuts) {
  const skip = name === 'both ways' ? false : onlyInAll
  test(`the network between the members is cut ${name}: the primary stays, goes on alone, and is joined again`, {
    skip,
  }, async (t) => {
    const before = await pairInSync(array, home)
    const { primary, mirror } = members(before)
    const session = await imapLogin(array, array.account('alice'), array.at(primary, 'imaps'))
    let sessionEnded = false
    session.on('close', () => {
      sessionEnded = true
    })
    const prefix = `cut-${cuts.findIndex(([one]) => one === name)}`
    const { user, outside } = startWriters(prefix, primary)
    await pause(1_500)

    const cutMs = Date.now()
    network.cut(from({ primary, mirror }))
    const during = await alone()
    const aloneMs = Date.now()
    assert.equal(during.primary?.member, primary, 'the primary keeps its office')
    assert.deepEqual(during.inSync, [primary])
    await pause(Math.max(0, CUT_MS - (Date.now() - cutMs)))
    const healedMs = Date.now()
    network.heal()

    const healed = await pairInSync(array, home)
    t.diagnostic(`alone after ${aloneMs - cutMs} ms, in sync again ${Date.now() - healedMs} ms after the network`)
    assert.equal(healed.primary?.member, primary)
    await pause(1_500)
    await Promise.all([user.stop(), outside.stop()])
    t.diagnostic(assertKeptAccepting(user.attempts, cutMs - 1_000, Date.now(), OUTAGE_SECONDS))
    assert.equal(sessionEnded, false, 'a session at the primary goes on')
    session.close()

    // Mail from outside: 451 while there is one copy, accepted before and after.
    for (const { answer } of refusedBetween(outside.attempts, aloneMs, healedMs)) assert.match(answer, /^451 /)
    assert.ok(acceptedShare(outside.attempts, cutMs - 1_000, cutMs) > 0.5)
    assert.ok(acceptedShare(outside.attempts, Date.now() - 1_000, Date.now()) > 0.5)
    await assertNothingLost(array, 'alice', user, outside)
  })
}

test('after a cut the member that was away holds everything: it serves alone', async (t) => {
  const alice = array.account('alice')
  const line = await pairInSync(array, home)
  const { primary, mirror } = members(line)
  const before = await allMessages(array, alice)
  const frozenMs = Date.now()
  assert.ok(line.primary)
  // Frozen, not killed: a process that is back within the grace keeps its office.
  process.kill(line.primary.pid, 'SIGSTOP')
  let now: Awaited<ReturnType<typeof allMessages>>
  try {
    now = await waitFor('the other member to serve', async () => {
      const { primary: found } = await array.shard(home)
      return found?.member === mirror ? await allMessages(array, alice) : null
    })
  } finally {
    process.kill(line.primary.pid, 'SIGCONT')
  }
  t.diagnostic(`served by ${mirror} after ${Date.now() - frozenMs} ms`)
  for (const [uid, bytes] of before) assert.ok(now.get(uid)?.equals(bytes), `UID ${uid} still means the same bytes`)
  assert.notEqual(primary, mirror)
  await pairInSync(array, home)
})

test('a link that is a little slow keeps the mirror; one slower than ackMs takes it out, and service goes on', async (t) => {
  const { primary } = members(await pairInSync(array, home))
  const { user, outside } = startWriters('slow', primary)
  const beganMs = Date.now()
  network.set({ kind: 'open', latencyMs: 40 })
  await pause(3_000)
  const slow = await array.shard(home)
  assert.equal(slow.inSync.length, 2, `40 ms each way: ${slow.phase}`)
  const share = acceptedShare(outside.attempts, beganMs + 1_000, Date.now())
  assert.ok(share > 0.9, `${share} of the mail from outside is accepted`)

  network.set({ kind: 'open', bytesPerSecond: 1_000 })
  const line = await alone()
  assert.equal(line.primary?.member, primary)
  t.diagnostic(`taken out: ${line.phase}`)
  await pause(2_000)
  network.heal()
  await pairInSync(array, home)
  await Promise.all([user.stop(), outside.stop()])
  t.diagnostic(assertKeptAccepting(user.attempts, beganMs, Date.now(), 2 * OUTAGE_SECONDS))
  await assertNothingLost(array, 'alice', user, outside)
})
