/** `twinpost switchover`, `fence`, `unfence` and `promote`: who is primary of a shard, by an administrator's will. */
import type { RoleResult } from '#lib/frames/role-command.ts'
import type { StatusReport } from '#lib/frames/status-report.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { primaryOf, shardNames } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { memberNames, otherMember, podName, type ReplicaName, replicasNamed, replicasOf } from '../members.ts'
import { arrayShards, oneWord, order, primaryThat, runningArray, SERVE_MS, shardFrom } from '../replica-orders.ts'
import { type ShardLink, withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'

/** A replica that was promoted by force gives every message a new MODSEQ before it serves. */
const FORCED_SERVE_MS = 60_000

export async function switchover(context: CommandContext): Promise<Exit> {
  const { layout, say, print, options } = context
  const shard = shardFrom(context, 'switchover', await arrayShards(context))
  return await withShards(layout, async (link) => {
    const primary = await mustHavePrimary(context, link, shard)
    const successorName: ReplicaName = { shard, member: otherMember(primary) }
    if (await isFenced(link, successorName)) {
      const member = podName(shard, successorName.member)
      throw new CommandFailure(say('switchoverFenced', { shard, member }))
    }
    const startedMs = nodeClock.monotonicMs()
    const result = await order(link, { shard, member: primary }, { kind: 'switchover' })
    if (!result.done) throw new CommandFailure(result.words)
    const successor = await primaryThat(link, shard, (member) => member !== primary)
    if (successor === null) throw new CommandFailure(say('switchoverUnseen', { shard, seconds: SERVE_MS / 1_000 }))
    const ms = Math.round(nodeClock.monotonicMs() - startedMs)
    const member = podName(shard, successor)
    if (options.output === 'json') print(JSON.stringify({ shard, primary: member, ms }))
    else print(say('switchoverDone', { shard, member, ms, former: podName(shard, primary) }))
    return Exit.done
  })
}

export function fence(context: CommandContext): Promise<Exit> {
  return orderEach(context, 'fence')
}

export function unfence(context: CommandContext): Promise<Exit> {
  return orderEach(context, 'unfence')
}

export async function promote(context: CommandContext): Promise<Exit> {
  const { layout, say, print, options } = context
  const operator = await runningArray(context)
  const shard = shardFrom(context, 'promote', shardNames(operator))
  if (!options.force) throw new CommandFailure(say('promoteWithoutForce', { shard }), Exit.usage)
  const { member } = options
  if (member === null) {
    throw new CommandFailure(say('missingArgument', { command: 'promote', what: '--member' }), Exit.usage)
  }
  const target = podName(shard, member)
  const other = podName(shard, otherMember(member))
  return await withShards(layout, async (link) => {
    const { reports, silent } = await askReplicas(link, replicasOf([shard]))
    const own = reports.find((report) => report.member === member)
    if (!own) {
      const problem = silent.find((replica) => replica.member === member)?.problem ?? say('none')
      throw new CommandFailure(say('shardSilent', { shard, member, problem }))
    }
    if (options.output === 'table') for (const line of mayBeLost(context, own, target, other)) print(line)
    const seenStopped = operator.stoppedMembers.includes(other)
    if (!seenStopped && options.confirmStopped !== other) {
      throw new CommandFailure(say('promoteUnconfirmed', { shard, member, other }), Exit.usage)
    }
    if (reports.some((report) => report.member !== member)) {
      throw new CommandFailure(say('promoteOtherLives', { shard, other }))
    }
    const result = await order(link, { shard, member }, { kind: 'promote', otherStopped: other, seenStopped })
    const exit = tell(context, [{ shard, member, result }])
    if (result.done && (await primaryThat(link, shard, (serving) => serving === member, FORCED_SERVE_MS)) === null) {
      throw new CommandFailure(say('promoteUnseen', { shard, member: target, seconds: FORCED_SERVE_MS / 1_000 }))
    }
    return exit
  })
}

/** What a person must know before they say yes. */
function mayBeLost({ say }: CommandContext, own: StatusReport, target: string, other: string): string[] {
  const { shard, lastLsn, commitLsn, phase } = own
  const inSync = own.inSync.includes(own.member)
  return [
    say('promoteTarget', { shard, member: target, lsn: lastLsn, commit: commitLsn, phase }),
    inSync ? say('promoteLosesNothing', { member: target }) : say('promoteLoses', { other, lsn: lastLsn }),
  ]
}

async function orderEach(context: CommandContext, kind: 'fence' | 'unfence'): Promise<Exit> {
  const { layout, say } = context
  const shards = await arrayShards(context)
  const name = oneWord(context, kind, 'MEMBER')
  const replicas = replicasNamed(name, shards)
  if (replicas.length === 0) {
    const example = `${shards[0] ?? 'n1/0'}@1`
    const names = memberNames(shards).join(', ')
    throw new CommandFailure(say('memberUnknown', { name, names, example }), Exit.usage)
  }
  return await withShards(layout, async (link) => {
    const answers: Answer[] = []
    // One after another: a member that is primary of several shards hands them over one at a time.
    for (const replica of replicas) {
      const other: ReplicaName = { shard: replica.shard, member: otherMember(replica.member) }
      if (kind === 'fence' && (await isFenced(link, other))) {
        const names = { member: podName(replica.shard, replica.member), other: podName(replica.shard, other.member) }
        answers.push({
          ...replica,
          result: { done: false, words: say('fenceBoth', { shard: replica.shard, ...names }) },
        })
        continue
      }
      const result = await order(link, replica, { kind }).catch((error: unknown): RoleResult => {
        const { shard, member } = replica
        const problem = error instanceof Error ? error.message : String(error)
        return { done: false, words: say('shardSilent', { shard, member, problem }) }
      })
      answers.push({ ...replica, result })
    }
    return tell(context, answers)
  })
}

type Answer = ReplicaName & { readonly result: RoleResult }

/** Prints what the replicas answered: what failed goes to standard error. */
function tell({ options, print, complain }: CommandContext, answers: readonly Answer[]): Exit {
  if (options.output === 'json') {
    const lines = answers.map(({ shard, member, result }) => ({ shard, member: podName(shard, member), ...result }))
    print(JSON.stringify(lines, null, 2))
  } else {
    for (const { result } of answers) (result.done ? print : complain)(result.words)
  }
  return answers.every(({ result }) => result.done) ? Exit.done : Exit.failed
}

async function mustHavePrimary({ say }: CommandContext, link: ShardLink, shard: string): Promise<number> {
  const { reports, silent } = await askReplicas(link, replicasOf([shard]))
  const primary = primaryOf(reports)
  if (primary) return primary.member
  const words = [
    ...reports.map((report) => `${podName(shard, report.member)}: ${report.phase}`),
    ...silent.map(({ member, problem }) => `${podName(shard, member)}: ${problem}`),
  ]
  throw new CommandFailure(say('switchoverNoPrimary', { shard, words: words.join(say('between')) }))
}

/** A primary does not know that its mirror is fenced: to hand over to it would leave the shard without one. */
async function isFenced(link: ShardLink, replica: ReplicaName): Promise<boolean> {
  const { reports } = await askReplicas(link, [replica])
  return reports.some((report) => report.fenced)
}
