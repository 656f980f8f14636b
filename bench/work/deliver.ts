/**
 * Deliveries: letters of LETTER_BYTES to MAILBOX_COUNT mailboxes over SMTP. Two figures: accepted (the server said 250) and
 * readable (all of them can be seen and fetched over IMAP). Only the second is compared: a server may accept into a queue.
 */

import { secureContext } from '../client/connection.ts'
import { SmtpClient } from '../client/smtp-client.ts'
import { CONNECTION_COUNT, WARM_UP_SECONDS } from '../settings.ts'
import type { Target } from '../target.ts'
import { nextLetter } from './letter.ts'
import { connectAll, emptyInbox, waitUntilReadable } from './mailboxes.ts'

export interface DeliverFigures {
  readonly letters: number
  readonly acceptedPerSecond: number
  /** Letters by the time from the first connection to the look that saw the last of them. */
  readonly readablePerSecond: number
}

/** @param kept True: CONNECTION_COUNT connections send one letter after another. False: a connection for each letter. */
export async function measureDeliveries(target: Target, kept: boolean, seconds: number): Promise<DeliverFigures> {
  const readers = await connectAll(target, secureContext(target.ca))
  try {
    await Promise.all(readers.map(emptyInbox))
    await waitUntilReadable(readers, await sendFor(target, kept, WARM_UP_SECONDS))
    await Promise.all(readers.map(emptyInbox))
    const startMs = performance.now()
    const letters = await sendFor(target, kept, seconds)
    const acceptedMs = performance.now()
    const readableMs = await waitUntilReadable(readers, letters)
    return {
      letters,
      acceptedPerSecond: (letters * 1000) / (acceptedMs - startMs),
      readablePerSecond: (letters * 1000) / (Math.max(readableMs, acceptedMs) - startMs),
    }
  } finally {
    for (const reader of readers) reader.destroy()
  }
}

/** @returns The number of letters that were accepted. */
async function sendFor(target: Target, kept: boolean, seconds: number): Promise<number> {
  const stopMs = performance.now() + seconds * 1000
  const senders = Array.from({ length: CONNECTION_COUNT }, (_, index) =>
    kept ? sendKept(target, index, stopMs) : sendEach(target, index, stopMs),
  )
  return (await Promise.all(senders)).reduce((sum, count) => sum + count, 0)
}

async function sendKept(target: Target, index: number, stopMs: number): Promise<number> {
  const client = await SmtpClient.connect(target.smtp)
  let count = 0
  for (; performance.now() < stopMs; count++) await client.send(recipientOf(target, index + count), nextLetter())
  await client.quit()
  return count
}

async function sendEach(target: Target, index: number, stopMs: number): Promise<number> {
  let count = 0
  for (; performance.now() < stopMs; count++) {
    const client = await SmtpClient.connect(target.smtp)
    await client.send(recipientOf(target, index + count), nextLetter())
    await client.quit()
  }
  return count
}

function recipientOf(target: Target, index: number): string {
  const account = target.accounts[index % target.accounts.length]
  if (account === undefined) throw new Error(`${target.name} has no accounts`)
  return account.address
}
