import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SmtpReplies } from './smtp-replies.ts'

const STREAM = '220 ready\r\n250-first\r\n250-SIZE 1\r\n250 last\r\n354\r\n550 5.1.1 no\r\n'

test('SmtpReplies gives one reply for several lines', () => {
  assert.deepEqual(
    new SmtpReplies().push(Buffer.from(STREAM)).map((reply) => [reply.code, reply.text]),
    [
      [220, '220 ready'],
      [250, '250 last'],
      [354, '354'],
      [550, '550 5.1.1 no'],
    ],
  )
})

test('SmtpReplies gives the same for bytes that come one at a time', () => {
  const replies = new SmtpReplies()
  const codes = [...Buffer.from(STREAM)].flatMap((byte) => replies.push(Buffer.from([byte]))).map((reply) => reply.code)
  assert.deepEqual(codes, [220, 250, 354, 550])
})
