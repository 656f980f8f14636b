/** A shard that is served by the member it does not belong to goes back by itself, once both have been in sync for long enough. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestArray } from './support/array.ts'
import { imapLogin } from './support/imap.ts'
import { letter, pairInSync, waitFor } from './support/pour.ts'

let array: TestArray
before(async () => {
  array = await TestArray.start({ small: true, spec: 'giveBackAfter: 8s\n' })
})
after(() => array?.remove())

test('after a failover the member that came back gets its shard again, and the mail of the time between is there', async (t) => {
  const line = await pairInSync(array, 'n1/0')
  assert.equal(line.primary?.member, 'n1-0')
  const startedMs = Date.now()
  await array.must('stop', 'n1-0')
  await waitFor('n1-1 to serve', async () => ((await array.shard('n1/0')).primary?.member === 'n1-1' ? true : null))
  const client = await waitFor('a login', () => imapLogin(array, array.account('alice')))
  const appended = await client.append('INBOX', letter('between'))
  client.close()
  assert.ok(appended && appended.uid)
  await array.must('start', 'n1-0')
  await waitFor('n1-0 to serve again', async () => {
    const now = await array.shard('n1/0')
    return now.primary?.member === 'n1-0' && now.inSync.length === 2 ? true : null
  })
  t.diagnostic(`given back ${Math.round((Date.now() - startedMs) / 1_000)} s after the stop`)
  assert.match(readFileSync(join(array.root, 'logs', 'n1-1-shard-0.log'), 'utf8'), /giving the shard back/)
  assert.equal((await pairInSync(array, 'n1/1')).primary?.member, 'n1-1', 'its own shard stays')
  const again = await waitFor('a login', () => imapLogin(array, array.account('alice')))
  const lock = await again.getMailboxLock('INBOX', { readOnly: true })
  const found = await again.fetchOne(String(appended.uid), { envelope: true }, { uid: true })
  lock.release()
  again.close()
  assert.ok(found && found.envelope?.subject === 'between')
})
