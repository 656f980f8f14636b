/** `twinpost ledger restore`: makes the lost ledger of a shard anew. The replicas decide which of them may: both are asked in turn. */
import { shardNames } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { podName, replicasOf } from '../members.ts'
import { order, primaryThat, runningArray, SERVE_MS, shardFrom } from '../replica-orders.ts'
import { withShards } from '../shard-link.ts'

export async function ledgerRestore(context: CommandContext): Promise<Exit> {
  const { layout, say, print, options } = context
  const shard = shardFrom(context, 'ledger restore', shardNames(await runningArray(context)))
  return await withShards(layout, async (link) => {
    const refusals: string[] = []
    for (const replica of replicasOf([shard])) {
      const result = await order(link, replica, { kind: 'restore-ledger' }).catch((error: unknown) => ({
        done: false,
        words: say('shardSilent', {
          shard,
          member: replica.member,
          problem: error instanceof Error ? error.message : String(error),
        }),
      }))
      if (!result.done) {
        refusals.push(result.words)
        continue
      }
      const member = podName(shard, replica.member)
      if (options.output === 'json') print(JSON.stringify({ shard, primary: member, words: result.words }))
      else print(result.words)
      if ((await primaryThat(link, shard, (serving) => serving === replica.member)) !== null) return Exit.done
      throw new CommandFailure(say('promoteUnseen', { shard, member, seconds: SERVE_MS / 1_000 }))
    }
    throw new CommandFailure(refusals.join('\n'))
  })
}
