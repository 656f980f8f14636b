/**
 * An administrator's session of an account, without its password: provisioning writes down who wants it and why, and tells
 * the shard the name of the one session that may be opened (`account.open`).
 */
import { join } from 'node:path'
import { createDialer } from '#lib/link/dialer.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { readTlsMaterial } from '#lib/tls/material.ts'
import { actorName, carryOut } from '../administered.ts'
import { type CommandContext, CommandFailure } from '../context.ts'
import { MailboxClient } from './mailbox-client.ts'

const PATIENCE_MS = 10_000

/**
 * Runs `work` on the account's mailboxes and ends the session.
 * @param how `write`: the account must be active, since a suspended one takes nothing; `read`: it may be suspended or deleted
 */
export async function withAccount<T>(
  context: CommandContext,
  address: string,
  reason: string,
  how: 'read' | 'write',
  work: (client: MailboxClient) => Promise<T>,
): Promise<T> {
  const { layout, say } = context
  const { account, ticket } = await carryOut(context, { kind: 'account.open', address, reason })
  if (!account || ticket === undefined) throw new CommandFailure(say('accountUnknown', { address }))
  if (how === 'write' && account.status !== 'active') {
    throw new CommandFailure(say('mailNotActive', { address, status: account.status }))
  }
  const resolve = createResolver(layout.hostsFile)
  const tls = readTlsMaterial(join(layout.secretsDir, 'cli'))
  const dialer = createDialer({ tls: () => tls, resolve, clock: nodeClock })
  const addressing = { hostPattern: '{mailNode}-{member}.{mailNode}.default.svc', pod: null, socketDir: null }
  const router = createShardRouter({ dialer, addressing, clock: nodeClock, caller: 'cli' })
  try {
    const session = await router.openSession(toShardName(account.home), PATIENCE_MS, {
      protocol: 'imap',
      account: toAccountId(account.id),
      login: `administrator ${actorName()}`,
      sessionId: ticket,
      clientAddress: '127.0.0.1',
      clientPort: 0,
      tls: null,
      clientId: ['name', 'twinpost'],
    })
    if (session.kind === 'refused') {
      throw new CommandFailure(say('accountRefused', { address, problem: session.refusal.message }))
    }
    const client = new MailboxClient(session.stream, session.early)
    await client.begin()
    const result = await work(client)
    await client.end()
    return result
  } finally {
    router.close()
  }
}
