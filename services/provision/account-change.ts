/**
 * Changes of an account: the directory first (new logins), then the news (caches of the edges), then the shard (live
 * sessions). A command that comes again after a later one on the same account is superseded and changes nothing.
 */
import type { EventPayload } from '#lib/events/events.ts'
import { addressText, parseAddress } from '#lib/ldap/address.ts'
import type { AccountChange } from '#lib/ldap/admin.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { ALIASES_MAX, APP_PASSWORDS_MAX } from '#lib/ldap/limits.ts'
import { APP_PASSWORD_NAME, isAppPasswordHash } from '#lib/sasl/app-password.ts'
import { isPasswordHash } from '#lib/sasl/password.ts'
import { parseScramKeys } from '#lib/sasl/scram.ts'
import { addressOf, requireDomains, requireUnnamed, takenOr } from './addresses.ts'
import { type Applied, type Context, sayChange } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

type Command = EventPayload<'provision.command'>['command']
/** What changes attributes of one account's entry. */
type ChangeKind =
  | 'account.password'
  | 'account.suspend'
  | 'account.resume'
  | 'account.quota'
  | 'account.filter'
  | 'account.name'
  | 'account.alias.add'
  | 'account.alias.remove'
  | 'account.app-password.add'
  | 'account.app-password.remove'
export type ChangeCommand = Extract<Command, { kind: ChangeKind }>
type Change = EventPayload<'account.changed'>['change']

/** What a command does to the entry, what it is called in the news, and what the shard must do. */
interface Plan {
  readonly change: AccountChange
  readonly news: Change
  readonly shard: 'suspend' | 'resume' | 'set-quota' | null
  /** Why live sessions end; null: they go on. */
  readonly ends: string | null
}

function plan(command: ChangeCommand): Plan {
  switch (command.kind) {
    case 'account.password': {
      const { passwordHash, scramKeys } = command.secrets
      if (!isPasswordHash(passwordHash) || parseScramKeys(scramKeys) === null) {
        throw new Refusal('invalid', 'the stored form of the password is malformed')
      }
      return { change: { secrets: command.secrets }, news: 'password', shard: null, ends: 'the password was changed' }
    }
    case 'account.suspend':
      return { change: { status: 'suspended' }, news: 'suspended', shard: 'suspend', ends: 'the account is suspended' }
    case 'account.resume':
      return { change: { status: 'active' }, news: 'resumed', shard: 'resume', ends: null }
    case 'account.quota':
      return { change: { quotaBytes: command.quotaBytes }, news: 'quota', shard: 'set-quota', ends: null }
    case 'account.filter':
      return { change: { filter: command.filter }, news: 'filter', shard: null, ends: null }
    case 'account.name':
      return { change: { displayName: command.displayName }, news: 'name', shard: null, ends: null }
    case 'account.alias.add':
      return { change: { addAlias: addressOf(command.alias) }, news: 'addresses', shard: null, ends: null }
    case 'account.alias.remove':
      return { change: { removeAlias: addressOf(command.alias) }, news: 'addresses', shard: null, ends: null }
    case 'account.app-password.add': {
      const { name, hash } = command.appPassword
      if (!APP_PASSWORD_NAME.test(name) || !isAppPasswordHash(hash)) {
        throw new Refusal('invalid', 'the name or the stored form of the app password is malformed')
      }
      return { change: { addAppPassword: command.appPassword }, news: 'app-passwords', shard: null, ends: null }
    }
    case 'account.app-password.remove':
      return {
        change: { removeAppPassword: command.name },
        news: 'app-passwords',
        shard: null,
        // Which session came with which secret only the edges know: all of the account log in again.
        ends: 'an app password was removed',
      }
    default:
      return command satisfies never
  }
}

export async function changeAccount(context: Context, command: ChangeCommand): Promise<Applied> {
  const wanted = plan(command)
  const { addAlias, removeAlias } = wanted.change
  if (addAlias !== undefined) await requireDomains(context, [addAlias])
  if (removeAlias !== undefined) await requireUnnamed(context, [removeAlias])
  const { account, before } = await applied(context, command, wanted)
  const { shards, accounts } = context.ports
  if (removeAlias !== undefined) await accounts.replaceMember(removeAlias, null)
  await sayChange(context, account, wanted.news, removeAlias === undefined ? [] : [removeAlias])
  if (wanted.shard === 'set-quota') {
    await shards.tell(account.home, { kind: 'set-quota', account: account.id, quotaBytes: account.quotaBytes })
  } else if (wanted.shard !== null) await shards.tell(account.home, { kind: wanted.shard, account: account.id })
  if (wanted.ends !== null) await shards.endSessions(account.home, account.id, wanted.ends)
  return { changed: true, account, before }
}

/** The account after the change, and as it was; null if a try before this one has changed it. @throws {Refusal} */
async function applied(
  context: Context,
  command: ChangeCommand,
  wanted: Plan,
): Promise<{ account: StoredAccount; before: StoredAccount | null }> {
  const { accounts } = context.ports
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const account = await requireAccount(context, command.address)
    const order = standing(context.mark, account.lastCommand)
    if (order === 'same') return { account, before: null } // carried out before the crash: only the rest is left
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${account.address}`)
    if (command.kind === 'account.app-password.add') {
      const names = await accounts.appPasswords(account)
      if (names.length >= APP_PASSWORDS_MAX)
        throw new Refusal('invalid', `${account.address} has too many app passwords`)
    }
    const { addAlias, removeAlias } = wanted.change
    checkAliases(account, addAlias, removeAlias)
    if (await takenOr(accounts.updateAccount(account, context.mark, wanted.change))) {
      const {
        status = account.status,
        quotaBytes = account.quotaBytes,
        displayName = account.displayName,
      } = wanted.change
      const aliases = new Set([...account.aliases, ...(addAlias === undefined ? [] : [addAlias])])
      if (removeAlias !== undefined) aliases.delete(removeAlias)
      const after = { status, quotaBytes, displayName, aliases: [...aliases].sort(), lastCommand: context.mark }
      return { account: { ...account, ...after }, before: account }
    }
  }
  throw new Error(`Cannot change ${command.address}: others change it all the time`)
}

function checkAliases(account: StoredAccount, added: string | undefined, removed: string | undefined): void {
  if (added !== undefined && !account.aliases.includes(added) && account.aliases.length >= ALIASES_MAX) {
    throw new Refusal(
      'invalid',
      `${account.address} has ${account.aliases.length} aliases: no more than ${ALIASES_MAX}`,
    )
  }
  if (removed !== undefined && removed === account.address) {
    throw new Refusal('invalid', `${removed} is the primary address: rename the account instead`)
  }
}

export async function requireAccount(context: Context, text: string): Promise<StoredAccount> {
  const address = parseAddress(text)
  const account = address && (await context.ports.accounts.account(addressText(address)))
  if (!account) throw new Refusal('unknown-account', `there is no account ${text}`)
  if (account.status === 'creating' || account.status === 'deleting') {
    throw new Refusal('in-transition', `${account.address} is ${account.status}`)
  }
  return account
}
