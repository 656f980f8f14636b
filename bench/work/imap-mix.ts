/**
 * IMAP commands per second on a fixed mix: what a client does when it opens a mailbox, reads some letters, marks, saves
 * one and removes it. Each connection has a mailbox of its own with MIX_LETTERS in it, and one command under way.
 */

import { secureContext } from '../client/connection.ts'
import type { ImapClient } from '../client/imap-client.ts'
import { MIX_LETTERS, WARM_UP_SECONDS } from '../settings.ts'
import type { Target } from '../target.ts'
import { nextLetter } from './letter.ts'
import { connectAll, emptyInbox, fillInbox } from './mailboxes.ts'

export interface ImapFigures {
  readonly commands: number
  readonly commandsPerSecond: number
}

/** One turn of the mix; gives the number of commands it took. The mailbox has as many letters after it as before. */
async function turn(client: ImapClient, round: number): Promise<number> {
  const at = (step: number) => 1 + ((round * 7 + step * 31) % MIX_LETTERS)
  await client.run('SELECT INBOX')
  await client.run('FETCH 1:50 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)')
  for (let step = 0; step < 5; step++) await client.run(`FETCH ${at(step)} (UID BODY.PEEK[])`)
  for (let step = 0; step < 3; step++) {
    await client.run(`STORE ${at(step)} ${round % 2 === 0 ? '+' : '-'}FLAGS (\\Seen)`)
  }
  await client.run('SEARCH UNSEEN')
  await client.run(`SEARCH SUBJECT ${String(at(5)).padStart(4, '0')}`)
  await client.append('INBOX', Buffer.concat(nextLetter()))
  await client.run('NOOP')
  await client.run('STORE * +FLAGS (\\Deleted)')
  await client.run('EXPUNGE')
  return 16
}

export async function measureImapMix(target: Target, seconds: number): Promise<ImapFigures> {
  const clients = await connectAll(target, secureContext(target.ca))
  try {
    await Promise.all(clients.map(emptyInbox))
    await Promise.all(clients.map((client) => fillInbox(client, MIX_LETTERS)))
    await mixFor(clients, WARM_UP_SECONDS)
    const startMs = performance.now()
    const commands = await mixFor(clients, seconds)
    return { commands, commandsPerSecond: (commands * 1000) / (performance.now() - startMs) }
  } finally {
    for (const client of clients) client.destroy()
  }
}

/** @returns The number of commands. */
async function mixFor(clients: readonly ImapClient[], seconds: number): Promise<number> {
  const stopMs = performance.now() + seconds * 1000
  const counts = await Promise.all(clients.map((client) => mix(client, stopMs)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function mix(client: ImapClient, stopMs: number): Promise<number> {
  let commands = 0
  for (let round = 0; performance.now() < stopMs; round++) commands += await turn(client, round)
  return commands
}
