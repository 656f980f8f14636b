import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { READ_BYTES } from '../limits.ts'
import { cut, cuts, dottedText, unstuff } from '../testing/chunks.ts'
import { MemoryMaildrop, MemorySink } from '../testing/memory-maildrop.ts'
import { Pop3Session } from './engine.ts'

const OPTIONS = { implementation: 'Twinpost', utf8: false, loginDelaySeconds: 0 }

function sessionOn(maildrop: MemoryMaildrop, sink = new MemorySink()) {
  return { session: new Pop3Session(maildrop, sink, OPTIONS), maildrop, sink }
}

/** What follows the status line of a multi-line answer. */
function content(answer: Buffer): Buffer {
  return answer.subarray(answer.indexOf('\r\n') + 2)
}

test('RETR unstuffed equals the stored bytes, however the store and the network cut them', async () => {
  await fc.assert(
    fc.asyncProperty(dottedText, fc.integer({ min: 1, max: 40 }), cuts, async (text, readBytesMax, at) => {
      const stored = Buffer.concat([text, Buffer.from('\r\n')])
      const { session, sink } = sessionOn(new MemoryMaildrop([stored], readBytesMax))
      for (const chunk of cut(Buffer.from('RETR 1\r\n'), at)) await session.receive(chunk)
      const answer = sink.take()
      assert.equal(answer.subarray(0, answer.indexOf('\r\n')).toString(), `+OK ${stored.length} octets`)
      assert.deepEqual(unstuff(content(answer)), stored)
    }),
  )
})

test('RETR sends a large message in pieces and waits for the sink after each', async () => {
  const line = Buffer.from(`.${'x'.repeat(76)}\r\n`)
  const stored = Buffer.concat(Array.from({ length: 20_000 }, () => line))
  const { session, sink } = sessionOn(new MemoryMaildrop([stored]))
  await session.receive(Buffer.from('RETR 1\r\n'))
  assert.ok(sink.largestBytes <= 2 * READ_BYTES)
  assert.ok(sink.drainCount >= Math.floor(stored.length / READ_BYTES))
  assert.equal(unstuff(content(sink.take()))?.equals(stored), true)
})

test('RETR of a message that the store cannot give whole ends the session without the final dot', async () => {
  const maildrop = new MemoryMaildrop([Buffer.from('Subject: x\r\n\r\nbody\r\n')])
  const { session, sink } = sessionOn(maildrop)
  const whole = maildrop.message.bind(maildrop)
  maildrop.message = (uid) => {
    const message = whole(uid)
    return message && { sizeBytes: message.sizeBytes + 1, read: message.read }
  }
  await assert.rejects(session.receive(Buffer.from('RETR 1\r\nNOOP\r\n')), { code: 'POP3_MESSAGE_SHORT' })
  assert.equal(session.over, true)
  assert.equal(maildrop.releaseCount, 1)
  assert.equal(sink.take().toString().endsWith('body\r\n'), true)
})

test('LIST of a large maildrop is written in pieces', async () => {
  const { session, sink } = sessionOn(new MemoryMaildrop(Array.from({ length: 30_000 }, () => Buffer.from('x\r\n'))))
  await session.receive(Buffer.from('LIST\r\n'))
  assert.ok(sink.drainCount > 10)
  const lines = content(sink.take()).toString().split('\r\n')
  assert.equal(lines.length, 30_000 + 2)
  assert.equal(lines[29_999], '30000 3')
})

test('receive() while a command runs keeps the order of commands', async () => {
  const { session, sink } = sessionOn(new MemoryMaildrop([Buffer.from('a\r\n')], 1))
  await Promise.all(['RETR 1\r\nLI', 'ST 1\r\n', 'QUIT\r\n'].map((text) => session.receive(Buffer.from(text))))
  assert.equal(sink.take().toString(), '+OK 3 octets\r\na\r\n.\r\n+OK 1 3\r\n+OK Bye\r\n')
})

test('end() in the middle of an answer stops it and removes nothing', async () => {
  const maildrop = new MemoryMaildrop([Buffer.alloc(READ_BYTES * 4, 'x')])
  const { session, sink } = sessionOn(maildrop)
  const pushed = session.receive(Buffer.from('DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n'))
  sink.drained = async () => session.end()
  await pushed
  assert.equal(maildrop.removed, null)
  assert.ok(maildrop.releaseCount > 0)
})
