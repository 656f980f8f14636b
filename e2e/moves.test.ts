/**
 * An account is moved between shards of two MailNodes while mail comes in, a program appends and another one reads, also while members
 * are killed: nothing that was answered is missing, nothing is there twice, and clients find their mailbox as they left it.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { TestArray } from './support/array.ts'
import { onlyInAll } from './support/extent.ts'
import { imapLogin } from './support/imap.ts'
import { prepareMbsync } from './support/mbsync.ts'
import { letter, pairInSync, waitFor } from './support/pour.ts'
import { assertNothingLost, byAppend, bySmtp, Writer } from './support/writer.ts'

const LETTERS = 200
const ROUNDS = onlyInAll === false ? 20 : 4
const ROUNDS_WITH_FAULTS = onlyInAll === false ? 12 : 2
const STOPS = ['n2/0', 'n1/1', 'n2/1', 'n1/0']

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

interface Move {
  readonly target: string
  readonly phase: string
  readonly freezeMs: number | null
  readonly copiedMessages: number
}

/** Moves the account and says how long writes waited; null: a process that knew it was killed. */
async function move(address: string, target: string): Promise<number | null> {
  await array.must('account', 'move', address, '--to', target, '--timeout', '90')
  const moves: Move[] = JSON.parse(await array.must('account', 'moves', '-o', 'json'))
  return moves.find((one) => one.target === target && one.phase === 'done')?.freezeMs ?? null
}

async function homeOf(address: string): Promise<string> {
  const accounts: { address: string; home: string }[] = JSON.parse(await array.must('account', 'list', '-o', 'json'))
  return accounts.find((one) => one.address === address)?.home ?? assert.fail(address)
}

/** What a client remembers of a mailbox: UIDVALIDITY, and of each letter UID, MODSEQ, flags and INTERNALDATE. */
async function memory(name: string, mailbox: string, uidNext = Number.POSITIVE_INFINITY): Promise<unknown> {
  const client = await imapLogin(array, array.account(name))
  const lock = await client.getMailboxLock(mailbox, { readOnly: true })
  try {
    assert.ok(client.mailbox)
    const letters: unknown[] = []
    const { uidValidity } = client.mailbox
    for await (const one of client.fetch('1:*', { uid: true, flags: true, internalDate: true, envelope: true })) {
      if (one.uid >= uidNext) continue
      const flags = [...(one.flags ?? [])].filter((flag) => flag !== '\\Recent').sort()
      assert.ok(one.modseq !== undefined && one.modseq > 0n, 'MODSEQ is told')
      letters.push([one.uid, String(one.modseq), flags, String(one.internalDate), one.envelope?.subject])
    }
    return { uidValidity: String(uidValidity), letters }
  } finally {
    lock.release()
    await client.logout()
  }
}

async function fill(name: string): Promise<void> {
  const client = await imapLogin(array, array.account(name))
  for (let i = 0; i < LETTERS; i++) await client.append('INBOX', letter(`before-${i}`), i % 3 === 0 ? ['\\Seen'] : [])
  const lock = await client.getMailboxLock('INBOX')
  await client.messageFlagsAdd('10:30', ['\\Flagged', 'todo'], { uid: true })
  await client.messageCopy('5:9', 'Archive', { uid: true })
  lock.release()
  await client.logout()
}

/** Comes back whenever its session ends, and says whether any letter ever went missing before its eyes. */
function startReader(name: string): { stop(): Promise<{ readonly reads: number; readonly logins: number }> } {
  let stopping = false
  let reads = 0
  let logins = 0
  const work = (async () => {
    while (!stopping) {
      try {
        const client = await imapLogin(array, array.account(name))
        logins++
        let seen = 0
        for (; !stopping && client.usable; reads++) {
          const status = await client.status('INBOX', { messages: true })
          if (!status || status.messages === undefined) break // the session is ending
          const { messages } = status
          assert.ok(messages >= seen, `${seen} letters, then ${messages}`)
          seen = messages
          await pause(50)
        }
        await client.logout()
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        await pause(50) // its session was ended, or nobody serves just now
      }
    }
  })()
  work.catch(() => {}) // heard when it is stopped
  return {
    async stop() {
      stopping = true
      await work
      return { reads, logins }
    },
  }
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return `median ${sorted[Math.floor(sorted.length / 2)] ?? '-'} ms, longest ${sorted.at(-1) ?? '-'} ms of ${sorted.length}`
}

test(`an account moves ${ROUNDS} times while it is read and written`, async (t) => {
  const { address } = array.account('alice')
  await fill('alice')
  const inbox = await memory('alice', 'INBOX')
  const archive = await memory('alice', 'Archive')
  const smtp = Writer.start(bySmtp(array.endpoints.smtp, address), { prefix: 'smtp', workers: 2, pauseMs: 20 })
  const appends = Writer.start(byAppend(array, array.account('alice')), { prefix: 'append', workers: 2, pauseMs: 20 })
  const reader = startReader('alice')
  t.after(() => Promise.all([smtp.stop(), appends.stop(), reader.stop().catch(() => {})]))
  const freezes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const target = STOPS[round % STOPS.length] ?? ''
    const ms = await move(address, target)
    assert.equal(await homeOf(address), target)
    if (ms !== null) freezes.push(ms)
  }
  await Promise.all([smtp.stop(), appends.stop()])
  const { reads, logins } = await reader.stop()
  t.diagnostic(`writes waited: ${spread(freezes)}`)
  t.diagnostic(
    `${smtp.accepted.length} of ${smtp.attempts.length} letters from outside and ${appends.accepted.length} of`,
  )
  t.diagnostic(`${appends.attempts.length} appends accepted; ${reads} reads in ${logins} sessions`)
  assert.equal(freezes.length, ROUNDS, 'each move tells how long writes waited')
  assert.ok(smtp.accepted.length > ROUNDS && appends.accepted.length > ROUNDS && reads > ROUNDS)
  await assertNothingLost(array, 'alice', smtp, appends)
  assert.deepEqual(await memory('alice', 'INBOX', LETTERS + 1), inbox)
  assert.deepEqual(await memory('alice', 'Archive'), archive)
})

test('after a move mbsync finds what it knows, and fetches nothing again', async (t) => {
  if (spawnSync('which', ['mbsync']).status !== 0) return t.skip('mbsync is not installed')
  await fill('carol')
  const root = join(array.root, 'mbsync')
  const account = array.account('carol')
  const args = await prepareMbsync(array, account, root, ['INBOX', 'Archive'])
  const run = promisify(execFile)
  const synchronize = () => run('mbsync', args, { timeout: 120_000 })
  const files = () =>
    ['INBOX', 'Archive'].flatMap((mailbox) =>
      ['cur', 'new'].flatMap((part) => {
        const folder = join(root, mailbox, part)
        return readdirSync(folder).map((name) => `${mailbox}/${part}/${name} ${statSync(join(folder, name)).mtimeMs}`)
      }),
    )
  await synchronize()
  const before = files().sort()
  assert.equal(before.length, LETTERS + 5)
  await move(account.address, 'n1/0')
  await synchronize()
  assert.deepEqual(files().sort(), before)
})

test(`an account moves ${ROUNDS_WITH_FAULTS} times while primaries are killed`, async (t) => {
  const { address } = array.account('bob')
  await fill('bob')
  const inbox = await memory('bob', 'INBOX')
  const appends = Writer.start(byAppend(array, array.account('bob')), { prefix: 'append', workers: 2, pauseMs: 30 })
  t.after(() => appends.stop())
  let home = array.account('bob').home
  for (let round = 0; round < ROUNDS_WITH_FAULTS; round++) {
    const target = STOPS.filter((stop) => stop.slice(0, 2) !== home.slice(0, 2))[round % 2] ?? ''
    const moving = move(address, target).catch(() => null)
    await pause(round * 130)
    await killPrimary(round % 2 === 0 ? home : target)
    await moving
    // The command may have given up; the shards have not.
    await waitFor(`the account at ${target}`, async () => {
      if ((await homeOf(address)) === target) return true
      await array.command('account', 'move', address, '--to', target, '--timeout', '30')
      return null
    })
    await Promise.all([pairInSync(array, home), pairInSync(array, target)])
    home = target
  }
  await appends.stop()
  t.diagnostic(`${appends.accepted.length} of ${appends.attempts.length} appends accepted`)
  await assertNothingLost(array, 'bob', appends)
  assert.deepEqual(await memory('bob', 'INBOX', LETTERS + 1), inbox)
})

async function killPrimary(shard: string): Promise<void> {
  const { primary } = await array.shard(shard)
  if (primary) process.kill(primary.pid, 'SIGKILL')
}

test('a move that is cancelled, and one to a shard that is not there, leave the account where it is', async () => {
  const { address, home } = array.account('dave')
  const nowhere = await array.command('account', 'move', address, '--to', 'n7/0')
  assert.equal(nowhere.code, 2, nowhere.stderr)
  const none = await array.command('account', 'move-cancel', address)
  assert.equal(none.code, 1, none.stdout)
  assert.match(await array.must('account', 'move', address, '--to', home), /already/)
  assert.equal(await homeOf(address), home)
})

test('a MailNode is drained while mail comes in, and rebalance fills it again', async (t) => {
  const { address } = array.account('carol')
  const smtp = Writer.start(bySmtp(array.endpoints.smtp, address), { prefix: 'drain', workers: 1, pauseMs: 50 })
  t.after(() => smtp.stop())
  const plan = await array.must('node', 'drain', 'n1', '--dry-run')
  assert.match(plan, /n1\/\d > n2\/\d/)
  const drained = await array.must('node', 'drain', 'n1')
  assert.match(drained, /0 failed/)
  const homes = async () => {
    const accounts: { home: string }[] = JSON.parse(await array.must('account', 'list', '-o', 'json'))
    return accounts.map(({ home }) => home)
  }
  assert.ok((await homes()).every((home) => home.startsWith('n2/')))
  assert.match(await array.must('node', 'drain', 'n1'), /No account needs to move/)
  await array.must('rebalance')
  assert.ok((await homes()).every((home) => home.startsWith('n2/')))
  await array.must('rebalance', '--apply')
  assert.ok((await homes()).some((home) => home.startsWith('n1/')))
  await smtp.stop()
  assert.ok(smtp.accepted.length > 10)
  await assertNothingLost(array, 'carol', smtp)
})
