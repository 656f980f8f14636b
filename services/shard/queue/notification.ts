/**
 * Delivery status notifications: RFC 3464 reports inside RFC 6522 multipart/report, with a text for people in English and
 * Chinese before them. Pure: facts in, the bytes of a letter out.
 *
 * Nothing that a remote server said reaches a header field unchecked: its reply is one line of printable characters.
 */
import { base64Lines, encodedWords } from '#lib/letter/mod.ts'
import { formatDate } from '#lib/mime/date.ts'
import type { Notice } from './decide-result.ts'

export interface NotifiedRecipient {
  readonly address: string
  readonly orcpt: string | null
  readonly notice: Notice
  /** What the remote server said, or why there was none. */
  readonly reply: string
  readonly remote: string
}

export interface NotificationFacts {
  /** Name of this server: Reporting-MTA, and the domain of the author. */
  readonly hostname: string
  readonly to: string
  readonly envid: string | null
  /** When the letter was put into the queue. */
  readonly addedMs: number
  readonly expiresMs: number
  readonly nowMs: number
  /** Unique left part of the Message-ID, and in the boundary. */
  readonly id: string
  readonly recipients: readonly NotifiedRecipient[]
  /** The letter: its header section, or all of it. */
  readonly returned: { readonly kind: 'header' | 'whole'; readonly bytes: Uint8Array; readonly eightBit: boolean }
}

interface Words {
  readonly subject: string
  readonly en: string
  readonly zh: string
}

const WORDS: Readonly<Record<Notice, Words>> = {
  failed: {
    subject: 'Your letter could not be delivered 邮件未能送达',
    en: 'Your letter could not be delivered to these recipients. It will not be tried again.',
    zh: '您的邮件未能送达以下收件人，系统不会再次尝试。',
  },
  expired: {
    subject: 'Your letter could not be delivered in time 邮件超时未送达',
    en: 'Your letter could not be delivered to these recipients for so long that it was given up.',
    zh: '您的邮件长时间未能送达以下收件人，系统已放弃投递。',
  },
  delayed: {
    subject: 'Your letter is late, and still tried 邮件延迟，仍在投递',
    en: 'Your letter could not be delivered to these recipients yet. You need not do anything: it is tried again until {until}.',
    zh: '您的邮件暂未送达以下收件人。无需任何操作：系统会继续尝试，直到 {until}。',
  },
  delivered: {
    subject: 'Your letter was delivered 邮件已送达',
    en: 'Your letter was delivered to these recipients.',
    zh: '您的邮件已送达以下收件人。',
  },
  relayed: {
    subject: 'Your letter was handed on 邮件已转交',
    en: 'Your letter was taken by a server that does not report deliveries.',
    zh: '您的邮件已由下一台服务器接收，该服务器不回报投递结果。',
  },
}

/** RFC 3464 section 2.3.3. */
const ACTIONS: Readonly<Record<Notice, string>> = {
  failed: 'failed',
  expired: 'failed',
  delayed: 'delayed',
  delivered: 'delivered',
  relayed: 'relayed',
}
/** Used where the remote server gave no enhanced status code (RFC 3463). */
const STATUSES: Readonly<Record<Notice, string>> = {
  failed: '5.0.0',
  expired: '4.4.7',
  delayed: '4.4.1',
  delivered: '2.1.5',
  relayed: '2.1.9',
}
/** Which of several notices names the letter. */
const ORDER: readonly Notice[] = ['failed', 'expired', 'delayed', 'relayed', 'delivered']

/** A letter with CRLF line ends; 7 bits, unless an original with 8 bits is returned whole. */
export function notificationLetter(facts: NotificationFacts): Buffer {
  const { hostname, id } = facts
  const boundary = `=_${id}`
  const whole = facts.returned.kind === 'whole'
  const notice = ORDER.find((one) => facts.recipients.some((recipient) => recipient.notice === one)) ?? 'failed'
  const head = [
    `Date: ${formatDate(facts.nowMs)}`,
    `From: Mail Delivery System <mailer-daemon@${hostname}>`,
    `To: <${facts.to}>`,
    `Subject: ${encodedWords(WORDS[notice].subject)}`,
    `Message-ID: <${id}@${hostname}>`,
    'Auto-Submitted: auto-replied', // RFC 3834 section 5
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
    ...(whole && facts.returned.eightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    base64Lines(Buffer.from(humanText(facts), 'utf8')),
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    statusFields(facts),
    `--${boundary}`,
    whole ? 'Content-Type: message/rfc822' : 'Content-Type: text/rfc822-headers',
    ...(facts.returned.eightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([
    Buffer.from(head, 'latin1'),
    facts.returned.bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'),
  ])
}

function humanText({ recipients, expiresMs, hostname }: NotificationFacts): string {
  const until = new Date(expiresMs).toISOString().replace('T', ' ').slice(0, 16)
  const paragraphs: string[] = []
  for (const notice of ORDER) {
    const mine = recipients.filter((recipient) => recipient.notice === notice)
    if (mine.length === 0) continue
    const { en, zh } = WORDS[notice]
    paragraphs.push(`${en}\r\n${zh}`.replaceAll('{until}', `${until} UTC`))
    for (const { address, reply, remote } of mine) {
      paragraphs.push(`  <${address}>\r\n    ${remote === '' ? '' : `${remote}: `}${oneLine(reply)}`)
    }
  }
  return `${paragraphs.join('\r\n\r\n')}\r\n\r\n${hostname}\r\n`
}

function statusFields(facts: NotificationFacts): string {
  const message = [`Reporting-MTA: dns; ${facts.hostname}`]
  if (facts.envid !== null) message.unshift(`Original-Envelope-Id: ${oneLine(fromXtext(facts.envid))}`)
  message.push(`Arrival-Date: ${formatDate(facts.addedMs)}`)
  const blocks = facts.recipients.map(({ address, orcpt, notice, reply, remote }) => {
    const fields = [
      `Final-Recipient: rfc822; ${address}`,
      `Action: ${ACTIONS[notice]}`,
      `Status: ${status(notice, reply)}`,
    ]
    if (orcpt !== null) fields.unshift(`Original-Recipient: ${originalRecipient(orcpt)}`)
    if (remote !== '') fields.push(`Remote-MTA: dns; ${oneLine(remote)}`)
    if (/^[2-5]\d\d /.test(reply)) fields.push(`Diagnostic-Code: smtp; ${oneLine(reply)}`)
    else if (reply !== '') fields.push(`Diagnostic-Code: x-twinpost; ${oneLine(reply)}`)
    fields.push(`Last-Attempt-Date: ${formatDate(facts.nowMs)}`)
    if (notice === 'delayed') fields.push(`Will-Retry-Until: ${formatDate(facts.expiresMs)}`)
    return fields.join('\r\n')
  })
  return `${[message.join('\r\n'), ...blocks].join('\r\n\r\n')}\r\n`
}

/** RFC 3463: the code of the remote server where its class fits what we report. */
function status(notice: Notice, reply: string): string {
  const said = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(reply)?.[1]
  if (said === undefined) {
    const basic = /^([245])\d\d\b/.exec(reply)?.[1]
    return basic === '5' && notice === 'failed' ? '5.0.0' : STATUSES[notice]
  }
  return notice === 'expired' || said[0] === STATUSES[notice][0] ? said : STATUSES[notice]
}

/** RFC 3464 section 2.3.1: address type, then the address as it was before xtext. */
function originalRecipient(orcpt: string): string {
  const semicolon = orcpt.indexOf(';')
  return `${oneLine(orcpt.slice(0, semicolon))}; ${oneLine(fromXtext(orcpt.slice(semicolon + 1)))}`
}

function fromXtext(text: string): string {
  return text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 800)
}
