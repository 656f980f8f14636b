/** `twinpost fsck SHARD`: runs the shard's own checker on each replica directory of this machine. The shard must be stopped. */
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { MEMBERS_PER_MAILNODE } from '#lib/link/address.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { runScript } from '../run-script.ts'

export async function fsck({ words, options, layout, sourceDir, say, print }: CommandContext): Promise<Exit> {
  const [shard] = words
  if (shard === undefined)
    throw new CommandFailure(say('missingArgument', { command: 'fsck', what: 'SHARD' }), Exit.usage)
  const known = knownShards(layout.volumesDir)
  if (!known.includes(shard))
    throw new CommandFailure(say('shardUnknown', { shard, names: known.join(', ') || say('none') }), Exit.usage)
  const [mailNode = '', index = ''] = shard.split('/')
  let worst: Exit = Exit.done
  for (let member = 0; member < MEMBERS_PER_MAILNODE; member++) {
    const dataDir = join(layout.volumesDir, `data-${mailNode}-${member}`)
    if (!existsSync(join(dataDir, `shard-${index}`))) continue
    if (options.output === 'table') print(`${mailNode}-${member}:`)
    const args = ['--shard', shard, '--data-dir', dataDir, ...(options.output === 'json' ? ['--json'] : [])]
    const code = await runScript(sourceDir, 'services/shard/fsck-main.ts', args)
    if (code !== 0) worst = Exit.failed
  }
  return worst
}

function knownShards(volumesDir: string): string[] {
  return [
    ...new Set(
      globSync('data-*-[01]/shard-*', { cwd: volumesDir }).flatMap((path) => {
        const match = /^data-(.+)-[01]\/shard-(\d+)$/.exec(path)
        return match ? [`${match[1]}/${match[2]}`] : []
      }),
    ),
  ].sort()
}
