/** `twinpost backup`: what an archive holds, whether it is whole, and the way back onto the volume of a member that is stopped. */
import { join } from 'node:path'
import { addressWord, mustRun, wordsOf } from '../administered.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { openBackupSource } from '../mail/backup-source.ts'
import { podName } from '../members.ts'
import { runScript } from '../run-script.ts'
import { existing } from './account.ts'
import { importSource, tellImport } from './mail.ts'

const SCRIPT = 'services/shard/backup-main.ts'

export function backupList(context: CommandContext): Promise<Exit> {
  return look(context, 'list')
}

export function backupVerify(context: CommandContext): Promise<Exit> {
  return look(context, 'verify')
}

export async function backupRestore(context: CommandContext): Promise<Exit> {
  const { words, options, layout, say } = context
  const [shard] = words
  const [, mailNode = '', index] = /^([a-z][a-z0-9-]*)\/(\d+)$/.exec(shard ?? '') ?? []
  if (shard === undefined || index === undefined) throw missing(context, 'backup restore', 'SHARD')
  if (options.member === null) throw missing(context, 'backup restore', '--member 0|1')
  const pod = podName(shard, options.member)
  const dataDir = join(layout.volumesDir, `data-${mailNode}-${options.member}`)
  const code = await run(context, 'restore', ['--shard', shard, '--pod', pod, '--data-dir', dataDir])
  if (code === Exit.done && options.output === 'table') {
    context.print(say('backupRestored', { shard, pod, member: options.member }))
  }
  return code
}

/** Brings the mail of one account back, below a folder of its own in the account. */
export async function backupAccount(context: CommandContext): Promise<Exit> {
  const { options, sourceDir } = context
  const [text] = wordsOf(context, 'backup account', 'ADDRESS')
  const address = addressWord(context, text)
  const { archive, secret, until } = options
  if (archive === null) throw missing(context, 'backup account', '--archive FOLDER')
  await mustRun(context)
  const { id, home } = await existing(context, address)
  const into = options.name ?? `Restored ${(until ?? new Date().toISOString()).slice(0, 10)}`
  const source = openBackupSource({ sourceDir, archive, secret, until, shard: home, account: id, into })
  return tellImport(context, address, await importSource(context, address, source))
}

function look(context: CommandContext, verb: 'list' | 'verify'): Promise<Exit> {
  const [shard] = context.words
  return run(context, verb, shard === undefined ? [] : ['--shard', shard])
}

async function run(context: CommandContext, verb: string, args: readonly string[]): Promise<Exit> {
  const { options, sourceDir } = context
  if (options.archive === null) throw missing(context, `backup ${verb}`, '--archive FOLDER')
  const given = [
    ...['--archive', options.archive],
    ...(options.secret === null ? [] : ['--secret', options.secret]),
    ...(options.until === null ? [] : ['--until', options.until]),
  ]
  const json = options.output === 'json' ? ['--json'] : []
  const code = await runScript(sourceDir, SCRIPT, [verb, ...given, ...args, ...json])
  return code === 0 ? Exit.done : code === 1 ? Exit.failed : Exit.usage
}

function missing({ say }: CommandContext, command: string, what: string): CommandFailure {
  return new CommandFailure(say('missingArgument', { command, what }), Exit.usage)
}
