/**
 * `twinpost node drain`, `twinpost rebalance`: many accounts go elsewhere, a few at a time. The plan is made of what the shards hold now,
 * so the command can be stopped and given again: what was moved stays where it is, and what is under way goes on.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { ProvisioningClient } from '#lib/events/provisioning.ts'
import { MOVE_LOADS_MAX, type MoveOrder, MoveReport } from '#lib/frames/move.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { type ShardName, splitShardName, toShardName } from '#lib/mail/types.ts'
import { type PlacedAccount, type PlannedMove, planDrain, planRebalance } from '#lib/placement/rebalance.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { actorName, wordsOf } from '../administered.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { primaryOf } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { replicasOf } from '../members.ts'
import { arrayShards } from '../replica-orders.ts'
import { withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'
import { bytesText, table } from '../table.ts'

const ANSWER_MS = 10_000
/** As many as one shard copies at once. */
const MOVES_AT_ONCE = 4
/** One account may be large; what takes longer goes on by itself and counts as under way. */
const MOVE_MS = 600_000

export async function nodeDrain(context: CommandContext): Promise<Exit> {
  const { options, say } = context
  const [node = ''] = wordsOf(context, 'node drain', 'NODE')
  const shards = (await arrayShards(context)).map(toShardName)
  const nodes = [...new Set(shards.map((shard) => splitShardName(shard).mailNode))]
  if (!nodes.includes(node)) {
    throw new CommandFailure(say('nodeUnknown', { node, nodes: nodes.join(', ') }), Exit.usage)
  }
  const moves = planDrain(node, shards, await accountsOf(context, shards))
  if (moves === null) throw new CommandFailure(say('drainNowhere', { node }))
  return options.dryRun ? await show(context, moves) : await carryOut(context, moves)
}

/** Shows what it would move; `--apply` moves it. */
export async function rebalance(context: CommandContext): Promise<Exit> {
  wordsOf(context, 'rebalance')
  const shards = (await arrayShards(context)).map(toShardName)
  const moves = planRebalance(shards, await accountsOf(context, shards))
  return context.options.apply ? await carryOut(context, moves) : await show(context, moves)
}

/** @throws {CommandFailure} for a shard without a primary: a plan without its accounts would be wrong */
async function accountsOf({ layout, say }: CommandContext, shards: readonly ShardName[]): Promise<PlacedAccount[]> {
  const accounts: PlacedAccount[] = []
  await withShards(layout, async (link) => {
    for (const shard of shards) {
      const { reports } = await askReplicas(link, replicasOf([shard]))
      const primary = primaryOf(reports)
      if (!primary) throw new CommandFailure(`${shard}: ${say('noPrimary')}`)
      for (let after: string | null = ''; after !== null; ) {
        const order: MoveOrder = { kind: 'loads', after, rowsMax: MOVE_LOADS_MAX }
        const payload = Buffer.from(JSON.stringify(order))
        const answer = await link.ask({ shard, member: primary.member }, FrameType.moveOrder, [payload], ANSWER_MS)
        const { loads } = MoveReport.parse(JSON.parse(answer.toString('utf8')))
        accounts.push(...loads.map(({ account, bytes }) => ({ account, home: shard, bytes })))
        after = loads.length < MOVE_LOADS_MAX ? null : (loads.at(-1)?.account ?? null)
      }
    }
  })
  // What the directory does not know is no account of people.
  const known = await withDirectory(layout, async (directory) => {
    const ids = new Set<string>()
    await directory.eachAccount({}, (page) => {
      for (const { id } of page) ids.add(id)
      return true
    })
    return ids
  })
  return accounts.filter(({ account }) => known.has(account))
}

async function show({ say, print }: CommandContext, moves: readonly PlannedMove[]): Promise<Exit> {
  if (moves.length === 0) {
    print(say('planNothing'))
    return Exit.done
  }
  const pairs = Map.groupBy(moves, ({ from, to }) => `${from} > ${to}`)
  print(
    table([
      [say('headMove'), say('headAccounts'), say('headBytes')],
      ...[...pairs].map(([pair, list]) => [pair, `${list.length}`, bytesText(bytesOf(list))]),
    ]),
  )
  return Exit.done
}

/** So many at a time; an interrupt begins no more and waits for those that are under way. */
async function carryOut(context: CommandContext, moves: readonly PlannedMove[]): Promise<Exit> {
  const { layout, options, say, print, complain } = context
  if (moves.length === 0) {
    print(say('planNothing'))
    return Exit.done
  }
  const waiting = [...moves]
  const beganMs = nodeClock.monotonicMs()
  let done = 0
  let doneBytes = 0
  let failed = 0
  let interrupted = false
  const interrupt = () => {
    interrupted = true
    print(say('planInterrupted', { count: waiting.length }))
  }
  process.once('SIGINT', interrupt)
  const worker = async (client: ProvisioningClient) => {
    for (let move = waiting.shift(); move !== undefined && !interrupted; move = waiting.shift()) {
      const problem = await moved(context, client, move)
      if (problem === null) done++
      else {
        failed++
        complain(problem)
      }
      doneBytes += move.bytes
      const perByte = (nodeClock.monotonicMs() - beganMs) / Math.max(1, doneBytes)
      const left = Math.round((bytesOf(waiting) * perByte) / 1_000)
      print(say('planProgress', { done, all: moves.length, failed, seconds: left }))
    }
  }
  await withProvisioning(layout, actorName(), async (client) => {
    await Promise.all(Array.from({ length: options.jobs ?? MOVES_AT_ONCE }, () => worker(client)))
  })
  process.off('SIGINT', interrupt)
  return failed === 0 && !interrupted ? Exit.done : Exit.failed
}

/** @returns Null: it is there; else what to tell the user. */
async function moved(
  { layout, say }: CommandContext,
  client: ProvisioningClient,
  { account, to }: PlannedMove,
): Promise<string | null> {
  const address = await withDirectory(layout, async (directory) => (await directory.account(account))?.address)
  if (address === undefined) return null // deleted meanwhile
  try {
    const result = await client.moveAccount(address, to, { timeoutMs: MOVE_MS })
    return result.ok ? null : say('accountRefused', { address, problem: `${result.message} (${result.code})` })
  } catch (error) {
    if (errorCode(error) === 'PROVISION_TIMEOUT') return say('moveGoesOn', { address, shard: to })
    return say('accountRefused', { address, problem: errorMessage(error) })
  }
}

function bytesOf(moves: readonly PlannedMove[]): number {
  return moves.reduce((sum, { bytes }) => sum + bytes, 0)
}
