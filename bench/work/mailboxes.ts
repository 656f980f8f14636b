/** What a measurement needs to know of the mailboxes around it: empty them, fill them, count what can be read. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { SecureContext } from 'node:tls'
import { ImapClient } from '../client/imap-client.ts'
import { LETTER_BYTES, POLL_MS, READABLE_WAIT_MS } from '../settings.ts'
import type { Target } from '../target.ts'
import { nextLetter } from './letter.ts'

/** One logged-in client per account. */
export function connectAll(target: Target, context: SecureContext): Promise<ImapClient[]> {
  return Promise.all(target.accounts.map((account) => ImapClient.connect(target.imaps, context, account)))
}

export async function emptyInbox(client: ImapClient): Promise<void> {
  await client.run('SELECT INBOX')
  if ((await messageCount(client)) > 0) {
    await client.run('STORE 1:* +FLAGS.SILENT (\\Deleted)')
    await client.run('EXPUNGE')
  }
  await client.run('CLOSE')
}

export async function fillInbox(client: ImapClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await client.append('INBOX', Buffer.concat(nextLetter()))
}

export async function messageCount(client: ImapClient): Promise<number> {
  const { untagged } = await client.run('STATUS INBOX (MESSAGES)')
  for (const { text } of untagged) {
    const match = /^STATUS .*\(MESSAGES ([0-9]+)\)/i.exec(text)
    if (match) return Number(match[1])
  }
  throw new Error('The server answered STATUS without MESSAGES')
}

/**
 * Waits until the mailboxes hold `expected` letters and the newest of each can be fetched whole.
 * @returns The monotonic time of the look that saw all of them.
 */
export async function waitUntilReadable(clients: readonly ImapClient[], expected: number): Promise<number> {
  const giveUpMs = performance.now() + READABLE_WAIT_MS
  for (;;) {
    const lookedMs = performance.now()
    const counts = await Promise.all(clients.map(messageCount))
    const total = counts.reduce((sum, count) => sum + count, 0)
    if (total > expected) throw new Error(`The mailboxes hold ${total} letters where ${expected} were sent`)
    if (total === expected) {
      await Promise.all(clients.map((client, index) => (counts[index] === 0 ? undefined : fetchNewest(client))))
      return lookedMs
    }
    if (lookedMs > giveUpMs)
      throw new Error(`Only ${total} of ${expected} letters can be read after ${READABLE_WAIT_MS} ms`)
    await sleep(POLL_MS)
  }
}

async function fetchNewest(client: ImapClient): Promise<void> {
  await client.run('EXAMINE INBOX')
  const { untagged } = await client.run('FETCH * (BODY.PEEK[])')
  const bytes = untagged.reduce((sum, { literalBytes }) => sum + literalBytes, 0)
  if (bytes < LETTER_BYTES) throw new Error(`The newest letter has ${bytes} octets, at least ${LETTER_BYTES} were sent`)
  await client.run('CLOSE')
}
