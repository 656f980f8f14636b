/**
 * Creation: the directory's add is the choice of the shard; the shard's own record makes it true; only then is the account
 * active (rules.md, Moves). Every step can be repeated, so a command that comes again goes through them all once more.
 */
import type { EventPayload } from '#lib/events/events.ts'
import { canonicalAddress } from '#lib/ldap/address.ts'
import type { NewAccount, StoredAccount } from '#lib/ldap/entry.ts'
import { type AccountId, type ShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { isPasswordHash } from '#lib/sasl/password.ts'
import { parseScramKeys } from '#lib/sasl/scram.ts'
import { requireDomains } from './addresses.ts'
import { type Applied, type Context, sayChange } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

type Create = Extract<EventPayload<'provision.command'>['command'], { kind: 'account.create' }>

const ACCOUNT_ID_CHARS = 16

export async function createAccount(context: Context, command: Create): Promise<Applied> {
  const wish = checked(command)
  const { ports, mark } = context
  await requireDomains(context, [wish.address, ...wish.aliases])
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const existing = await ports.accounts.account(wish.address)
    const account = existing ?? (await add(context, wish))
    if (account === null) continue // another command was faster: look again
    if (account.address !== wish.address) {
      throw new Refusal('address-taken', `${wish.address} is an alias of another account`)
    }
    const order = standing(mark, account.lastCommand)
    if (account.status === 'deleting') throw new Refusal('in-transition', `${wish.address} is being deleted`)
    if (account.status !== 'creating') {
      if (order !== 'same') requireSame(wish, account)
      if (order === 'same') await sayCreated(context, account)
      return { changed: order === 'same', account }
    }
    if (order === 'older') throw new Refusal('superseded', `a later command creates ${wish.address}`)
    const owned = order === 'same' ? account : await takeOver(context, account, wish)
    if (owned === null) continue
    const { id, home, quotaBytes } = owned
    await ports.shards.tell(home, { kind: 'own', account: id, generation: 1, quotaBytes, locale: owned.locale })
    if (!(await ports.accounts.updateAccount(owned, mark, { status: 'active' }))) continue
    const active: StoredAccount = { ...owned, status: 'active' }
    await sayCreated(context, active)
    return { changed: true, account: active }
  }
  throw new Error(`Cannot create ${wish.address}: others change it all the time`)
}

interface Wish extends Omit<NewAccount, 'id' | 'home' | 'lastCommand'> {
  readonly pinned: ShardName | null
}

/** @throws {Refusal} invalid */
function checked(command: Create): Wish {
  const addresses = [command.address, ...command.aliases].map((text) => {
    const address = canonicalAddress(text)
    if (address === null) throw new Refusal('invalid', `${JSON.stringify(text)} cannot be an address of an account`)
    return address
  })
  const { passwordHash, scramKeys } = command.secrets
  if (!isPasswordHash(passwordHash) || parseScramKeys(scramKeys) === null) {
    throw new Refusal('invalid', 'the stored form of the password is malformed')
  }
  const [address = '', ...aliases] = addresses
  return {
    address,
    aliases: [...new Set(aliases)].filter((alias) => alias !== address).sort(),
    displayName: command.displayName ?? address,
    quotaBytes: command.quotaBytes,
    locale: command.locale,
    entitlements: [],
    secrets: command.secrets,
    pinned: command.home === null ? null : toShardName(command.home),
  }
}

/** @returns null when the entry is there after all. */
async function add(context: Context, wish: Wish): Promise<StoredAccount | null> {
  const { pinned, ...rest } = wish
  const id: AccountId = toAccountId(randomId(context.ports.random, ACCOUNT_ID_CHARS))
  const home = await context.placement.choose(pinned)
  const outcome = await context.ports.accounts.addAccount({ ...rest, id, home, lastCommand: context.mark })
  switch (outcome.kind) {
    case 'added':
      return outcome.account
    case 'exists':
      return null
    case 'address-taken':
      throw new Refusal('address-taken', `${outcome.address} belongs to another account`)
    default:
      return outcome satisfies never
  }
}

/** An account is active already: the command is a repeat if it wishes what is there, else the address is taken. */
function requireSame(wish: Wish, account: StoredAccount): void {
  const sameAliases = JSON.stringify(wish.aliases) === JSON.stringify(account.aliases)
  if (!sameAliases || (wish.pinned !== null && wish.pinned !== account.home)) {
    throw new Refusal('address-taken', `${wish.address} exists with other aliases or on another shard`)
  }
}

/** Another command began this account and did not finish: it is finished as this one wishes, on the shard chosen then. */
async function takeOver(context: Context, account: StoredAccount, wish: Wish): Promise<StoredAccount | null> {
  requireSame(wish, account)
  const change = { secrets: wish.secrets, quotaBytes: wish.quotaBytes }
  const done = await context.ports.accounts.updateAccount(account, context.mark, change)
  return done ? { ...account, quotaBytes: wish.quotaBytes, lastCommand: context.mark } : null
}

async function sayCreated(context: Context, account: StoredAccount): Promise<void> {
  const addresses = [account.address, ...account.aliases]
  const { id, home, generation } = account
  await context.ports.events.publish(
    'route.changed',
    { account: id, addresses, home, generation },
    `${context.commandId}-route`,
  )
  await sayChange(context, account, 'created')
}
