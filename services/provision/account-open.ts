/**
 * Lets an administrator into an account without its password, once: the shard is told the name of the session that may be
 * opened, and that name is in the result, which goes out after the audit record.
 */
import type { EventPayload } from '#lib/events/events.ts'
import { randomId } from '#lib/ports/random.ts'
import { addressOf } from './addresses.ts'
import type { Applied, Context } from './context.ts'
import { ADMISSION_S } from './limits.ts'
import { Refusal } from './refusal.ts'

type Open = Extract<EventPayload<'provision.command'>['command'], { kind: 'account.open' }>

const TICKET_CHARS = 32

export async function openAccount(context: Context, command: Open): Promise<Applied> {
  const account = await context.ports.accounts.account(addressOf(command.address))
  if (account === null) throw new Refusal('unknown-account', `there is no account ${command.address}`)
  // Also one that is suspended, or deleted and within its grace: its mail is exported then.
  if (account.status === 'creating' || (account.status === 'deleting' && account.deletion === null)) {
    throw new Refusal('in-transition', `${account.address} is ${account.status}`)
  }
  const ticket = randomId(context.ports.random, TICKET_CHARS)
  await context.ports.shards.tell(account.home, { kind: 'admit', account: account.id, ticket, seconds: ADMISSION_S })
  return { changed: true, account, ticket }
}
