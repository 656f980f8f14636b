/** The letter that tells somebody what was kept back from them on one day. Pure: facts in, the bytes of a letter out. */
import { base64Lines, encodedWords } from '#lib/letter/mod.ts'
import { formatDate } from '#lib/mime/date.ts'

export interface DigestFacts {
  readonly hostname: string
  /** Whose letters they are. */
  readonly to: string
  readonly nowMs: number
  /** Unique left part of the Message-ID. */
  readonly id: string
  /** The newest last. */
  readonly letters: readonly {
    /** As the administrator calls it: its number in the shard. */
    readonly name: string
    readonly author: string
    readonly subject: string
    readonly receivedMs: number
    readonly reason: string
  }[]
  /** Letters beyond those listed. */
  readonly more: number
}

const LINE_CHARACTERS_MAX = 200
/** Controls, line ends and marks of direction: one letter is one line, read in one direction. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g

/** A letter with CRLF line ends, 7 bits. */
export function digestLetter(facts: DigestFacts): Buffer {
  const { hostname, to, nowMs, id, letters, more } = facts
  const count = letters.length + more
  const subject = `${count} ${count === 1 ? 'letter was' : 'letters were'} kept back from you 有 ${count} 封邮件被隔离`
  const head = [
    `Date: ${formatDate(nowMs)}`,
    `From: Mail Filter <mailer-daemon@${hostname}>`,
    `To: <${to}>`,
    `Subject: ${encodedWords(subject)}`,
    `Message-ID: <${id}@${hostname}>`,
    'Auto-Submitted: auto-generated', // RFC 3834 section 5
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    base64Lines(Buffer.from(text(facts), 'utf8')),
    '',
  ]
  return Buffer.from(head.join('\r\n'), 'latin1')
}

function text({ letters, more }: DigestFacts): string {
  const listed = letters.map(({ name, author, subject, receivedMs, reason }) =>
    [
      `${formatDate(receivedMs)}  [${name}]`,
      `  ${harmless(author)}: ${harmless(subject)}`,
      `  ${harmless(reason)}`,
    ].join('\r\n'),
  )
  return [
    'The mail filter keeps these letters in quarantine. If you want one of them, ask your postmaster for it by the name in brackets.',
    'Nobody need do anything about the others: they go by themselves.',
    '邮件过滤器隔离了以下邮件。如需其中某封，请将方括号内的编号告知邮件管理员；其余无需处理，到期自动删除。',
    '',
    ...listed,
    ...(more > 0 ? ['', `... and ${more} more 另有 ${more} 封`] : []),
    '',
  ].join('\r\n')
}

/** One line in which no program finds a link. */
function harmless(said: string): string {
  return said
    .replace(UNSAFE, ' ')
    .replace(/:\/\//g, ':')
    .replace(/\bwww\./gi, 'www ')
    .slice(0, LINE_CHARACTERS_MAX)
}
