/**
 * Both members of a pair lose a shard's volume. It comes back from the archive: as it was when the last second was written, or as it was
 * at a point in time, on a member that then takes over by an administrator's word, and mirrors to the other one.
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { pairInSync, pour, subjects, waitFor } from './support/pour.ts'

let array: TestArray
let home: string
before(async () => {
  array = await TestArray.start({ small: true, spec: 'backup:\n  claimName: backup\n  every: 1s\n' })
  home = array.account('alice').home
  await pairInSync(array, home)
})
after(() => array?.remove())

const archive = () => join(array.root, 'volumes', 'backup', 'twinpost')

interface Verified {
  readonly ok: boolean
  readonly lastLsn: number
  readonly message?: string
}

async function verify(...more: readonly string[]): Promise<Verified> {
  const { stdout, stderr } = await array.command(
    'backup',
    'verify',
    home,
    '--archive',
    archive(),
    '-o',
    'json',
    ...more,
  )
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout) as Verified
}

/** Everything that is committed is in the archive. */
async function saved(): Promise<void> {
  const { replicas } = await array.shard(home)
  const commit = Math.max(...replicas.map(({ commitLsn }) => commitLsn))
  await waitFor('the backup of what is committed', async () => {
    const { ok, lastLsn } = await verify()
    return ok && lastLsn >= commit ? true : null
  })
}

/** Both members lose what they hold of the shard, and it is restored onto n1-0. */
async function loseAndRestore(...more: readonly string[]): Promise<void> {
  await array.must('stop', 'n1-0', '--force')
  await array.must('stop', 'n1-1', '--force')
  for (const member of [0, 1]) rmSync(array.replicaFolder(home, member), { recursive: true })
  const said = await array.must('backup', 'restore', home, '--member', '0', '--archive', archive(), ...more)
  assert.match(said, /restored to n1-0/)
  const again = await array.command('backup', 'restore', home, '--member', '0', '--archive', archive())
  assert.notEqual(again.code, 0, 'nothing is written over')
  assert.match(again.stderr, /move it aside/)
  await array.must('start', 'n1-0')
  await waitFor('the promotion', async () => {
    const { code } = await array.command('promote', '--force', home, '--member', '0', '--i-confirm-stopped', 'n1-1')
    return code === 0 ? true : null
  })
  await array.must('start', 'n1-1')
  await pairInSync(array, home)
}

test('a shard that both members lost comes back from the archive with every letter, UIDs and all', async (t) => {
  const { address } = array.account('alice')
  await pour(array, 'first', address, 40)
  await saved()
  const kept = await allMessages(array, array.account('alice'))
  assert.ok(kept.size >= 40)
  const listed = await array.must('backup', 'list', '--archive', archive())
  t.diagnostic(listed.trim())
  assert.match(listed, /n1\/0 .* any time from .* up to LSN/)

  await loseAndRestore()
  assert.deepEqual(await allMessages(array, array.account('alice')), kept)
  const { accepted } = await pour(array, 'second', address, 5)
  assert.equal(accepted.length, 5)
  const now = await subjects(array, 'alice')
  for (const subject of accepted) assert.ok(now.includes(subject))
})

test('the mail of one account is put beside what it has now, also what was deleted since', async () => {
  const account = array.account('alice')
  await saved()
  const until = new Date().toISOString()
  const before = await allMessages(array, account)
  const client = await imapLogin(array, account)
  try {
    await client.mailboxOpen('INBOX')
    assert.ok(await client.messageDelete('1:*', { uid: true }))
  } finally {
    client.close()
  }
  const command = ['backup', 'account', account.address, '--archive', archive(), '--until', until, '--name', 'Back']
  await array.must(...command)
  const again = JSON.parse(await array.must(...command, '-o', 'json')) as { letters: number; skipped: number }
  assert.deepEqual([again.letters, again.skipped], [0, before.size], 'a second run stores nothing twice')
  const restored = await allMessages(array, account, 'Back/INBOX')
  const text = (messages: ReadonlyMap<number, Buffer>) => [...messages.values()].map(String).sort()
  assert.deepEqual(text(restored), text(before))
})

test('it comes back as it was at a point in time', async () => {
  const { address } = array.account('alice')
  await saved()
  await pause(1_500)
  const before = await allMessages(array, array.account('alice'))
  const until = new Date().toISOString()
  await pause(1_500)
  await pour(array, 'too-late', address, 10)
  await saved()
  await loseAndRestore('--until', until)
  assert.deepEqual(await allMessages(array, array.account('alice')), before)
})

test('a damaged archive is named, and restores nothing', async () => {
  await saved()
  await array.down()
  const folder = join(archive(), home.replace('/', '-'))
  for (const generation of readdirSync(folder)) {
    const [first] = readdirSync(join(folder, generation)).filter((name) => name.endsWith('.piece'))
    if (first !== undefined) appendFileSync(join(folder, generation, first), 'x')
  }
  const { ok, message } = await verify()
  assert.equal(ok, false)
  assert.match(String(message), /it is not what was written/)
  const aside = array.replicaFolder(home, 0)
  rmSync(aside, { recursive: true })
  const { code } = await array.command('backup', 'restore', home, '--member', '0', '--archive', archive())
  assert.notEqual(code, 0)
  assert.equal(existsSync(aside), false)
  const secret = join(array.root, 'other-secret')
  writeFileSync(secret, 'a secret that this archive was not written with')
  const missing = await array.command(
    'backup',
    'verify',
    home,
    '--archive',
    join(array.root, 'nowhere'),
    '--secret',
    secret,
  )
  assert.match(missing.stderr + missing.stdout, /no complete backup|holds no backup/)
})
