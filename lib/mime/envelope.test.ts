import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envelope } from './envelope.ts'
import { Headers } from './headers.ts'
import type { Address } from './types.ts'

const read = (...lines: string[]) => envelope(new Headers(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)))
const address = (mailbox: string, name: string | null = null): Address => ({ name, adl: null, mailbox, host: 'x' })

test('envelope() reads all ten fields', () => {
  const seen = read(
    'Date: Tue, 24 Nov 2026 07:52:43 +0800',
    'Subject: =?utf-8?B?4oKs?=\r\n folded',
    'From: From <from@x>',
    'Sender: Sender <sender@x>',
    'Reply-To: reply@x',
    'To: to@x',
    'Cc: cc@x',
    'Bcc: bcc@x',
    'In-Reply-To: <question@x>',
    'Message-ID: <answer@x>',
  )
  assert.deepEqual(seen, {
    date: 'Tue, 24 Nov 2026 07:52:43 +0800',
    subject: '=?utf-8?B?4oKs?= folded',
    from: [address('from', 'From')],
    sender: [address('sender', 'Sender')],
    replyTo: [address('reply')],
    to: [address('to')],
    cc: [address('cc')],
    bcc: [address('bcc')],
    inReplyTo: '<question@x>',
    messageId: '<answer@x>',
  })
})

test('envelope() takes From where Sender and Reply-To are absent or empty (RFC 9051 section 7.5.2)', () => {
  for (const seen of [read('From: a@x'), read('From: a@x', 'Sender:', 'Reply-To: ')]) {
    assert.deepEqual(seen.sender, [address('a')])
    assert.deepEqual(seen.replyTo, [address('a')])
  }
})

test('envelope() tells an absent text from an empty one', () => {
  assert.equal(read('To: a@x').subject, null)
  assert.equal(read('Subject:').subject, '')
  assert.equal(read('Message-ID: ').messageId, '')
})

test('envelope() of no header is empty', () => {
  const { date, from, sender, to } = read('')
  assert.deepEqual([date, from, sender, to], [null, [], [], []])
})

test('envelope() joins several destination fields and takes the first of all others', () => {
  const seen = read('To: a@x', 'Subject: one', 'TO: b@x', 'Subject: two', 'From: c@x', 'From: d@x')
  assert.deepEqual([seen.to, seen.from, seen.subject], [[address('a'), address('b')], [address('c')], 'one'])
})
