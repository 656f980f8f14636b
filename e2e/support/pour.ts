/** A writer that remembers every acknowledgement, and a reader that says what is really there. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { ShardLine, TestArray } from './array.ts'
import { allMessages, type MailAccess } from './imap.ts'
import { type Reply, SmtpDialogue } from './smtp.ts'

export function letter(subject: string): Buffer {
  return Buffer.from(`From: <s@example.net>\r\nSubject: ${subject}\r\n\r\n${subject} ${'x'.repeat(2_000)}\r\n`)
}

/** Subjects of all messages; every one of them must be whole. */
export async function subjects(array: MailAccess, name: string): Promise<string[]> {
  const found: string[] = []
  for (const bytes of (await allMessages(array, array.account(name))).values()) {
    const text = bytes.toString('latin1')
    const subject = /^Subject: (.*)\r$/m.exec(text)?.[1] ?? '(none)'
    if (!subject.startsWith('Welcome')) {
      assert.ok(text.endsWith(letter(subject).toString('latin1')), `${subject} is whole`)
      found.push(subject)
    }
  }
  return found
}

/** Far longer than anything here takes: a machine that does other things as well is slow, not wrong. */
const GIVE_UP_MS = 90_000

export async function waitFor<T>(what: string, attempt: () => Promise<T | null>): Promise<T> {
  for (const until = performance.now() + GIVE_UP_MS; performance.now() < until; ) {
    const value = await attempt().catch(() => null)
    if (value !== null) return value
    await pause(200)
  }
  throw new Error(`Gave up waiting for ${what}`)
}

/** The shard as soon as both of its members are in sync. */
export function pairInSync(array: TestArray, shard: string): Promise<ShardLine> {
  return waitFor(`two copies of ${shard}`, async () => {
    const line = await array.shard(shard)
    return line.primary && line.mirror && line.inSync.length === 2 ? line : null
  })
}

/** Sends `count` letters over some connections; a temporary refusal or a lost connection leaves the letter unsent. */
export async function pour(
  array: MailAccess,
  prefix: string,
  to: string,
  count: number,
  onSent: (sent: number) => void = () => {},
): Promise<{ accepted: string[]; replies: Reply[] }> {
  const accepted: string[] = []
  const replies: Reply[] = []
  let next = 0
  let sent = 0
  async function worker(): Promise<void> {
    let smtp: SmtpDialogue | null = null
    while (next < count) {
      const subject = `${prefix}-${next++}`
      try {
        if (!smtp) {
          smtp = await SmtpDialogue.open(array.endpoints.smtp)
          await smtp.say('EHLO pour.example.net')
        }
        const reply = await smtp.deliver('s@example.net', [to], letter(subject))
        replies.push(reply)
        if (reply.code === 250) accepted.push(subject)
        onSent(++sent)
      } catch {
        smtp?.close()
        smtp = null
      }
    }
    smtp?.close()
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return { accepted, replies }
}
