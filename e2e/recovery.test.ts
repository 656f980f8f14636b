/**
 * What an administrator does when the array cannot help itself: the only member with all mail is lost and the other one is made
 * primary by force; the lost one comes back with its mail, or without it.
 */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import type { ImapFlow } from 'imapflow'
import { type ShardLine, TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { letter, pairInSync, waitFor } from './support/pour.ts'

let array: TestArray
let home: string
before(async () => {
  array = await TestArray.start()
  home = array.account('alice').home
  await pairInSync(array, home)
})
after(() => array?.remove())

function members(line: ShardLine): { primary: string; mirror: string } {
  assert.ok(line.primary && line.mirror, line.shard)
  return { primary: String(line.primary.member), mirror: String(line.mirror.member) }
}

/** A session of alice with INBOX selected; the array may still be finding its primary. */
async function withInbox<T>(work: (client: ImapFlow) => Promise<T>): Promise<T> {
  const client = await waitFor('a login', () => imapLogin(array, array.account('alice')))
  try {
    const lock = await client.getMailboxLock('INBOX')
    try {
      return await work(client)
    } finally {
      lock.release()
    }
  } finally {
    client.close()
  }
}

/** Appends letters with these subjects. @returns their UIDs */
const append = (...names: string[]) =>
  withInbox(async (client) => {
    const uids: number[] = []
    for (const name of names) {
      const answer = await client.append('INBOX', letter(name))
      assert.ok(answer && answer.uid, name)
      uids.push(answer.uid)
    }
    return uids
  })

interface Seen {
  readonly uidValidity: bigint
  readonly uidNext: number
  readonly uids: readonly number[]
}

const look = () =>
  withInbox(async (client): Promise<Seen> => {
    const { mailbox } = client
    assert.ok(mailbox)
    const uids: number[] = []
    for await (const { uid } of client.fetch('1:*', { uid: true })) uids.push(uid)
    return { uidValidity: mailbox.uidValidity, uidNext: mailbox.uidNext, uids }
  })

/** Lowest MODSEQ of a message and highest of a mailbox, as a member's index has them: sessions do not show them yet. */
function modSeqs(member: string): { lowest: number; highest: number } {
  const index = new DatabaseSync(join(array.replicaFolder(home, member), 'index', 'index.db'), { readOnly: true })
  try {
    const one = (sql: string) => Number(index.prepare(sql).get()?.['n'])
    return {
      lowest: one('SELECT min(mod_seq) AS n FROM messages'),
      highest: one('SELECT max(highest_mod_seq) AS n FROM mailboxes'),
    }
  } finally {
    index.close()
  }
}

test('a stale member is made primary by force: no UID means two letters, every MODSEQ is new, the mail is there', async (t) => {
  const { primary, mirror } = members(await pairInSync(array, home))
  await append('kept-1', 'kept-2', 'kept-3')
  const kept = await allMessages(array, array.account('alice'))
  await array.must('stop', mirror)
  await waitFor(`${primary} to be alone`, async () => ((await array.shard(home)).inSync.length === 1 ? true : null))

  const lost = await append('lost-1', 'lost-2', 'lost-3', 'lost-4')
  await withInbox((client) =>
    client.messageFlagsAdd({ uid: String([...kept.keys()].at(-1)) }, ['\\Flagged'], { uid: true }),
  )
  const before = await look()
  const modSeqBefore = modSeqs(primary).highest
  assert.equal((await array.command('stop', primary)).code, 1, 'without it nobody would serve')
  await array.must('stop', primary, '--force')
  await array.must('start', mirror)
  await waitFor(`${mirror} to wait`, async () =>
    (await array.shard(home)).replicas.some(({ member, role }) => member === mirror && role === 'mirror') ? true : null,
  )
  assert.equal((await array.shard(home)).primary, null, 'it does not take over by itself')

  const number = mirror.slice(-1)
  const printed = await waitFor('the promotion', async () => {
    const { code, stdout, stderr } = await array.command('promote', '--force', home, '--member', number)
    if (code !== 0) t.diagnostic(stderr.trim())
    return code === 0 ? stdout : null
  })
  assert.match(printed, new RegExp(`${mirror} is primary of ${home} by force\\. Lost is everything that the other`))
  assert.deepEqual(await allMessages(array, array.account('alice')), kept)
  const recovered = await look()
  assert.equal(recovered.uidValidity, before.uidValidity)
  assert.ok(recovered.uidNext > before.uidNext, `UIDNEXT ${recovered.uidNext}, was ${before.uidNext}`)
  assert.ok(modSeqs(mirror).lowest > modSeqBefore, 'every message has a MODSEQ that no client has seen')
  const [next] = await append('after')
  assert.ok(next !== undefined && next > Math.max(...lost), `UID ${next} was never used`)

  await t.test('the lost member comes back with its mail: nothing is mixed, and it says so', async () => {
    await array.must('start', primary)
    await waitFor('HISTORIES_DIFFER', async () =>
      /HISTORIES_DIFFER/.test((await array.shard(home)).phase ?? '') ? true : null,
    )
    const line = await array.shard(home)
    assert.deepEqual([line.primary?.member, line.inSync], [mirror, [mirror]])
  })

  await t.test('its replica is put aside: it gets everything anew, and serves the same', async () => {
    await array.must('stop', primary)
    const folder = array.replicaFolder(home, primary)
    renameSync(folder, `${folder}.lost`)
    await array.must('start', primary)
    await pairInSync(array, home)
    const now = await look()
    await array.must('switchover', home)
    assert.equal((await array.shard(home)).primary?.member, primary)
    assert.deepEqual(await look(), now)
    await array.down()
    const report = await array.command('fsck', home)
    assert.equal(report.code, 0, report.stdout + report.stderr)
    await array.up()
  })
})
