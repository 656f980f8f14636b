/**
 * The disk of one member fills up, to a few percent or to the last byte: that is no reason to fail over (replication.md rule 16). Mail
 * gets 452 4.3.1 and APPEND NO [LIMIT], deleting, flags and reading go on, from the reserve if need be, nobody leaves the in-sync set,
 * and with space all is accepted again.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ImapFlow } from 'imapflow'
import { type ShardLine, TestArray } from './support/array.ts'
import { imapLogin } from './support/imap.ts'
import { letter, pairInSync, pour, waitFor } from './support/pour.ts'
import { SmallDisk, whyNoMounts } from './support/small-disk.ts'
import { SmtpDialogue } from './support/smtp.ts'
import { assertNothingLost, bySmtp, Writer } from './support/writer.ts'

const MIB = 1024 * 1024
/** Rule 16. */
const FULL_SHARE = 0.07
const FULL_FOR_MS = 12_000
const CHANGES_AT_ONCE = 40
const RESERVE = ['reserve-1', 'reserve-2']

const skip = whyNoMounts()
/** The mirror of alice (n1/0) and the primary of bob (n1/1). */
const disk = new SmallDisk('n1-1', 256)
/** Both members have volumes of one size, as a MailNode's have. */
const other = new SmallDisk('n1-0', 256)
let array: TestArray
before(async () => {
  if (!skip) array = await TestArray.start({ small: true, disks: [disk, other] })
})
after(() => array?.remove())

/** The folder on a volume. @param shard Such as `n1/0` */
function folderOf(shard: string): string {
  return `shard-${shard.split('/').at(-1)}`
}

/** The shard as soon as a replica answers. */
function known(shard: string): Promise<ShardLine> {
  return waitFor(`an answer of ${shard}`, async () => {
    const line = await array.shard(shard)
    return line.primary ? line : null
  })
}

async function append(client: ImapFlow, subject: string): Promise<string> {
  try {
    return (await client.append('INBOX', letter(subject))) ? 'OK' : 'refused'
  } catch (error) {
    assert.ok(error instanceof Error && 'response' in error, String(error))
    return 'serverResponseCode' in error ? `NO [${error.serverResponseCode}]` : JSON.stringify(error.response)
  }
}

/** Takes the reserve away too and changes flags until nothing goes. @returns The changes; the last of them wait for space */
async function spendReserve(shard: string, change: (i: number) => Promise<boolean>): Promise<Promise<boolean>[]> {
  const changes: Promise<boolean>[] = []
  for (const file of RESERVE) disk.keepTaken(`${folderOf(shard)}/${file}`)
  await waitFor('the disk to be full to the last byte', async () => {
    disk.fill(0)
    // Some thousand bytes: a page that was begun still takes that many.
    for (let i = 0; i < CHANGES_AT_ONCE; i++) changes.push(change(changes.length))
    return /full to the last byte/.test((await known(shard)).phase ?? '') ? true : null
  })
  return changes
}

async function deliver(to: string, subject: string): Promise<string> {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  try {
    await smtp.say('EHLO disk.example.net')
    const { code, text } = await smtp.deliver('s@example.net', [to], letter(subject))
    return `${code} ${text}`
  } finally {
    smtp.close()
  }
}

for (const [name, role] of [
  ['alice', 'mirror'],
  ['bob', 'primary'],
] as const) {
  test(`a nearly full disk of the ${role}: mail and APPEND are refused, all else goes on, nobody fails over`, {
    skip,
  }, async (t) => {
    const account = array.account(name)
    const before = await pairInSync(array, account.home)
    assert.equal(before[role]?.member, disk.pod)
    const { accepted } = await pour(array, `${name}-before`, account.address, 20)
    assert.equal(accepted.length, 20)

    t.after(() => disk.empty())
    disk.fill(Math.floor(FULL_SHARE * disk.totalBytes) - MIB)
    const refusal = await waitFor('mail to be refused', async () => {
      const subject = `${name}-full-${Date.now()}`
      const answer = await deliver(account.address, subject)
      if (answer.startsWith('250')) accepted.push(subject)
      return answer.startsWith('250') ? null : answer
    })
    assert.match(refusal, /^452 4\.3\.1 /)
    t.diagnostic(`at ${(disk.freeShare * 100).toFixed(1)} % free: ${refusal}`)

    const client = await imapLogin(array, account)
    try {
      assert.equal(await append(client, `${name}-append`), 'NO [LIMIT]')
      await client.mailboxOpen('INBOX')
      const all = await client.search({ all: true }, { uid: true })
      assert.ok(Array.isArray(all) && all.length >= accepted.length)
      const [first, second] = all
      assert.ok(await client.messageFlagsAdd(String(first), ['\\Flagged'], { uid: true }), 'flags are stored')
      assert.ok(await client.messageDelete(String(second), { uid: true }), 'messages are expunged')
      const left = await client.search({ all: true }, { uid: true })
      assert.ok(Array.isArray(left) && left.length === all.length - 1 && !left.includes(Number(second)))
      const message = await client.fetchOne(String(first), { source: true, flags: true }, { uid: true })
      assert.ok(message && message.flags?.has('\\Flagged') && message.source && message.source.length > 0)
    } finally {
      client.close()
    }
    const full = await known(account.home)
    assert.equal(full.epoch, before.epoch, 'no failover')
    assert.equal(full.primary?.member, before.primary?.member)
    assert.equal(full.inSync.length, 2, `both stay in sync: ${full.phase}`)

    disk.empty()
    await waitFor('mail to be accepted again', async () =>
      (await deliver(account.address, `${name}-after-${Date.now()}`)).startsWith('250') ? true : null,
    )
    const again = await imapLogin(array, account)
    assert.equal(await append(again, `${name}-append-after`), 'OK')
    again.close()
    assert.equal((await known(account.home)).epoch, before.epoch)
  })
}

for (const [name, role] of [
  ['alice', 'mirror'],
  ['bob', 'primary'],
] as const) {
  test(`a disk of the ${role} that is full to the last byte: no change of role, nothing lost, accepted again with space`, {
    skip,
  }, async (t) => {
    const account = array.account(name)
    const before = await pairInSync(array, account.home)
    // Spent by the tests before, it is made anew in the background; without it flags and expunging wait for space from the first byte on.
    await waitFor(
      'the reserve on both disks',
      async () =>
        [disk, other].every((one) => RESERVE.every((file) => one.has(`${folderOf(account.home)}/${file}`))) || null,
    )
    const writer = Writer.start(bySmtp(array.endpoints.smtp, account.address), {
      prefix: `${name}-last-byte`,
      workers: 8,
      pauseMs: 0,
    })
    t.after(async () => {
      disk.empty()
      await writer.stop()
    })
    await waitFor('some mail to be accepted', async () => (writer.accepted.length > 50 ? true : null))
    disk.fill(0)
    const filledMs = Date.now()
    await waitFor('mail to be refused', async () =>
      writer.attempts.some(({ beganMs, outcome }) => beganMs > filledMs && outcome === 'refused') ? true : null,
    )
    const refusal = await deliver(account.address, `${name}-not-a-byte`)
    assert.match(refusal, /^452 4\.3\.1 /)
    // What the reserve is for: deleting and flags go on where there is no byte left.
    const client = await imapLogin(array, account)
    const waiting: Promise<boolean>[] = []
    try {
      assert.equal(await append(client, `${name}-append-full`), 'NO [LIMIT]')
      await client.mailboxOpen('INBOX')
      const all = await client.search({ all: true }, { uid: true })
      assert.ok(Array.isArray(all))
      // One of those of the tests before: what the writer was promised is looked for in the end.
      const found = await client.search({ subject: `${name}-before` }, { uid: true })
      assert.ok(Array.isArray(found) && found.length > 0)
      assert.ok(await client.messageFlagsAdd(String(found[0]), ['\\Seen'], { uid: true }), 'flags are stored')
      assert.ok(await client.messageDelete(String(found.at(-1)), { uid: true }), 'messages are expunged')
      const left = await client.search({ all: true }, { uid: true })
      assert.ok(Array.isArray(left) && !left.includes(Number(found.at(-1))))
      const message = await client.fetchOne(String(found[0]), { source: true }, { uid: true })
      assert.ok(message && message.source && message.source.length > 0)
      await spendReserve(account.home, (i) =>
        i % 2 === 0
          ? client.messageFlagsAdd(String(found[0]), ['\\Answered'], { uid: true })
          : client.messageFlagsRemove(String(found[0]), ['\\Answered'], { uid: true }),
      ).then((changes) => waiting.push(...changes))
    } catch (error) {
      client.close()
      throw error
    }
    // Longer than every timeout after which a primary that stands or a mirror that does not acknowledge is given up.
    await new Promise((resolve) => setTimeout(resolve, FULL_FOR_MS))
    const full = await known(account.home)
    t.diagnostic(`full: ${disk.freeBytes} bytes free, ${full.phase}; ${refusal}`)
    assert.equal(full.epoch, before.epoch, 'no failover')
    assert.equal(full.primary?.member, before.primary?.member)
    assert.equal(full.inSync.length, 2, `both stay in sync: ${full.phase}`)
    disk.empty()
    // What waited for space is done; what was asked for when that was known already was refused.
    const done = (await Promise.all(waiting)).filter(Boolean).length
    t.diagnostic(`${done} of ${waiting.length} changes of flags were stored`)
    assert.ok(done > 0)
    client.close()
    const emptiedMs = Date.now()
    await waitFor('mail to be accepted again', async () =>
      writer.attempts.some(({ beganMs, outcome }) => beganMs > emptiedMs && outcome === 'accepted') ? true : null,
    )
    t.diagnostic(`accepted again ${Date.now() - emptiedMs} ms after there was space`)
    await writer.stop()
    const after = await pairInSync(array, account.home)
    assert.equal(after.epoch, before.epoch, 'no failover')
    await assertNothingLost(array, name, writer)
  })
}
