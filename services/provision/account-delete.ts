/**
 * Deletion: hidden from mail and login first, then the news, then the shard gives up the account, and the entry goes last: as
 * long as anything is left to do, the entry is there to say so.
 */
import { canonicalAddress } from '#lib/ldap/address.ts'
import { type Applied, type Context, sayChange } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

/** @returns `changed` false when there is no such account: a repeat of a deletion finds it so. */
export async function deleteAccount(context: Context, text: string): Promise<Applied> {
  const { accounts, shards } = context.ports
  const address = canonicalAddress(text)
  if (address === null) throw new Refusal('invalid', `${JSON.stringify(text)} cannot be an address of an account`)
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const account = await accounts.account(address)
    if (account === null) return { changed: false, account: null }
    if (account.address !== address) throw new Refusal('invalid', `${address} is an alias of ${account.address}`)
    const order = standing(context.mark, account.lastCommand)
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${address}`)
    if (order === 'newer' || account.status !== 'deleting') {
      if (!(await accounts.updateAccount(account, context.mark, { status: 'deleting' }))) continue
    }
    await sayChange(context, account, 'deleted')
    await shards.endSessions(account.home, account.id, 'the account was deleted')
    await shards.tell(account.home, { kind: 'delete', account: account.id })
    await accounts.deleteAccount(account)
    return { changed: true, account: { ...account, status: 'deleting' } }
  }
  throw new Error(`Cannot delete ${address}: others change it all the time`)
}
