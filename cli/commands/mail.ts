/** `twinpost mail import|import-many|export`: mail of an account from and to elsewhere. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { addressWord, mustRun, wordsOf } from '../administered.ts'
import { parseCsv } from '../bulk/csv.ts'
import { inTurns } from '../bulk/in-turns.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { EXPORT_FORMATS, exportMail } from '../mail/export-run.ts'
import { openMaildirSource, openMboxSource } from '../mail/file-sources.ts'
import { openImapSource, parseImapUrl } from '../mail/imap-source.ts'
import { type ImportCounts, importMail } from '../mail/import-run.ts'
import { Journal } from '../mail/journal.ts'
import { withAccount } from '../mail/open-account.ts'
import type { MailSource } from '../mail/source.ts'
import { readPassword } from '../password.ts'
import { bytesText } from '../table.ts'

/** Accounts at once: each is a session here and one there. */
const JOBS = 4
const PROGRESS_MS = 10_000

export async function mailImport(context: CommandContext): Promise<Exit> {
  const { options, say } = context
  const [text] = wordsOf(context, 'mail import', 'ADDRESS')
  const address = addressWord(context, text)
  const { from } = options
  if (from === null)
    throw new CommandFailure(say('missingArgument', { command: 'mail import', what: '--from' }), Exit.usage)
  await mustRun(context)
  const url = parseImapUrl(from, '')
  const asked = url !== null && url.password === ''
  const password = options.password ?? (asked ? await readPassword(say('passwordPrompt', { address: url.user })) : '')
  return tellImport(context, address, await importInto(context, address, from, password))
}

/** A CSV file with the columns address, from, password: many accounts, some at once. */
export async function mailImportMany(context: CommandContext): Promise<Exit> {
  const { options, say, complain } = context
  const [file = ''] = wordsOf(context, 'mail import-many', 'FILE')
  await mustRun(context)
  let exit: Exit = Exit.done
  await inTurns(jobsOf(context, file), options.jobs ?? JOBS, async ({ address, from, password }) => {
    try {
      const code = tellImport(context, address, await importInto(context, address, from, password))
      if (code !== Exit.done) exit = code
    } catch (error) {
      exit = Exit.failed // the others go on
      complain(say('mailImportFailed', { address, problem: errorMessage(error) }))
    }
  })
  return exit
}

export async function mailExport(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const [text] = wordsOf(context, 'mail export', 'ADDRESS')
  const address = addressWord(context, text)
  const format = EXPORT_FORMATS.find((word) => word === (options.format ?? 'maildir'))
  if (!format) {
    throw new CommandFailure(
      say('choiceUnknown', { word: options.format ?? '', choices: EXPORT_FORMATS.join(', ') }),
      Exit.usage,
    )
  }
  const to = options.to ?? `${address}${format === 'zip' ? '.zip' : ''}`
  if (existsSync(to)) throw new CommandFailure(say('mailExportThere', { path: to }))
  const reason = options.reason || `export as ${format}`
  const counts = await withAccount(context, address, reason, 'read', (account) => exportMail(account, format, to))
  const { folders, letters } = counts
  if (options.output === 'json') print(JSON.stringify({ address, path: to, ...counts }))
  else print(say('mailExported', { address, letters, folders, size: bytesText(counts.bytes), path: to }))
  return Exit.done
}

async function importInto(
  context: CommandContext,
  address: string,
  from: string,
  password: string,
): Promise<ImportCounts> {
  return importSource(context, address, await openSource(context, from, password))
}

/** Everything of a source, which is closed then; what an earlier run stored is passed over. */
export async function importSource(
  context: CommandContext,
  address: string,
  source: MailSource,
): Promise<ImportCounts> {
  const { layout, options, say, complain } = context
  const key = createHash('sha256').update(`${address} ${source.name}`).digest('hex').slice(0, 32)
  const journal = new Journal(join(layout.stateDir, 'imports', key))
  try {
    const reason = options.reason || `import from ${source.name}`
    return await withAccount(context, address, reason.slice(0, 500), 'write', (account) =>
      importMail(source, account, journal, {
        refused: (folder, id, why) => complain(say('mailLetterRefused', { address, folder, id, why })),
        changed: (folder) => complain(say('mailFolderChanged', { address, folder })),
        progress: progressWords(context, address),
      }),
    )
  } finally {
    journal.close()
    await source.close()
  }
}

/** A line on standard error now and then, while letters come. */
function progressWords({ say, complain }: CommandContext, address: string): (counts: ImportCounts) => void {
  let saidMs = nodeClock.monotonicMs()
  return ({ letters, bytes }) => {
    if (nodeClock.monotonicMs() - saidMs < PROGRESS_MS) return
    saidMs = nodeClock.monotonicMs()
    complain(say('mailProgress', { address, letters, size: bytesText(bytes) }))
  }
}

async function openSource({ say }: CommandContext, from: string, password: string): Promise<MailSource> {
  const [, kind, path = ''] = /^(maildir|mbox):(.+)$/.exec(from) ?? []
  if (kind === 'maildir') return await openMaildirSource(path)
  if (kind === 'mbox') return await openMboxSource(path)
  const access = parseImapUrl(from, password)
  if (access === null) throw new CommandFailure(say('mailSource', { from }), Exit.usage)
  return await openImapSource(access)
}

interface Job {
  readonly address: string
  readonly from: string
  readonly password: string
}

async function* jobsOf(context: CommandContext, file: string): AsyncGenerator<Job> {
  let columns: readonly string[] | null = null
  for await (const { fields, line } of parseCsv(createReadStream(file, 'utf8'))) {
    if (columns === null) {
      columns = fields.map((name) => name.toLowerCase())
      const missing = ['address', 'from'].find((name) => !columns?.includes(name))
      if (missing !== undefined)
        throw new CommandFailure(context.say('mailColumns', { file, name: missing }), Exit.usage)
      continue
    }
    const field = (name: string) => fields[columns?.indexOf(name) ?? -1] ?? ''
    if (field('address') === '') {
      context.complain(context.say('importRefused', { line, address: '', why: context.say('rowAddress') }))
      continue
    }
    yield { address: addressWord(context, field('address')), from: field('from'), password: field('password') }
  }
}

export function tellImport({ options, say, print }: CommandContext, address: string, counts: ImportCounts): Exit {
  const { letters, folders, skipped, refused } = counts
  if (options.output === 'json') print(JSON.stringify({ address, ...counts }))
  else print(say('mailImported', { address, letters, folders, skipped, refused, size: bytesText(counts.bytes) }))
  return refused > 0 ? Exit.failed : Exit.done
}
