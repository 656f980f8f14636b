import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineEndChecker } from '#lib/letter/mod.ts'
import { type NotificationFacts, type NotifiedRecipient, notificationLetter } from './notification.ts'

const NOW = Date.UTC(2026, 10, 25, 12)
const refused: NotifiedRecipient = {
  address: 'ben@example.net',
  orcpt: 'rfc822;b+2Bx@example.net',
  notice: 'failed',
  reply: '550 5.1.1 No such user',
  remote: 'mx.example.net',
}
const facts = (given: Partial<NotificationFacts> = {}): NotificationFacts => ({
  hostname: 'mx.example.test',
  to: 'anna@example.test',
  envid: null,
  addedMs: NOW - 60_000,
  expiresMs: NOW + 86_400_000,
  nowMs: NOW,
  id: 'abcdefghij',
  recipients: [refused],
  returned: { kind: 'header', bytes: Buffer.from('Subject: Tea\r\n'), eightBit: false },
  ...given,
})

test('notificationLetter() is a report as RFC 3464 wants it', () => {
  const text = notificationLetter(facts({ envid: 'QQ+2B314' })).toString('latin1')
  const [head = '', human = '', report = '', original = '', end = ''] = text.split('--=_abcdefghij')
  assert.match(
    head,
    /^Date: Wed, 25 Nov 2026 12:00:00 \+0000\r\nFrom: Mail Delivery System <mailer-daemon@mx\.example\.test>\r\nTo: <anna@example\.test>\r\n/,
  )
  assert.match(
    head,
    /Auto-Submitted: auto-replied\r\nMIME-Version: 1\.0\r\nContent-Type: multipart\/report; report-type=delivery-status;/,
  )
  const words = Buffer.from(human.split('\r\n\r\n')[1] ?? '', 'base64').toString('utf8')
  assert.match(words, /could not be delivered to these recipients/)
  assert.match(words, /您的邮件未能送达以下收件人/)
  assert.match(words, /<ben@example\.net>\r\n {4}mx\.example\.net: 550 5\.1\.1 No such user/)
  assert.equal(
    report,
    [
      '',
      'Content-Type: message/delivery-status',
      '',
      'Original-Envelope-Id: QQ+314',
      'Reporting-MTA: dns; mx.example.test',
      'Arrival-Date: Wed, 25 Nov 2026 11:59:00 +0000',
      '',
      'Original-Recipient: rfc822; b+x@example.net',
      'Final-Recipient: rfc822; ben@example.net',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; mx.example.net',
      'Diagnostic-Code: smtp; 550 5.1.1 No such user',
      'Last-Attempt-Date: Wed, 25 Nov 2026 12:00:00 +0000',
      '',
      '',
    ].join('\r\n'),
  )
  assert.equal(original, '\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Tea\r\n\r\n')
  assert.equal(end, '--\r\n')
})

const statuses: [name: string, recipient: Partial<NotifiedRecipient>, want: string][] = [
  ['the code that the server gave', { reply: '552 5.3.4 Too big' }, '5.3.4'],
  ['5.0.0 for a refusal without one', { reply: '550 no' }, '5.0.0'],
  ['the last temporary code when it was given up', { notice: 'expired', reply: '451 4.7.1 Greylisted' }, '4.7.1'],
  ['4.4.7 when no server answered until the end', { notice: 'expired', reply: 'no route' }, '4.4.7'],
  ['4.4.1 for a delay without a server', { notice: 'delayed', reply: 'connection refused' }, '4.4.1'],
  ['no code of another class', { notice: 'delivered', reply: '250 5.5.5 odd' }, '2.1.5'],
]
for (const [name, given, want] of statuses) {
  test(`notificationLetter() reports ${name}`, () => {
    const text = notificationLetter(facts({ recipients: [{ ...refused, ...given }] })).toString('latin1')
    assert.equal(/^Status: (.*)\r$/m.exec(text)?.[1], want)
  })
}

test('notificationLetter() lets no remote server write fields, and has no line end but CRLF', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (reply, remote) => {
      const letter = notificationLetter(facts({ recipients: [{ ...refused, reply, remote }] }))
      const report = letter.toString('latin1').split('--=_abcdefghij')[2] ?? ''
      const fields = report.split('\r\n').filter((line) => /^[A-Za-z-]+:/.test(line))
      assert.ok(fields.length <= 10)
      const checker = new LineEndChecker()
      checker.push(letter)
      assert.equal(checker.end(), null)
    }),
  )
})
