/** A client that others wrote, over a socket: compressed (RFC 4978), with extended searches (RFC 4731), letters large and small. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { ImapFlow } from 'imapflow'
import { sessionCapabilities } from '#lib/imap/session/capabilities.ts'
import { LETTERS } from '#lib/imap/testing/letters.ts'
import { MemoryAccount } from '#lib/imap/testing/memory-account.ts'
import { MemoryHost, TEST_NOW_MS } from '#lib/imap/testing/memory-host.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { serveImap } from './imap.ts'

const LARGE = Buffer.from(`Subject: large\r\n\r\n${'Lorem ipsum dolor sit amet, 我们今天吃午饭.\r\n'.repeat(60_000)}`)
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('imapflow works compressed: search, fetch, append, store, idle', async () => {
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS, appendLimitBytes: 10_000_000 })
  for (const body of [...Object.values(LETTERS), LARGE]) {
    await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [body] })
  }
  const { structures, headers, sortFields, compression } = new MemoryHost()
  let sent = 0
  const server = createServer((socket) => {
    socket.write(`* PREAUTH [CAPABILITY ${sessionCapabilities(account)}] ready\r\n`)
    const caches = { structures, headers, sortFields, compression }
    const session = serveImap({
      stream: socket,
      mayServe: () => true,
      early: Buffer.alloc(0),
      account,
      ...caches,
      clock: nodeClock,
      logger: silentLogger,
    })
    void session.over.then(() => {
      sent = socket.bytesWritten
      socket.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: address.port,
    secure: false,
    doSTARTTLS: false,
    logger: false,
    auth: { user: 'anna', pass: 'unused' },
  })
  await client.connect()
  await client.mailboxOpen('INBOX')
  const count = Object.keys(LETTERS).length + 1
  assert.deepEqual(await client.search({ subject: 'plan' }, { uid: true }), [4, 5, 6, 7, 8])
  assert.deepEqual(await client.search({ body: '午饭' }, { uid: true }), [count])
  const letter = await client.fetchOne(`${count}`, { source: true }, { uid: true })
  assert.ok(letter !== false && letter.source)
  assert.equal(digest(letter.source), digest(LARGE))
  await client.append('INBOX', LARGE)
  const copy = await client.fetchOne('*', { source: true, uid: true })
  assert.ok(copy !== false && copy.source)
  assert.deepEqual([copy.uid, digest(copy.source)], [count + 1, digest(LARGE)])
  await client.messageFlagsAdd('1:3', ['\\Flagged'], { uid: true })
  assert.deepEqual(await client.search({ flagged: true }, { uid: true }), [1, 2, 3])
  const told = new Promise<number>((resolve) => client.once('exists', ({ count: exists }) => resolve(exists)))
  void client.idle()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [Buffer.from('a: b\r\n\r\n')] })
  assert.equal(await told, count + 2)
  await client.logout()
  server.close()
  await once(server, 'close')
  assert.ok(sent > 0 && sent < LARGE.length / 2, `it was compressed: ${sent} bytes for two letters of ${LARGE.length}`)
})
