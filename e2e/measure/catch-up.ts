/**
 * Measures how long a mirror that was away for 100,000 messages needs until it is in sync again, while the primary serves.
 *
 *   node e2e/measure/catch-up.ts [MESSAGES]        or: make measure-catch-up
 *
 * The mirror's process is frozen while letters are fed in over LMTP, then killed; the time begins with the kill, so it contains the
 * start of the process and the opening of its log.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { TestArray } from '../support/array.ts'
import { imapLogin } from '../support/imap.ts'
import { pairInSync, waitFor } from '../support/pour.ts'
import { SmtpDialogue } from '../support/smtp.ts'
import { acceptedShare, byAppend, Writer } from '../support/writer.ts'
import { machineText } from './machine.ts'

const MESSAGES = Number(process.argv[2] ?? 100_000)
const CONNECTIONS = 40
const GIVE_UP_MS = 600_000

async function feed(array: TestArray, to: string): Promise<void> {
  let next = 0
  async function connection(): Promise<void> {
    const lmtp = await SmtpDialogue.open(array.endpoints.lmtp)
    await lmtp.say('LHLO measure.example.net')
    for (let number = next++; number < MESSAGES; number = next++) {
      const body = Buffer.from(`Subject: feed-${number}\r\n\r\n${'x'.repeat(200)}\r\n`)
      for (;;) {
        const { code } = await lmtp.deliver('s@example.net', [to], body)
        if (code === 250) break
        await pause(100)
      }
    }
    lmtp.close()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, connection))
}

async function inSync(array: TestArray, shard: string): Promise<void> {
  for (const until = performance.now() + GIVE_UP_MS; performance.now() < until; ) {
    const line = await array.shard(shard).catch(() => null)
    if (line?.inSync.length === 2) return
    await pause(50)
  }
  throw new Error(`Not in sync within ${GIVE_UP_MS} ms`)
}

console.log(machineText())
const array = await TestArray.start({ small: true, spec: 'durability:\n  inbound:\n    mode: preferred\n' })
try {
  const alice = array.account('alice')
  const { mirror } = await pairInSync(array, alice.home)
  assert.ok(mirror)
  process.kill(mirror.pid, 'SIGSTOP')
  await waitFor('the mirror to be taken out', async () =>
    (await array.shard(alice.home)).inSync.length === 1 ? true : null,
  )
  const fedMs = performance.now()
  await feed(array, alice.address)
  const feedSeconds = (performance.now() - fedMs) / 1_000
  console.log(
    `${MESSAGES} letters fed in ${feedSeconds.toFixed(1)} s (${(MESSAGES / feedSeconds).toFixed(0)}/s, one copy)`,
  )

  const client = await imapLogin(array, alice)
  const status = await client.status('INBOX', { messages: true })
  client.close()
  assert.ok(status && (status.messages ?? 0) >= MESSAGES, 'all letters are in INBOX')

  const writer = Writer.start(byAppend(array, alice), { prefix: 'meanwhile', workers: 2 })
  const beganMs = Date.now()
  process.kill(mirror.pid, 'SIGKILL')
  await inSync(array, alice.home)
  const seconds = (Date.now() - beganMs) / 1_000
  const share = acceptedShare(await writer.stop(), beganMs, Date.now())
  console.log(
    `in sync again ${seconds.toFixed(1)} s after the mirror was started again, ${(share * 100).toFixed(0)} % of APPENDs accepted meanwhile`,
  )
  console.log(machineText())
} finally {
  await array.remove()
}
