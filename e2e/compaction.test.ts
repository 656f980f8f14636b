/**
 * Compaction on a real array: most letters of a sealed segment are deleted, both members give the space back, and what is left is there byte
 * for byte with its UIDs, also from an index that was made anew from the compacted log, and on a mirror that was away meanwhile.
 */
import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestArray } from './support/array.ts'
import { onlyInAll } from './support/extent.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { pairInSync, waitFor } from './support/pour.ts'

const skip = onlyInAll
const MIB = 1024 * 1024
/** A segment is 64 MiB: one is sealed and holds most of them. */
const LETTERS = 40
const LETTER_BYTES = 2 * MIB
/** Every fourth stays. */
const KEPT_OF = 4

let array: TestArray
let home: string
before(async () => {
  if (skip) return
  array = await TestArray.start({ small: true, spec: 'expungedRetention: 1s\n' })
  home = array.account('alice').home
})
after(() => array?.remove())

function letter(n: number): Buffer {
  const line = `${n} `.padEnd(76, String.fromCharCode(97 + (n % 26)))
  return Buffer.from(`Subject: compaction-${n}\r\n\r\n${`${line}\r\n`.repeat(Math.floor(LETTER_BYTES / 78))}`)
}

function logBytes(member: string | number): number {
  const folder = join(array.replicaFolder(home, member), 'log')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** What a client sees that synchronises: every byte and UID, and where the mailbox stands. */
async function look(): Promise<{
  messages: Map<number, Buffer>
  uidNext: number
  uidValidity: bigint
  modSeq: bigint
}> {
  const client = await imapLogin(array, array.account('alice'))
  const status = await client.status('INBOX', { uidNext: true, uidValidity: true, highestModseq: true })
  client.close()
  assert.ok(status && status.uidNext && status.uidValidity && status.highestModseq)
  const { uidNext, uidValidity, highestModseq: modSeq } = status
  return { messages: await allMessages(array, array.account('alice')), uidNext, uidValidity, modSeq }
}

/** The replica on that member in a new process life, with `change` made to its folder while nobody uses it. */
async function restarted(member: string | number, change: () => void = () => {}): Promise<void> {
  const { pid } = await array.process(`${member}/shard-${home.split('/')[1]}`)
  process.kill(pid, 'SIGSTOP')
  change()
  process.kill(pid, 'SIGKILL')
  await waitFor(`another process than ${pid}`, async () =>
    (await array.process(`${member}/shard-${home.split('/')[1]}`)).pid !== pid ? true : null,
  )
  await pairInSync(array, home)
}

/** A replica looks for what is dead some seconds after its start; it may write anew only what the other member has. */
async function compacted(member: string | number, fullBytes: number): Promise<void> {
  await waitFor(`the log of ${member} to become smaller than ${fullBytes} bytes`, async () =>
    logBytes(member) < fullBytes / 2 ? true : null,
  )
}

test('deleted letters give their space back on both members, and nothing else changes', { skip }, async (t) => {
  const { primary, mirror } = await pairInSync(array, home)
  assert.ok(primary && mirror)
  const client = await imapLogin(array, array.account('alice'))
  for (let n = 0; n < LETTERS; n++) assert.ok(await client.append('INBOX', letter(n)))
  const lock = await client.getMailboxLock('INBOX')
  const uids: number[] = []
  for await (const { uid, size } of client.fetch('1:*', { uid: true, size: true }))
    if ((size ?? 0) >= LETTER_BYTES / 2) uids.push(uid)
  assert.equal(uids.length, LETTERS)
  await client.messageFlagsAdd(uids.slice(0, LETTERS / 2).join(), ['\\Seen'], { uid: true })
  await client.messageDelete(uids.filter((_, n) => n % KEPT_OF !== 0).join(), { uid: true })
  lock.release()
  client.close()
  const seen = await look()
  for (const [n, uid] of uids.entries())
    assert.deepEqual(seen.messages.get(uid), n % KEPT_OF === 0 ? letter(n) : undefined, `letter ${n}`)

  await t.test('a mirror that was away gets on from a compacted log', async () => {
    const fullBytes = logBytes(primary.member)
    assert.ok(fullBytes > LETTERS * LETTER_BYTES * 0.9)
    // Each looks anew: the mirror first, then the primary, whose office the mirror takes.
    await restarted(mirror.member)
    await compacted(mirror.member, fullBytes)
    assert.ok(logBytes(primary.member) > fullBytes * 0.9, 'the other one has not looked yet')
    process.kill((await array.process(`${primary.member}/shard-${home.split('/')[1]}`)).pid, 'SIGSTOP')
    await waitFor('the compacted member to serve alone', async () => {
      const line = await array.shard(home)
      return line.primary?.member === mirror.member && line.inSync.length === 1 ? true : null
    })
    const writing = await imapLogin(array, array.account('alice'))
    assert.ok(await writing.append('Drafts', letter(LETTERS)))
    writing.close()
    await restarted(primary.member)
    assert.deepEqual(await look(), seen)
    await compacted(primary.member, fullBytes)
    t.diagnostic(`${fullBytes} bytes became ${logBytes(primary.member)} and ${logBytes(mirror.member)}`)
    assert.deepEqual(await look(), seen)
  })

  await t.test('an index made anew from the compacted log says the same, on either member', async () => {
    for (let turns = 0; turns < 2; turns++) {
      const line = await pairInSync(array, home)
      const member = line.mirror?.member
      assert.ok(member !== undefined)
      await restarted(member, () => rmSync(join(array.replicaFolder(home, member), 'index'), { recursive: true }))
      await array.must('switchover', home)
      const now = await pairInSync(array, home)
      assert.equal(now.primary?.member, member)
      assert.deepEqual(await look(), seen)
    }
  })

  await t.test('the log is sound', async () => {
    await array.down()
    const report = await array.command('fsck', home)
    assert.equal(report.code, 0, report.stdout + report.stderr)
  })
})
