/** `twinpost filter ...`: what accounts and domains wish of the mail filter. */
import { userInfo } from 'node:os'
import { type FilterWish, NO_WISH } from '#lib/filter/settings.ts'
import { canonicalDomain } from '#lib/ldap/address.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { operatorStatus } from '../control-client.ts'
import { changedWish } from '../filter-wish.ts'
import { table } from '../table.ts'

interface Wished {
  readonly kind: 'account' | 'group' | 'domain'
  /** Address or name of the domain. */
  readonly of: string
  readonly wish: FilterWish
}

export async function filterShow(context: CommandContext): Promise<Exit> {
  const { options, layout, print } = context
  const target = await targetOf(context, 'filter show')
  const wishes = await withDirectory(layout, (directory) => wishesOf(context, directory, target))
  if (options.output === 'json') print(JSON.stringify(wishes, null, 2))
  else printWishes(context, wishes)
  return Exit.done
}

export async function filterSet(context: CommandContext): Promise<Exit> {
  const { options, layout, say } = context
  const target = await targetOf(context, 'filter set')
  const { level, allow, deny, forget } = options
  if (level === null && allow.length + deny.length + forget.length === 0) {
    const what = '--level, --allow, --deny, --forget'
    throw new CommandFailure(say('missingArgument', { command: 'filter set', what }), Exit.usage)
  }
  const [first] = await withDirectory(layout, (directory) => wishesOf(context, directory, target))
  const changed = changedWish(first?.wish ?? NO_WISH, { level, allow, deny, forget })
  if (changed.kind === 'mistake') throw new CommandFailure(say('filterMistake', { what: changed.what }), Exit.usage)
  if (changed.kind === 'too-many') throw new CommandFailure(say('filterTooMany', { count: changed.most }))
  const result = await withProvisioning(layout, userInfo().username, (client) =>
    client.setFilter(first?.of ?? target, changed.wish, first?.kind ?? 'domain'),
  )
  if (!result.ok) {
    const problem = `${result.message} (${result.code})`
    throw new CommandFailure(say('accountRefused', { address: target, problem }))
  }
  printWishes(context, await withDirectory(layout, (directory) => wishesOf(context, directory, target)))
  return Exit.done
}

async function targetOf({ words, say, layout }: CommandContext, command: string): Promise<string> {
  const [target, extra] = words
  if (target === undefined) {
    throw new CommandFailure(say('missingArgument', { command, what: 'ADDRESS|DOMAIN' }), Exit.usage)
  }
  if (extra !== undefined) throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  if (!(await operatorStatus(layout.controlSocket))) throw new CommandFailure(say('notRunning'), Exit.notRunning)
  return target
}

/** From near to far: of the account or group, then of its domain. @throws {CommandFailure} for one that is not there */
async function wishesOf(
  { say }: Pick<CommandContext, 'say'>,
  directory: Pick<DirectoryAdmin, 'account' | 'group' | 'domain'>,
  target: string,
): Promise<Wished[]> {
  const wishes: Wished[] = []
  if (target.includes('@')) {
    const account = await directory.account(target.toLowerCase())
    const group = account === null ? await directory.group(target.toLowerCase()) : null
    const found = account ?? group
    if (found === null) throw new CommandFailure(say('accountUnknown', { address: target }))
    wishes.push({ kind: group === null ? 'account' : 'group', of: found.address, wish: found.filter ?? NO_WISH })
  }
  const name = canonicalDomain((wishes[0]?.of ?? target).replace(/^.*@/, ''))
  const domain = name === null ? null : await directory.domain(name)
  if (domain !== null) wishes.push({ kind: 'domain', of: domain.name, wish: domain.filter ?? NO_WISH })
  else if (wishes.length === 0) throw new CommandFailure(say('filterNoDomain', { domain: target }))
  return wishes
}

function printWishes({ say, print }: CommandContext, wishes: readonly Wished[]): void {
  const list = (entries: readonly string[]) => (entries.length === 0 ? say('none') : entries.join(' '))
  print(
    table([
      [say('headWho'), say('headLevel'), say('headAllow'), say('headDeny')],
      ...wishes.map(({ of, wish }) => [of, wish.level ?? say('none'), list(wish.allow), list(wish.deny)]),
    ]),
  )
  print(say('filterRest'))
}
