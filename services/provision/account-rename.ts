/**
 * Another primary address for the same account: its id, mail and home shard stay. The directory learns the new address, then
 * the name of the entry changes, then the old address goes if it shall; groups that named the old one follow.
 */
import type { EventPayload } from '#lib/events/events.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { requireAccount } from './account-change.ts'
import { addressOf, requireDomains, requireUnnamed, takenOr } from './addresses.ts'
import { type Applied, type Context, sayChange } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

type Rename = Extract<EventPayload<'provision.command'>['command'], { kind: 'account.rename' }>

export async function renameAccount(context: Context, command: Rename): Promise<Applied> {
  const { accounts } = context.ports
  const from = addressOf(command.address)
  const to = addressOf(command.to)
  await requireDomains(context, [to])
  if (!command.keepAlias) await requireUnnamed(context, [from])
  let before: StoredAccount | null = null
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const account = await found(context, from, to)
    const order = standing(context.mark, account.lastCommand)
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${account.address}`)
    if (order === 'newer') {
      if (account.address !== from) {
        if (account.address === to) return { changed: false, account }
        throw new Refusal('invalid', `${from} is an alias of ${account.address}: name the account by its address`)
      }
      if (from === to) return { changed: false, account }
      before = account
    }
    if (account.address !== to) {
      if (!(await takenOr(accounts.renameAccount(account, context.mark, to)))) continue
      continue // as it is now
    }
    if (!command.keepAlias && account.aliases.includes(from)) {
      if (!(await accounts.updateAccount(account, context.mark, { removeAlias: from }))) continue
      continue
    }
    if (!command.keepAlias) await accounts.replaceMember(from, to)
    // Last: caches drop the groups that had the old address together with it.
    await sayChange(context, account, 'addresses', [from])
    return { changed: true, account, before }
  }
  throw new Error(`Cannot rename ${from}: others change it all the time`)
}

/** By its old address, or by its new one when a try before this one has renamed it. */
async function found(context: Context, from: string, to: string): Promise<StoredAccount> {
  const renamed = await context.ports.accounts.account(to)
  if (renamed && standing(context.mark, renamed.lastCommand) === 'same') return renamed
  return await requireAccount(context, from)
}
