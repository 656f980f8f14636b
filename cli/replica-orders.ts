/** What the commands that give replicas orders share: whom the words on the command line mean, the order itself, who serves then. */
import { RoleCommand, RoleResult } from '#lib/frames/role-command.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import type { OperatorStatus } from '#operator/api/local-layout.ts'
import { primaryOf, shardNames } from './array-status.ts'
import { type CommandContext, CommandFailure, Exit } from './context.ts'
import { operatorStatus } from './control-client.ts'
import { type ReplicaName, replicasOf } from './members.ts'
import type { ShardLink } from './shard-link.ts'
import { askReplicas } from './shard-reports.ts'

/** A handover is called off after a second; a swap of the ledger and a slow machine come on top. */
const COMMAND_MS = 10_000
/** Until the new primary serves: it brings its index up to its log first. */
export const SERVE_MS = 10_000
const POLL_MS = 25

export async function order(link: ShardLink, replica: ReplicaName, command: RoleCommand): Promise<RoleResult> {
  const payload = Buffer.from(JSON.stringify(RoleCommand.parse(command)))
  const answer = await link.ask(replica, FrameType.roleCommand, [payload], COMMAND_MS)
  return RoleResult.parse(JSON.parse(answer.toString('utf8')))
}

/** @returns the member that is primary and for which `wanted` holds; null if there is none within `withinMs`. */
export async function primaryThat(
  link: ShardLink,
  shard: string,
  wanted: (member: number) => boolean,
  withinMs = SERVE_MS,
): Promise<number | null> {
  const deadlineMs = nodeClock.monotonicMs() + withinMs
  while (nodeClock.monotonicMs() < deadlineMs) {
    const { reports } = await askReplicas(link, replicasOf([shard]))
    const primary = primaryOf(reports)
    if (primary && wanted(primary.member)) return primary.member
    await sleep(nodeClock, POLL_MS)
  }
  return null
}

/** @throws {CommandFailure} if no array runs */
export async function runningArray({ layout, say }: CommandContext): Promise<OperatorStatus> {
  const operator = await operatorStatus(layout.controlSocket)
  if (!operator) throw new CommandFailure(say('notRunning'), Exit.notRunning)
  return operator
}

export async function arrayShards(context: CommandContext): Promise<string[]> {
  return shardNames(await runningArray(context))
}

export function shardFrom(context: CommandContext, command: string, shards: readonly string[]): string {
  const shard = oneWord(context, command, 'SHARD')
  if (!shards.includes(shard)) {
    throw new CommandFailure(context.say('shardUnknown', { shard, names: shards.join(', ') }), Exit.usage)
  }
  return shard
}

export function oneWord({ words, say }: CommandContext, command: string, what: string): string {
  const [word, extra] = words
  if (word === undefined) throw new CommandFailure(say('missingArgument', { command, what }), Exit.usage)
  if (extra !== undefined) {
    throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  }
  return word
}
