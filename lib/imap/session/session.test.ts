import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '#lib/errors/coded-error.ts'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { DEEP_BATCH, FACTS_BATCH, FETCH_CHUNK_BYTES } from '../limits.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, settle, TEST_NOW_MS } from '../testing/memory-host.ts'
import { ImapSession } from './session.ts'

function begin(options: { appendLimitBytes?: number } = {}) {
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS, ...options })
  const host = new MemoryHost()
  const session = new ImapSession(account, host)
  const ended = session.run()
  const say = async (text: string) => {
    await session.receive(Buffer.from(text, 'latin1'))
    return host.take()
  }
  const deliver = (body: Buffer) =>
    account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [body] })
  return { account, host, session, ended, say, deliver }
}

const LARGE = Buffer.concat([Buffer.from('Subject: large\r\n\r\n'), Buffer.alloc(5 * FETCH_CHUNK_BYTES, 'x')])

test('ImapSession holds no more of a body than two chunks for a client that does not read', async () => {
  const { host, session, say, deliver } = begin()
  await deliver(LARGE)
  await say('a1 SELECT INBOX\r\n')
  host.blocked = true
  const fetched = session.receive(Buffer.from('a2 FETCH 1 BODY.PEEK[]\r\n'))
  await settle()
  assert.ok(host.waitingBytes > 0 && host.waitingBytes <= 2 * FETCH_CHUNK_BYTES, `${host.waitingBytes}`)
  host.unblock()
  await fetched
  assert.equal(host.take(), `* 1 FETCH (BODY[] {${LARGE.length}}\r\n${LARGE.toString('latin1')})\r\na2 OK Done\r\n`)
})

test('ImapSession decodes a large part while it writes it, and holds two chunks of it', async () => {
  const { host, session, say, deliver } = begin({ appendLimitBytes: 10_000_000 })
  const content = Buffer.alloc(4 * FETCH_CHUNK_BYTES, 'x')
  content[content.length - 1] = 0
  const lines = content.toString('base64').replace(/.{76}/g, '$&\r\n')
  await deliver(Buffer.from(`Content-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`))
  await say('a1 SELECT INBOX\r\n')
  host.blocked = true
  const fetched = session.receive(Buffer.from('a2 FETCH 1 BINARY.PEEK[1]\r\n'))
  for (let i = 0; i < 30; i++) await settle()
  assert.ok(host.waitingBytes > 0 && host.waitingBytes <= 2 * FETCH_CHUNK_BYTES, `${host.waitingBytes}`)
  host.unblock()
  await fetched
  const whole = content.toString('latin1')
  assert.equal(host.take(), `* 1 FETCH (BINARY[1] ~{${content.length}}\r\n${whole})\r\na2 OK Done\r\n`)
  const part = await say(`a3 FETCH 1 BINARY.PEEK[1]<${content.length - 3}.9>\r\n`)
  assert.equal(part, `* 1 FETCH (BINARY[1]<${content.length - 3}> ~{3}\r\nxx\0)\r\na3 OK Done\r\n`)
})

test('ImapSession gives other sessions a turn while it reads letters for FETCH', async () => {
  const { host, say, deliver } = begin()
  for (let i = 0; i < 3 * DEEP_BATCH; i++) await deliver(Buffer.from('Subject: x\r\n\r\nwords\r\n'))
  await say('a1 SELECT INBOX\r\n')
  host.pauses = 0
  await say('a2 FETCH 1:* (PREVIEW)\r\n')
  assert.equal(host.pauses, 3)
})

test('ImapSession stops reading a body when the client goes away', async () => {
  const { host, session, ended, say, deliver } = begin()
  await deliver(LARGE)
  await say('a1 SELECT INBOX\r\n')
  host.blocked = true
  const fetched = session.receive(Buffer.from('a2 FETCH 1 BODY.PEEK[]\r\n'))
  await settle()
  session.end()
  host.unblock()
  assert.deepEqual(await ended, { kind: 'gone' })
  await fetched
  assert.ok(host.waitingBytes <= 2 * FETCH_CHUNK_BYTES)
})

test('ImapSession gives other sessions a turn between batches of a long FETCH and SEARCH', async () => {
  const { host, say, deliver } = begin()
  for (let i = 0; i < 2 * FACTS_BATCH + 1; i++) await deliver(Buffer.from('x\r\n'))
  await say('a1 SELECT INBOX\r\n')
  host.pauses = 0
  const answer = await say('a2 FETCH 1:* (FLAGS UID)\r\n')
  assert.equal(answer.match(/ FETCH /g)?.length, 2 * FACTS_BATCH + 1)
  assert.equal(host.pauses, 2)
  await say('a3 SEARCH UNSEEN\r\n')
  assert.equal(host.pauses, 4)
})

test('ImapSession answers pipelined commands by one write', async () => {
  const { host, session } = begin()
  let writes = 0
  const write = host.write.bind(host)
  host.write = (bytes) => {
    writes++
    return write(bytes)
  }
  await session.receive(Buffer.from('a1 NOOP\r\na2 NOOP\r\na3 CAPABILITY\r\n'))
  assert.equal(writes, 1)
})

test('ImapSession.close() ends an idle session with BYE, and one that idles', async () => {
  const idle = begin()
  await idle.say('a1 NOOP\r\n')
  idle.session.close('Shutting\r\ndown')
  assert.deepEqual(await idle.ended, { kind: 'bye', reason: 'Shutting\r\ndown' })
  assert.equal(idle.host.take(), '* BYE Shutting down\r\n')

  const idling = begin()
  await idling.say('a1 SELECT INBOX\r\na2 IDLE\r\n')
  idling.session.close('Shutting down')
  await idling.ended
  assert.match(idling.host.take(), /\* BYE Shutting down\r\n$/)
})

test('ImapSession answers SERVERBUG to a failure without a response code, reports it and goes on', async () => {
  const { account, host, say } = begin()
  account.failNextWrite = new CodedError('STORE_ODD', 'secret detail')
  assert.equal(await say('a1 CREATE x\r\n'), 'a1 NO [SERVERBUG] Internal error\r\n')
  assert.equal(host.reported.length, 1)
  account.failNextWrite = new CodedError('MEMORY_NO_CODE', 'Try later')
  assert.equal(await say('a2 CREATE x\r\n'), 'a2 NO Try later\r\n')
})

test('ImapSession lets people read when the store takes no writes', async () => {
  const { account, host, say, deliver } = begin()
  await deliver(Buffer.from('Subject: x\r\n\r\n'))
  account.failNextWrite = new CodedError('STORE_UNAVAILABLE', 'No mirror')
  assert.match(await say('a1 SELECT INBOX\r\n'), /\* 0 RECENT\r\n(.*\r\n)*a1 OK/)
  assert.equal(host.reported.length, 1)
})

test('ImapSession closes the connection of a program that says nothing but nonsense', async () => {
  const { ended, say } = begin()
  const answer = await say('frob\r\n'.repeat(200))
  assert.match(answer, /\* BYE Too many bad commands\r\n$/)
  assert.equal((await ended).kind, 'bye')
})

test('ImapSession.receive() resolves at once after the end', async () => {
  const { session, ended, say } = begin()
  await say('a1 LOGOUT\r\n')
  assert.deepEqual(await ended, { kind: 'logout' })
  await session.receive(Buffer.from('a2 NOOP\r\n'))
})

test('ImapSession takes an APPEND literal of many small pieces', async () => {
  const { account, session, host } = begin()
  const body = `Subject: small\r\n\r\n${'line\r\n'.repeat(2000)}`
  const input = Buffer.from(`a1 APPEND INBOX {${body.length}+}\r\n${body}\r\n`)
  for (let at = 0; at < input.length; at += 7) await session.receive(input.subarray(at, at + 7))
  assert.equal(host.take(), 'a1 OK [APPENDUID 1001 1] Done\r\n')
  const opened = await account.open(account.mailboxes()[0]?.id ?? assert.fail(), true, () => {})
  const uid = opened.view.uids[0]
  const [facts] = opened.facts([uid as never])
  assert.equal(facts?.sizeBytes, body.length)
})

test('ImapSession.close() stops a long FETCH between messages', async () => {
  const { host, session, ended, say, deliver } = begin()
  for (let i = 0; i < 20; i++) await deliver(LARGE)
  await say('a1 SELECT INBOX\r\n')
  host.blocked = true
  const fetched = session.receive(Buffer.from('a2 FETCH 1:* BODY.PEEK[]\r\n'))
  await settle()
  session.close('Server is shutting down')
  host.unblock()
  assert.equal((await ended).kind, 'bye')
  await fetched
  const output = host.take()
  assert.equal(output.match(/ FETCH /g)?.length, 1)
  assert.match(output, /\)\r\na2 NO \[UNAVAILABLE\] Session is ending\r\n\* BYE Server is shutting down\r\n$/)
})
