/** A search with the text index finds what a search through every letter finds, whatever was delivered, copied and expunged, and however far the index is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ImapSession } from '#lib/imap/session/session.ts'
import type { ImapAccount } from '#lib/imap/store.ts'
import { MemoryHost } from '#lib/imap/testing/memory-host.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { ANNA, deliver, worldWith } from '../mailbox/testing/world.ts'
import { feedStep } from './feeder.ts'
import { InlineTextIndex } from './testing/inline-text-index.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 40)

const WORDS = [
  'lunch',
  'Brunch',
  'straße',
  'GRÜSSE',
  '午饭',
  '吃',
  '我们今天',
  'ランチ',
  'a',
  '42',
  'anna@example.test',
  'x'.repeat(70),
]
const words = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 6 })
const letter = fc
  .record({
    subject: words,
    body: words,
    joint: fc.constantFrom(' ', '', '-', '\r\n'),
    kind: fc.constantFrom('plain', 'base64', 'html', 'forward'),
  })
  .map(({ subject, body, joint, kind }) => {
    const text = Buffer.from(body.join(joint))
    const head = `Subject: =?utf-8?b?${Buffer.from(subject.join(' ')).toString('base64')}?=\r\nMIME-Version: 1.0\r\n`
    switch (kind) {
      case 'base64':
        return `${head}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${text.toString('base64')}\r\n`
      case 'html':
        return `${head}Content-Type: text/html; charset=utf-8\r\n\r\n<p>${text}</p>\r\n`
      case 'forward':
        return `${head}Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inner?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`
      default:
        return `${head}Content-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`
    }
  })
const part = fc
  .tuple(words, fc.constantFrom(' ', '', '-'), fc.nat(), fc.integer({ min: 1, max: 24 }))
  .map(([all, joint, from, length]) => {
    const chars = [...all.join(joint)]
    const start = from % chars.length
    return chars.slice(start, start + length).join('')
  })
const key = fc
  .tuple(fc.constantFrom('BODY', 'TEXT', 'SUBJECT', 'NOT BODY', 'OR SEEN TEXT', 'HEADER Subject'), part)
  .map(([name, text]) => ({ name, text }))
const step = fc.oneof(
  letter.map((text) => ({ kind: 'deliver' as const, text })),
  fc.nat().map((n) => ({ kind: 'copy' as const, n })),
  fc.nat().map((n) => ({ kind: 'expunge' as const, n })),
  fc.integer({ min: 1, max: 8 }).map((lsns) => ({ kind: 'feed' as const, lsns })),
)

/** Nobody waits. */
const AT_ONCE: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after(_delayMs, action) {
    setImmediate(action)
    return () => {}
  },
}

/** Runs `commands`, one after the other. @returns All that was said. */
async function say(account: ImapAccount, commands: readonly (string | Buffer)[]): Promise<string> {
  const host = new MemoryHost()
  const session = new ImapSession(account, host)
  const ended = session.run()
  for (const command of commands) await session.receive(Buffer.from(command))
  session.end()
  await ended
  return host.take()
}

function searchCommand({ name, text }: { name: string; text: string }): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([
    Buffer.from(`s UID SEARCH CHARSET UTF-8 ${name} {${bytes.length}+}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ])
}

test('a search with the text index finds what a search through every letter finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(letter, { minLength: 9, maxLength: 14 }),
      fc.array(step, { maxLength: 10 }),
      fc.array(key, { minLength: 1, maxLength: 6 }),
      async (letters, steps, keys) => {
        const text = new InlineTextIndex()
        const world = await worldWith({ text })
        const plain = await worldWith({ log: world.log, index: world.index })
        const options = {
          log: world.log,
          text,
          indexedLsn: () => world.index.appliedLsn,
          mayGrow: () => true,
          load: () => 0,
          clock: AT_ONCE,
          onFailure: (error: Error) => assert.fail(error),
        }
        for (const one of letters) await deliver(world, ANNA, one)
        await feedStep(
          options,
          world.index.appliedLsn,
          () => 0,
          () => false,
        )
        const account = world.store.openImapAccount(ANNA)
        for (const one of steps) {
          if (one.kind === 'deliver') await deliver(world, ANNA, one.text)
          else if (one.kind === 'feed') {
            const to = Math.min(world.index.appliedLsn, text.appliedLsn + one.lsns)
            if (to > text.appliedLsn)
              await feedStep(
                options,
                to,
                () => 0,
                () => false,
              )
          } else {
            const uid = 1 + (one.n % 20)
            const change =
              one.kind === 'copy'
                ? `c UID COPY ${uid} INBOX\r\n`
                : `d UID STORE ${uid} +FLAGS (\\Deleted)\r\ne EXPUNGE\r\n`
            await say(account, ['a SELECT INBOX\r\n', change])
          }
        }
        const before = text.asked
        const commands = ['a EXAMINE INBOX\r\n', ...keys.map(searchCommand)]
        const withIndex = await say(account, commands)
        const shrank = steps.some(({ kind }) => kind === 'expunge') // a few letters are looked at without asking
        assert.ok(shrank || text.asked > before, 'the index was asked')
        assert.equal(withIndex, await say(plain.store.openImapAccount(ANNA), commands))
      },
    ),
    { numRuns },
  )
})
