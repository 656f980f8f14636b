/** `./twinpost`: reads the command line, chooses the language, runs the command, ends with its exit code. */
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { localLayout } from '#operator/api/local-layout.ts'
import { parseCommandLine } from './arguments.ts'
import { type Command, CommandFailure, Exit } from './context.ts'
import { chooseLanguage, speaker } from './messages/mod.ts'

/** Commands by their words; loaded when used, so that each start pays only for its own. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).up,
  down: async () => (await import('./commands/down.ts')).down,
  clean: async () => (await import('./commands/down.ts')).clean,
  status: async () => (await import('./commands/status.ts')).status,
  stop: async () => (await import('./commands/member.ts')).stop,
  start: async () => (await import('./commands/member.ts')).start,
  switchover: async () => (await import('./commands/role.ts')).switchover,
  fence: async () => (await import('./commands/role.ts')).fence,
  unfence: async () => (await import('./commands/role.ts')).unfence,
  promote: async () => (await import('./commands/role.ts')).promote,
  'ledger restore': async () => (await import('./commands/ledger.ts')).ledgerRestore,
  logs: async () => (await import('./commands/logs.ts')).logs,
  fsck: async () => (await import('./commands/fsck.ts')).fsck,
  'account add': async () => (await import('./commands/account.ts')).accountAdd,
  'account list': async () => (await import('./commands/account.ts')).accountList,
  'account passwd': async () => (await import('./commands/account.ts')).accountPasswd,
  'account delete': async () => (await import('./commands/account.ts')).accountDelete,
  'account show': async () => (await import('./commands/account.ts')).accountShow,
  'account suspend': async () => (await import('./commands/account.ts')).accountSuspend,
  'account resume': async () => (await import('./commands/account.ts')).accountResume,
  'account quota': async () => (await import('./commands/account.ts')).accountQuota,
  'account name': async () => (await import('./commands/account.ts')).accountName,
  'account rename': async () => (await import('./commands/account.ts')).accountRename,
  'account undelete': async () => (await import('./commands/account.ts')).accountUndelete,
  'account app-password': async () => (await import('./commands/account.ts')).accountAppPassword,
  'account import': async () => (await import('./commands/account-import.ts')).accountImport,
  'mail import': async () => (await import('./commands/mail.ts')).mailImport,
  'mail import-many': async () => (await import('./commands/mail.ts')).mailImportMany,
  'mail export': async () => (await import('./commands/mail.ts')).mailExport,
  'alias add': async () => (await import('./commands/alias.ts')).aliasAdd,
  'alias remove': async () => (await import('./commands/alias.ts')).aliasRemove,
  'alias list': async () => (await import('./commands/alias.ts')).aliasList,
  'group add': async () => (await import('./commands/group.ts')).groupAdd,
  'group import': async () => (await import('./commands/group-import.ts')).groupImport,
  'group list': async () => (await import('./commands/group.ts')).groupList,
  'group show': async () => (await import('./commands/group.ts')).groupShow,
  'group join': async () => (await import('./commands/group.ts')).groupJoin,
  'group leave': async () => (await import('./commands/group.ts')).groupLeave,
  'group set': async () => (await import('./commands/group.ts')).groupSet,
  'group delete': async () => (await import('./commands/group.ts')).groupDelete,
  audit: async () => (await import('./commands/audit.ts')).audit,
  'queue list': async () => (await import('./commands/queue.ts')).queueList,
  'queue show': async () => (await import('./commands/queue.ts')).queueShow,
  'queue hold': async () => (await import('./commands/queue.ts')).queueHold,
  'queue release': async () => (await import('./commands/queue.ts')).queueRelease,
  'queue retry': async () => (await import('./commands/queue.ts')).queueRetry,
  'queue drop': async () => (await import('./commands/queue.ts')).queueDrop,
  'filter show': async () => (await import('./commands/filter.ts')).filterShow,
  'filter set': async () => (await import('./commands/filter.ts')).filterSet,
  'quarantine list': async () => (await import('./commands/quarantine.ts')).quarantineList,
  'quarantine show': async () => (await import('./commands/quarantine.ts')).quarantineShow,
  'quarantine release': async () => (await import('./commands/quarantine.ts')).quarantineRelease,
  'quarantine delete': async () => (await import('./commands/quarantine.ts')).quarantineDelete,
  explain: async () => (await import('./commands/explain.ts')).explain,
  'domain dns': async () => (await import('./commands/domain-dns.ts')).domainDns,
  'node drain': async () => (await import('./commands/placement.ts')).nodeDrain,
  rebalance: async () => (await import('./commands/placement.ts')).rebalance,
  'account move': async () => (await import('./commands/move.ts')).accountMove,
  'account move-cancel': async () => (await import('./commands/move.ts')).accountMoveCancel,
  'account moves': async () => (await import('./commands/move.ts')).accountMoves,
  'backup list': async () => (await import('./commands/backup.ts')).backupList,
  'backup verify': async () => (await import('./commands/backup.ts')).backupVerify,
  'backup restore': async () => (await import('./commands/backup.ts')).backupRestore,
  'backup account': async () => (await import('./commands/backup.ts')).backupAccount,
  'domain list': async () => (await import('./commands/account.ts')).domainList,
}

async function main(): Promise<Exit> {
  const line = parseCommandLine(process.argv.slice(2))
  const language = chooseLanguage(line.lang, process.env)
  const say = speaker(language ?? 'en')
  const complain = (text: string) => console.error(text)
  if (language === null) {
    complain(say('unknownOption', { problem: `--lang ${line.lang}` }))
    return Exit.usage
  }
  if (line.kind === 'help') {
    console.log(say('usage'))
    return Exit.done
  }
  if (line.kind === 'mistake') {
    complain(say('unknownOption', { problem: line.problem }))
    return Exit.usage
  }
  const two = line.words.slice(0, 2).join(' ')
  const [one = ''] = line.words
  const name = two in COMMANDS ? two : one
  const load = COMMANDS[name]
  if (!load) {
    complain(say('unknownCommand', { command: two }))
    return Exit.usage
  }
  const sourceDir = join(import.meta.dirname, '..')
  const stateDir = resolve(process.env['TWINPOST_ROOT'] ?? join(sourceDir, '.twinpost'))
  try {
    const command = await load()
    return await command({
      words: line.words.slice(name.split(' ').length),
      options: line.options,
      layout: localLayout(stateDir, tmpdir()),
      sourceDir,
      say,
      print: (text) => console.log(text),
      complain,
    })
  } catch (error) {
    if (error instanceof CommandFailure) {
      complain(error.message)
      return error.exit
    }
    complain(say('failed', { problem: errorMessage(error) }))
    return Exit.failed
  }
}

process.stdout.on('error', () => process.exit(Exit.done)) // `| head` closed the pipe
process.exitCode = await main()
