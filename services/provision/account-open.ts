/**
 * Lets an administrator into an account without its password, once: the shard is told the name of the session that may be
 * opened, and that name is in the result, which goes out after the audit record.
 */
import type { EventPayload } from '#lib/events/events.ts'
import { randomId } from '#lib/ports/random.ts'
import { requireAccount } from './account-change.ts'
import type { Applied, Context } from './context.ts'
import { ADMISSION_S } from './limits.ts'
import { Refusal } from './refusal.ts'

type Open = Extract<EventPayload<'provision.command'>['command'], { kind: 'account.open' }>

const TICKET_CHARS = 32

export async function openAccount(context: Context, command: Open): Promise<Applied> {
  const account = await requireAccount(context, command.address)
  if (account.status !== 'active') throw new Refusal('in-transition', `${account.address} is ${account.status}`)
  const ticket = randomId(context.ports.random, TICKET_CHARS)
  await context.ports.shards.tell(account.home, { kind: 'admit', account: account.id, ticket, seconds: ADMISSION_S })
  return { changed: true, account, ticket }
}
