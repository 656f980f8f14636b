/** Letters to groups over real sockets: from outside, from users, over LMTP. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { fakeAccountId } from '../testing/fake-directory.ts'
import type { WireClient } from '../testing/wire-client.ts'

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge({ recipientMemoryMs: 0, postmaster: 'carl@example.test' })
  const { directory } = fixture
  directory.addGroup('all@example.test', ['anna@example.test', 'team@example.test', 'gone@example.test'])
  directory.addGroup('team@example.test', ['carl@example.test', 'dora@example.test', 'all@example.test'])
  directory.addGroup('staff@example.test', ['anna@example.test', 'carl@example.test'], 'internal')
  directory.addGroup('circle@example.test', ['carl@example.test'], 'members')
  directory.addGroup('partly@example.test', ['anna@example.test', 'eve@example.test'])
  directory.addGroup('empty@example.test', ['eve@example.test'])
  directory.addGroup('postmaster@example.test', ['anna@example.test'], 'internal')
  directory.addGroup('abuse@example.test', ['gone@example.test'])
})
after(() => fixture.close())
afterEach(() => {
  for (const shard of [fixture.shard, fixture.otherShard]) {
    shard.letters.length = 0
    shard.verdict = () => ({ kind: 'ok' })
    shard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
  }
  fixture.directory.down = false
})

const LETTER = 'From: ben@example.net\r\nSubject: hello\r\n\r\nline\r\n'

async function rcpt(client: WireClient, ...names: string[]): Promise<string[]> {
  const replies: string[] = []
  for (const name of names) replies.push(await client.ask(`RCPT TO:<${name}@example.test>`))
  return replies
}

async function data(client: WireClient): Promise<string> {
  assert.match(await client.ask('DATA'), /^354 /)
  client.send(`${LETTER}.\r\n`)
  return await client.reply()
}

async function fromOutside(...names: string[]): Promise<[client: WireClient, replies: string[]]> {
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  return [client, await rcpt(client, ...names)]
}

test('a letter from outside reaches every member of a group once, whatever its shard', async () => {
  const [client, [reply]] = await fromOutside('all')
  assert.match(reply ?? '', /^250 /)
  assert.match(await data(client), /^250 /)
  const here = await fixture.shard.letterAt(0)
  assert.deepEqual(
    here.recipients.map((one) => one.account),
    [fakeAccountId('anna@example.test'), fakeAccountId('carl@example.test')],
  )
  const there = await fixture.otherShard.letterAt(0)
  assert.deepEqual(
    there.recipients.map((one) => one.account),
    [fakeAccountId('dora@example.test')],
  )
  assert.equal(there.traceId, here.traceId)
  assert.match(there.recipients[0]?.headerBlock ?? '', /Delivered-To: all@example\.test\r\n/)
})

test('a letter to a group whose shards did not all store it comes again with the same ids', async () => {
  fixture.otherShard.outcome = () => ({ kind: 'unavailable' })
  const [client] = await fromOutside('all')
  assert.match(await data(client), /^451 /)
  fixture.otherShard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
  const [again] = await fromOutside('all')
  assert.match(await data(again), /^250 /)
  for (const shard of [fixture.shard, fixture.otherShard]) {
    const [first, second] = [await shard.letterAt(0), await shard.letterAt(1)]
    assert.deepEqual(
      first.recipients.map((one) => one.deliveryId),
      second.recipients.map((one) => one.deliveryId),
    )
  }
})

test('a group beside another recipient waits for its own transaction if it needs another shard', async () => {
  const [client, replies] = await fromOutside('anna', 'all', 'partly')
  assert.match(replies[1] ?? '', /^452 4\.5\.3 /)
  assert.match(replies[2] ?? '', /^250 /)
  assert.match(await data(client), /^250 /)
  assert.equal((await fixture.shard.letterAt(0)).recipients.length, 1, 'anna once')
})

test('a member who can get no mail is left out, and a group of such people is refused', async () => {
  fixture.shard.verdict = ({ account }) => ({
    kind: account === fakeAccountId('carl@example.test') ? 'over-quota' : 'ok',
  })
  const [client, replies] = await fromOutside('partly')
  assert.match(replies[0] ?? '', /^250 /)
  assert.match(await data(client), /^250 /)
  assert.equal((await fixture.shard.letterAt(0)).recipients.length, 1)
  const [other, [empty, all]] = await fromOutside('empty', 'all')
  assert.match(empty ?? '', /^550 5\.2\.4 /)
  assert.match(all ?? '', /^250 /)
  assert.match(await data(other), /^250 /)
  assert.deepEqual(
    (await fixture.shard.letterAt(1)).recipients.map((one) => one.account),
    [fakeAccountId('anna@example.test')],
  )
})

test('a member whose shard does not answer makes the sender come again', async () => {
  fixture.otherShard.verdict = () => ({ kind: 'unavailable' })
  const [, [reply]] = await fromOutside('all')
  assert.match(reply ?? '', /^451 4\.3\.0 /)
})

test('a directory that is away makes the sender come again', async () => {
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  fixture.directory.down = true
  assert.match((await rcpt(client, 'all'))[0] ?? '', /^451 4\.4\.3 /)
})

test('strangers may not write to groups of our own people', async () => {
  const [, replies] = await fromOutside('staff', 'circle')
  for (const reply of replies) assert.match(reply, /^550 5\.7\.2 /)
})

test('users may write to an internal group, and only members to their circle', async () => {
  for (const [login, circle] of [
    ['anna@example.test', /^550 5\.7\.2 /],
    ['carl@example.test', /^250 /],
  ] as const) {
    const client = await fixture.submit(login)
    await client.ask(`MAIL FROM:<${login}>`)
    const [staff, own] = await rcpt(client, 'staff', 'circle')
    assert.match(staff ?? '', /^250 /)
    assert.match(own ?? '', circle, login)
  }
})

test('a user who wants to hear of the delivery to a group is not told, and the letter arrives', async () => {
  const client = await fixture.submit('anna@example.test')
  await client.ask('MAIL FROM:<anna@example.test>')
  assert.match(await client.ask('RCPT TO:<staff@example.test> NOTIFY=SUCCESS'), /^250 /)
  assert.match(await data(client), /^250 /)
  assert.equal((await fixture.shard.letterAt(0)).recipients.length, 2)
})

test('a group may be the postmaster, and keeps nobody out then', async () => {
  const [client, [reply]] = await fromOutside('postmaster')
  assert.match(reply ?? '', /^250 /)
  assert.match(await data(client), /^250 /)
})

test('a role address whose group reaches nobody goes to the edge’s postmaster', async () => {
  const [client, [reply]] = await fromOutside('abuse')
  assert.match(reply ?? '', /^250 /)
  assert.match(await data(client), /^250 /)
  assert.deepEqual(
    (await fixture.shard.letterAt(0)).recipients.map((one) => one.account),
    [fakeAccountId('carl@example.test')],
  )
})

test('LMTP answers a group once, and comes again with the same ids', async () => {
  fixture.otherShard.outcome = () => ({ kind: 'unavailable' })
  const send = async () => {
    const client = await fixture.smtp('lmtp')
    await client.ask('MAIL FROM:<ben@example.net>')
    const said = await rcpt(client, 'all', 'anna')
    assert.deepEqual(
      said.map((reply) => reply.slice(0, 3)),
      ['250', '250'],
    )
    return [await data(client), await client.reply()].map((reply) => reply.slice(0, 3))
  }
  assert.deepEqual(await send(), ['451', '250'])
  fixture.otherShard.outcome = () => ({ kind: 'stored', uid: 1, duplicate: false })
  assert.deepEqual(await send(), ['250', '250'])
  const [first, second] = [await fixture.shard.letterAt(0), await fixture.shard.letterAt(1)]
  assert.deepEqual(
    first.recipients.map((one) => one.deliveryId),
    second.recipients.map((one) => one.deliveryId),
  )
})
