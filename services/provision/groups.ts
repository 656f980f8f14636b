/** Groups: addresses whose mail goes to accounts and other groups of this array. Directory first, then the news, as with accounts. */
import type { EventPayload } from '#lib/events/events.ts'
import type { StoredGroup } from '#lib/ldap/entry.ts'
import type { GroupChange } from '#lib/ldap/group-admin.ts'
import { GROUP_MEMBERS_MAX } from '#lib/ldap/limits.ts'
import { addressOf, requireDomains } from './addresses.ts'
import type { Applied, Context } from './context.ts'
import { CHANGE_TRIES_MAX } from './limits.ts'
import { standing } from './mark.ts'
import { Refusal } from './refusal.ts'

type Command = EventPayload<'provision.command'>['command']
export type GroupCommand = Extract<Command, { kind: `group.${string}` }>
type Create = Extract<Command, { kind: 'group.create' }>
type Change = Exclude<GroupCommand, Create>

export async function changeGroups(context: Context, command: GroupCommand): Promise<Applied> {
  return command.kind === 'group.create' ? await createGroup(context, command) : await changeGroup(context, command)
}

async function createGroup(context: Context, command: Create): Promise<Applied> {
  const address = addressOf(command.address)
  const aliases = distinct(command.aliases).filter((alias) => alias !== address)
  const members = distinct(command.members)
  await requireDomains(context, [address, ...aliases])
  await requireMembers(context, members)
  const { senders, displayName = address } = command
  const wish: StoredGroup = { address, aliases, displayName, senders, members, lastCommand: context.mark }
  const outcome = await context.ports.accounts.addGroup(wish)
  if (outcome.kind === 'address-taken') {
    throw new Refusal('address-taken', `${[address, ...aliases].join(' or ')} belongs to an account or another group`)
  }
  const facts = { members, senders }
  if (outcome.kind === 'exists') {
    const again = standing(context.mark, outcome.group.lastCommand) === 'same'
    if (!again && !sameWish(wish, outcome.group)) {
      throw new Refusal('address-taken', `the group ${address} exists with other members, aliases or senders`)
    }
    if (again) await sayGroup(context, outcome.group)
    return { changed: again, account: null, facts }
  }
  await sayGroup(context, wish)
  return { changed: true, account: null, facts }
}

async function changeGroup(context: Context, command: Change): Promise<Applied> {
  const { accounts } = context.ports
  const address = addressOf(command.address)
  for (let tries = 0; tries < CHANGE_TRIES_MAX; tries++) {
    const group = await accounts.group(address)
    if (group === null) {
      if (command.kind === 'group.delete') return { changed: false, account: null }
      throw new Refusal('unknown-group', `there is no group ${address}`)
    }
    const order = standing(context.mark, group.lastCommand)
    if (order === 'older') throw new Refusal('superseded', `a later command changed ${group.address}`)
    if (command.kind === 'group.delete') {
      if (group.address !== address) throw new Refusal('invalid', `${address} is an alias of ${group.address}`)
      await sayGroup(context, group)
      await accounts.deleteGroup(group)
      return { changed: true, account: null, facts: { members: group.members } }
    }
    if (order === 'newer') {
      const wanted =
        command.kind === 'group.members' ? await membersAfter(context, group, command) : settingsOf(command)
      if (!(await accounts.updateGroup(group, context.mark, wanted))) continue
    }
    await sayGroup(context, group)
    return { changed: true, account: null, facts: factsOf(command) }
  }
  throw new Error(`Cannot change ${address}: others change it all the time`)
}

function factsOf(command: Exclude<Change, { kind: 'group.delete' }>): Record<string, unknown> {
  const { kind: _, address: __, ...facts } = command
  return facts
}

function settingsOf({ displayName, senders, filter }: Extract<Command, { kind: 'group.update' }>): GroupChange {
  return {
    ...(displayName !== undefined && { displayName }),
    ...(senders !== undefined && { senders }),
    ...(filter !== undefined && { filter }),
  }
}

async function membersAfter(
  context: Context,
  group: StoredGroup,
  command: Extract<Change, { kind: 'group.members' }>,
): Promise<GroupChange> {
  const added = distinct(command.add)
  await requireMembers(context, added)
  const members = new Set([...group.members, ...added])
  for (const member of distinct(command.remove)) members.delete(member)
  if (members.size > GROUP_MEMBERS_MAX) {
    throw new Refusal('invalid', `a group has at most ${GROUP_MEMBERS_MAX} members: make groups of groups`)
  }
  return { members: [...members].sort() }
}

/** Members are here: a letter to a group is never sent on to another system. */
async function requireMembers(context: Context, members: readonly string[]): Promise<void> {
  const { accounts } = context.ports
  for (const member of members) {
    const found = (await accounts.account(member)) ?? (await accounts.group(member))
    if (found === null) {
      throw new Refusal('unknown-account', `${member} is neither an account nor a group of this array`)
    }
  }
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts.map(addressOf))].sort()
}

function sameWish(wish: StoredGroup, group: StoredGroup): boolean {
  const key = ({ aliases, members, senders }: StoredGroup) => JSON.stringify([aliases, members, senders])
  return key(wish) === key(group)
}

async function sayGroup(context: Context, group: StoredGroup): Promise<void> {
  const addresses = [group.address, ...group.aliases]
  await context.ports.events.publish('group.changed', { addresses }, `${context.commandId}-group`)
}
