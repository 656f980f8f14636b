/** `twinpost status`: shards by what they say themselves, processes by what the operator sees. */
import { arrayStatus, shardNames } from '../array-status.ts'
import { type CommandContext, Exit } from '../context.ts'
import { operatorStatus } from '../control-client.ts'
import { askShards } from '../shard-reports.ts'
import { shardWords } from '../shard-words.ts'
import { bytesText, durationText, table } from '../table.ts'

export async function status({ layout, options, say, print, complain }: CommandContext): Promise<Exit> {
  const operator = await operatorStatus(layout.controlSocket)
  if (!operator) {
    if (options.output === 'json') print(JSON.stringify({ phase: 'stopped', shards: [], processes: [] }))
    complain(say('notRunning'))
    return Exit.notRunning
  }
  const { reports, silent } = await askShards(layout, shardNames(operator))
  const found = arrayStatus(operator, reports, silent)
  if (options.output === 'json') {
    print(JSON.stringify(found, null, 2))
    return Exit.done
  }
  const dash = say('none')
  print(
    table([
      [
        say('headShard'),
        say('headEpoch'),
        say('headPrimary'),
        say('headMirror'),
        say('headInSync'),
        say('headSessions'),
        say('headWords'),
      ],
      ...found.shards.map((shard) => [
        shard.shard,
        String(shard.epoch),
        shard.primary?.member ?? dash,
        shard.mirror?.member ?? dash,
        shard.inSync.join(' ') || dash,
        String(shard.sessions ?? dash),
        shardWords(shard, say),
      ]),
    ]),
  )
  print('')
  const stateKeys = {
    starting: 'stateStarting',
    running: 'stateRunning',
    waiting: 'stateWaiting',
    stopped: 'stateStopped',
  } as const
  print(
    table([
      [say('headProcess'), say('headState'), say('headPid'), say('headRestarts'), say('headUptime'), say('headMemory')],
      ...found.processes.map((line) => [
        line.name,
        say(stateKeys[line.state]) + (line.ready || !line.reason ? '' : ` (${line.reason})`),
        String(line.pid ?? dash),
        String(line.restarts),
        line.uptimeS === null ? dash : durationText(line.uptimeS),
        line.rssBytes === null ? dash : bytesText(line.rssBytes),
      ]),
    ]),
  )
  for (const { shard, member, problem } of silent) complain(say('shardSilent', { shard, member, problem }))
  for (const member of operator.stoppedMembers) complain(say('memberIsStopped', { member }))
  for (const what of operator.waitingFor) complain(say('waitingFor', { what }))
  for (const problem of operator.problems) complain(problem)
  return Exit.done
}
