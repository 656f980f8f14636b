/**
 * Deletion. With a grace the account is hidden from mail and login, its shard lets nobody in, and everything is kept until the
 * grace is over or the deletion is undone. For good: hidden first, then the news, then the shard gives up the account, and
 * the entry goes last: as long as anything is left to do, the entry is there to say so.
 */
import type { EventPayload } from '#lib/events/events.ts'
import type { Deletion, StoredAccount } from '#lib/ldap/entry.ts'
import { addressOf, requireUnnamed } from './addresses.ts'
import { type Applied, type Context, sayChange } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

type Command = EventPayload<'provision.command'>['command']
type Delete = Extract<Command, { kind: 'account.delete' }>
type Undelete = Extract<Command, { kind: 'account.undelete' }>

/** @returns `changed` false when there is no such account: a repeat of a deletion finds it so. */
export async function deleteAccount(context: Context, command: Delete): Promise<Applied> {
  const { accounts } = context.ports
  const address = addressOf(command.address)
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const account = await accounts.account(address)
    if (account === null) return { changed: false, account: null }
    if (account.address !== address) throw new Refusal('invalid', `${address} is an alias of ${account.address}`)
    const order = standing(context.mark, account.lastCommand)
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${address}`)
    let deleted = account
    if (order === 'newer') {
      await requireUnnamed(context, [account.address, ...account.aliases])
      const change = { status: 'deleting' as const, deletion: deletionOf(account, command.graceSeconds, context.nowMs) }
      if (!(await accounts.updateAccount(account, context.mark, change))) continue
      deleted = { ...account, ...change }
    }
    if (deleted.deletion === null) await purge(context, deleted)
    else await hide(context, deleted)
    return { changed: true, account: { ...deleted, status: 'deleting' }, before: order === 'newer' ? account : null }
  }
  throw new Error(`Cannot delete ${address}: others change it all the time`)
}

/** Null: for good. What is not finished, or is going for good already, has nothing to come back to. */
function deletionOf(account: StoredAccount, graceSeconds: number, nowMs: number): Deletion | null {
  const final = account.status === 'creating' || (account.status === 'deleting' && account.deletion === null)
  return graceSeconds === 0 || final ? null : { atMs: nowMs + graceSeconds * 1000, before: former(account) }
}

async function hide(context: Context, account: StoredAccount): Promise<void> {
  const { shards } = context.ports
  await sayChange(context, account, 'deleted')
  await shards.tell(account.home, { kind: 'suspend', account: account.id })
  await shards.endSessions(account.home, account.id, 'the account was deleted')
}

/** The status that undoing brings back. */
function former(account: StoredAccount): Deletion['before'] {
  return account.deletion?.before ?? (account.status === 'suspended' ? 'suspended' : 'active')
}

/** What is left to do for an account whose entry says that it goes for good. May be repeated. */
export async function purge(context: Context, account: StoredAccount): Promise<void> {
  const { accounts, shards } = context.ports
  await sayChange(context, account, 'deleted')
  await shards.endSessions(account.home, account.id, 'the account was deleted')
  await shards.tell(account.home, { kind: 'delete', account: account.id })
  for (const address of [account.address, ...account.aliases]) await accounts.replaceMember(address, null)
  await accounts.deleteAccount(account)
}

/** Brings a deleted account back within its grace, with the status that it had. */
export async function undeleteAccount(context: Context, command: Undelete): Promise<Applied> {
  const { accounts, shards } = context.ports
  const address = addressOf(command.address)
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const account = await accounts.account(address)
    if (account === null) throw new Refusal('unknown-account', `there is no account ${address}`)
    const order = standing(context.mark, account.lastCommand)
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${account.address}`)
    let restored = account
    if (order === 'newer') {
      if (account.status !== 'deleting') return { changed: false, account }
      if (account.deletion === null) throw new Refusal('in-transition', `${account.address} is going for good already`)
      const change = { status: account.deletion.before, deletion: null }
      if (!(await accounts.updateAccount(account, context.mark, change))) continue
      restored = { ...account, ...change }
    }
    if (restored.status === 'active') await shards.tell(restored.home, { kind: 'resume', account: restored.id })
    await sayChange(context, restored, 'restored')
    return { changed: true, account: restored, before: order === 'newer' ? account : null }
  }
  throw new Error(`Cannot bring back ${address}: others change it all the time`)
}
