/** `twinpost stop` and `start`: one member of a MailNode, as one drains a node before work on it. Its volume stays. */
import { primaryOf, shardNames } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { memberWish } from '../control-client.ts'
import { memberNames, podName, replicasNamed, replicasOf } from '../members.ts'
import { oneWord, runningArray } from '../replica-orders.ts'
import { askShards } from '../shard-reports.ts'

export async function stop(context: CommandContext): Promise<Exit> {
  const { layout, say, print, options } = context
  const { member, shards } = await memberFrom(context, 'stop')
  const needed = await shardsThatNeed(context, member, shards)
  if (needed.length > 0 && !options.force) {
    throw new CommandFailure(say('stopLeavesNone', { member, shards: needed.join(', ') }))
  }
  if (!(await memberWish(layout.controlSocket, member, 'stop')))
    throw new CommandFailure(say('stopFailedMember', { member }))
  print(say('memberStopped', { member }))
  return Exit.done
}

export async function start(context: CommandContext): Promise<Exit> {
  const { layout, say, print } = context
  const { member } = await memberFrom(context, 'start')
  if (!(await memberWish(layout.controlSocket, member, 'start')))
    throw new CommandFailure(say('stopFailedMember', { member }))
  print(say('memberStarted', { member }))
  return Exit.done
}

async function memberFrom(context: CommandContext, command: string): Promise<{ member: string; shards: string[] }> {
  const all = shardNames(await runningArray(context))
  const member = oneWord(context, command, 'MEMBER')
  const names = memberNames(all)
  if (!names.includes(member)) {
    const example = names[0] ?? 'n1-0'
    throw new CommandFailure(
      context.say('memberUnknownName', { name: member, names: names.join(', '), example }),
      Exit.usage,
    )
  }
  return { member, shards: replicasNamed(member, all).map(({ shard }) => shard) }
}

/** Shards that nobody could serve without this member: it is primary, or named, and the other one is not in sync. */
async function shardsThatNeed(
  { layout }: CommandContext,
  member: string,
  shards: readonly string[],
): Promise<string[]> {
  const { reports } = await askShards(layout, shards)
  return shards.filter((shard) => {
    const authority = primaryOf(reports.filter((report) => report.shard === shard))
    if (authority === null) return true
    const others = replicasOf([shard]).filter((replica) => podName(shard, replica.member) !== member)
    return !others.some((replica) => authority.inSync.includes(replica.member))
  })
}
