/** `twinpost group ...`: addresses whose mail goes to many. */
import { GROUP_SENDERS, type GroupSenders } from '#lib/directory/port.ts'
import { GROUP_MEMBERS_PER_COMMAND_MAX } from '#lib/events/events.ts'
import type { StoredGroup } from '#lib/ldap/entry.ts'
import { addressWord, carryOut, mustRun, wordsOf } from '../administered.ts'
import { withDirectory } from '../administration.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { table } from '../table.ts'

export async function groupAdd(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const { address, members } = groupAndMembers(context, 'group add', false)
  const senders = sendersOf(context)
  const [first = [], ...more] = inParts(members)
  const name = options.name === null ? {} : { displayName: options.name }
  await carryOut(context, { kind: 'group.create', address, members: first, ...name, ...(senders && { senders }) })
  for (const add of more) await carryOut(context, { kind: 'group.members', address, add })
  print(say('groupCreated', { address, count: members.length }))
  return Exit.done
}

export async function groupSet(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const [text] = wordsOf(context, 'group set', 'ADDRESS')
  const address = addressWord(context, text)
  const senders = sendersOf(context)
  if (senders === null && options.name === null) {
    throw new CommandFailure(say('missingArgument', { command: 'group set', what: '--senders, --name' }), Exit.usage)
  }
  const name = options.name === null ? {} : { displayName: options.name }
  await carryOut(context, { kind: 'group.update', address, ...name, ...(senders && { senders }) })
  print(say('groupChanged', { address }))
  return Exit.done
}

export const groupJoin = (context: CommandContext) => changeMembers(context, 'group join', 'add')
export const groupLeave = (context: CommandContext) => changeMembers(context, 'group leave', 'remove')

async function changeMembers(context: CommandContext, command: string, how: 'add' | 'remove'): Promise<Exit> {
  const { address, members } = groupAndMembers(context, command, true)
  for (const part of inParts(members)) await carryOut(context, { kind: 'group.members', address, [how]: part })
  context.print(context.say('groupChanged', { address }))
  return Exit.done
}

export async function groupDelete(context: CommandContext): Promise<Exit> {
  const { say, print } = context
  const [text] = wordsOf(context, 'group delete', 'ADDRESS')
  const address = addressWord(context, text)
  await carryOut(context, { kind: 'group.delete', address })
  print(say('groupDeleted', { address }))
  return Exit.done
}

export async function groupList(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  wordsOf(context, 'group list')
  await mustRun(context)
  const groups: StoredGroup[] = []
  await withDirectory(layout, (directory) =>
    directory.eachGroup(options.domain === null ? {} : { domain: options.domain }, (found) => {
      groups.push(...found)
      return true
    }),
  )
  groups.sort((a, b) => (a.address < b.address ? -1 : 1))
  if (options.output === 'json') {
    print(JSON.stringify(groups.map(shown), null, 2))
    return Exit.done
  }
  print(
    table([
      [say('headAddress'), say('headSenders'), say('headMembers'), say('headName')],
      ...groups.map((group) => [group.address, group.senders, String(group.members.length), group.displayName]),
    ]),
  )
  return Exit.done
}

export async function groupShow(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const [text] = wordsOf(context, 'group show', 'ADDRESS')
  const address = addressWord(context, text)
  await mustRun(context)
  const group = await withDirectory(layout, (directory) => directory.group(address))
  if (!group) throw new CommandFailure(say('groupUnknown', { address }))
  if (options.output === 'json') {
    print(JSON.stringify(shown(group), null, 2))
    return Exit.done
  }
  const lines = (texts: readonly string[]) => (texts.length === 0 ? say('none') : texts.join(', '))
  print(
    table([
      [say('headAddress'), group.address],
      [say('headName'), group.displayName],
      [say('headSenders'), group.senders],
      [say('headAliases'), lines(group.aliases)],
      [say('headMembers'), lines(group.members)],
    ]),
  )
  return Exit.done
}

function shown({ address, aliases, displayName, senders, members }: StoredGroup) {
  return { address, aliases, displayName, senders, members }
}

function groupAndMembers(
  context: CommandContext,
  command: string,
  some: boolean,
): { readonly address: string; readonly members: readonly string[] } {
  const [group, ...members] = wordsOf(context, command, 'ADDRESS', some ? 'MEMBER...' : '[MEMBER...]')
  return { address: addressWord(context, group), members: members.map((member) => addressWord(context, member)) }
}

/** @returns null if nothing was said. */
function sendersOf({ options, say }: CommandContext): GroupSenders | null {
  if (options.senders === null) return null
  const found = GROUP_SENDERS.find((word) => word === options.senders)
  if (found) return found
  if (options.senders === 'moderated') throw new CommandFailure(say('groupModerated'), Exit.usage)
  const choices = GROUP_SENDERS.join(', ')
  throw new CommandFailure(say('choiceUnknown', { word: options.senders, choices }), Exit.usage)
}

function inParts(members: readonly string[]): string[][] {
  const parts: string[][] = []
  for (let at = 0; at < members.length; at += GROUP_MEMBERS_PER_COMMAND_MAX) {
    parts.push(members.slice(at, at + GROUP_MEMBERS_PER_COMMAND_MAX))
  }
  return parts
}
