/** Attempts to connect, with a clock that is moved by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#shard/log/testing.ts'
import { ASK_MS, ATTEMPT_MS, ConnectRace } from './connect-race.ts'
import { DEADLINE_LOOKS, deadline } from './deadline.ts'

interface Attempt {
  readonly stand: (connection: string) => void
  readonly fail: (error: Error) => void
  readonly signal: AbortSignal
}

function world() {
  const clock = new ManualClock()
  const attempts: Attempt[] = []
  const stood: string[] = []
  const race = new ConnectRace<string>({
    clock,
    begin: (signal) => new Promise((stand, fail) => attempts.push({ stand, fail, signal })),
    onStands: (connection) => stood.push(connection),
  })
  return { clock, attempts, stood, race }
}

function pass(clock: ManualClock, ms: number): void {
  for (let look = 0; look < DEADLINE_LOOKS; look++) clock.advance(ms / DEADLINE_LOOKS)
}

const timedOut = (asked: Promise<string>) => assert.rejects(asked, /timed out/)

test('deadline() is not over when a process wakes: what came meanwhile is read before the last look', () => {
  const clock = new ManualClock()
  let expired = 0
  deadline(clock, 2_000, () => expired++)
  clock.advance(60_000)
  for (let look = 1; look < DEADLINE_LOOKS; look++) {
    assert.equal(expired, 0)
    clock.advance(500)
  }
  assert.equal(expired, 1)
  clock.advance(10_000)
  assert.equal(expired, 1)
})

test('deadline() that is cancelled between two looks never expires', () => {
  const clock = new ManualClock()
  const cancel = deadline(clock, 2_000, () => assert.fail('it expired'))
  clock.advance(500)
  cancel()
  for (let look = 0; look < DEADLINE_LOOKS; look++) clock.advance(2_000)
})

test('all who ask wait for one attempt', async () => {
  const { race, attempts, stood } = world()
  const asked = [race.wait(), race.wait()]
  assert.equal(attempts.length, 1)
  attempts[0]?.stand('first')
  assert.deepEqual(await Promise.all(asked), ['first', 'first'])
  assert.deepEqual(stood, ['first'])
})

test('an attempt that nobody waits for any more goes on, and stands for whoever asks next', async () => {
  const { race, attempts, clock, stood } = world()
  const first = timedOut(race.wait())
  pass(clock, ASK_MS)
  await first
  assert.equal(attempts[0]?.signal.aborted, false)
  const second = race.wait()
  assert.equal(attempts.length, 2, 'a slow one gets another beside it')
  attempts[0]?.stand('slow')
  assert.equal(await second, 'slow')
  assert.equal(attempts[1]?.signal.aborted, true)
  attempts[1]?.stand('late')
  await Promise.resolve()
  assert.deepEqual(stood, ['slow'])
})

test('there are two attempts at most, and the oldest is kept longest', async () => {
  const { race, attempts, clock } = world()
  for (let asks = 0; asks < 4; asks++) {
    const asked = timedOut(race.wait())
    pass(clock, ASK_MS)
    await asked
    assert.ok(attempts.filter(({ signal }) => !signal.aborted).length <= 2)
  }
  assert.equal(attempts.length, 4)
  assert.equal(attempts[0]?.signal.aborted, false)
  pass(clock, ATTEMPT_MS)
  assert.equal(attempts[0]?.signal.aborted, true)
})

test('a newest attempt that fails is told at once, while an older one is still under way', async () => {
  const { race, attempts, clock } = world()
  const first = timedOut(race.wait())
  pass(clock, ASK_MS)
  await first
  const second = race.wait()
  attempts[1]?.fail(new Error('refused'))
  await assert.rejects(second, /refused/)
  attempts[0]?.fail(new Error('reset'))
  await Promise.resolve()
  const third = race.wait()
  attempts[2]?.stand('third')
  assert.equal(await third, 'third')
})

test('end() leaves no attempt and nobody waiting', async () => {
  const { race, attempts } = world()
  const asked = race.wait()
  race.end('over')
  await assert.rejects(asked, /over/)
  assert.equal(attempts[0]?.signal.aborted, true)
})
