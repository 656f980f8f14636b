/**
 * `twinpost account import FILE`: accounts from a CSV or LDIF file, with a dry run. Read as a stream, so the length of the
 * file does not matter. Safe to repeat: what is there as wished is left alone, so a run that was ended goes on by being
 * started again.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ProvisioningClient } from '#lib/events/provisioning.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { randomId } from '#lib/ports/random.ts'
import { type StoredSecrets, secretsOf } from '#lib/sasl/secrets.ts'
import { actorName, mustRun, wordsOf } from '../administered.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import {
  type AccountWish,
  columnsOf,
  csvRow,
  decide,
  type Facts,
  ldifRow,
  type Row,
  type RowProblem,
} from '../bulk/account-rows.ts'
import { CsvError, csvRows } from '../bulk/csv.ts'
import { inTurns } from '../bulk/in-turns.ts'
import { LdifError, parseLdif } from '../bulk/ldif.ts'
import { OwnDomains } from '../bulk/own-domains.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import type { MessageKey } from '../messages/en.ts'

/** Accounts in work at once: provisioning has 16 commands in work, and others want some of them. */
const JOBS = 8
const JOBS_MAX = 64

type Outcome = 'created' | 'would-create' | 'unchanged' | 'refused'

export async function accountImport(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const [file = ''] = wordsOf(context, 'account import', 'FILE')
  await mustRun(context)
  const counts: Record<Outcome, number> = { created: 0, 'would-create': 0, unchanged: 0, refused: 0 }
  const tell = (line: number, address: string, outcome: Outcome, why: string) => {
    counts[outcome]++
    if (options.output === 'json') print(JSON.stringify({ line, address, outcome, why }))
    else if (outcome === 'refused') print(say('importRefused', { line, address, why }))
    else if (outcome === 'created') print(say('importCreated', { line, address }))
    else if (outcome === 'would-create') print(say('importWouldCreate', { line, address }))
    else if (options.dryRun) print(say('importUnchanged', { line, address }))
  }
  await withDirectory(layout, (directory) =>
    withProvisioning(layout, actorName(), async (client) => {
      const run = new Run(context, directory, client)
      try {
        await inTurns(rows(context, file), Math.min(options.jobs ?? JOBS, JOBS_MAX), async (row) => {
          if (row.kind === 'problem') tell(row.line, row.address, 'refused', say(PROBLEM_WORDS[row.problem]))
          else if (row.kind === 'account') {
            const { outcome, why } = await run.take(row.wish)
            tell(row.line, row.wish.address, outcome, why)
          }
        })
      } catch (error) {
        if (!(error instanceof CsvError || error instanceof LdifError)) throw error
        throw new CommandFailure(say('importMalformed', { file, line: error.line, problem: error.message }))
      }
    }),
  )
  if (options.output !== 'json') {
    const { created, unchanged, refused } = counts
    print(
      options.dryRun
        ? say('importWould', { count: counts['would-create'], unchanged, refused })
        : say('importDone', { count: created, unchanged, refused }),
    )
  }
  return counts.refused > 0 ? Exit.failed : Exit.done
}

class Run {
  readonly #context: CommandContext
  readonly #directory: DirectoryAdmin
  readonly #client: ProvisioningClient
  /** Addresses of earlier rows: some 100 bytes each. */
  readonly #seen = new Set<string>()
  readonly #domains: OwnDomains
  #nobodys: Promise<StoredSecrets> | null = null

  constructor(context: CommandContext, directory: DirectoryAdmin, client: ProvisioningClient) {
    this.#context = context
    this.#directory = directory
    this.#client = client
    this.#domains = new OwnDomains(directory)
  }

  async take(wish: AccountWish): Promise<{ readonly outcome: Outcome; readonly why: string }> {
    const decision = decide(wish, await this.#facts(wish))
    switch (decision.kind) {
      case 'refused':
        return { outcome: 'refused', why: this.#context.say(PROBLEM_WORDS[decision.problem]) }
      case 'unchanged':
        return { outcome: 'unchanged', why: '' }
      case 'create':
        return this.#context.options.dryRun ? { outcome: 'would-create', why: '' } : await this.#create(wish)
      default:
        return decision satisfies never
    }
  }

  async #facts({ address, aliases }: AccountWish): Promise<Facts> {
    const all = [address, ...aliases]
    const seen = all.some((one) => this.#seen.has(one))
    for (const one of all) this.#seen.add(one)
    const foreignDomains = await this.#domains.foreign(all)
    let holder: StoredAccount | null = null
    let group = false
    for (const one of all) {
      const found = await this.#directory.account(one)
      if (found && (holder === null || found.address !== address)) holder = found
      if (found === null && !group) group = (await this.#directory.group(one)) !== null
    }
    return { foreignDomains, holder, group, seen }
  }

  async #create(wish: AccountWish): Promise<{ readonly outcome: Outcome; readonly why: string }> {
    const { address, aliases, displayName, quotaBytes, locale, home } = wish
    const result = await this.#client.submit({
      kind: 'account.create',
      address,
      aliases: [...aliases],
      quotaBytes,
      home,
      secrets: await this.#secrets(wish.secret),
      ...(displayName !== null && { displayName }),
      ...(locale !== null && { locale }),
    })
    if (!result.ok) return { outcome: 'refused', why: `${result.message} (${result.code})` }
    return { outcome: result.changed ? 'created' : 'unchanged', why: '' }
  }

  async #secrets(secret: AccountWish['secret']): Promise<StoredSecrets> {
    if (secret === null) {
      // Of a password that nobody knows; one for all of the run, because hashing is slow on purpose.
      this.#nobodys ??= secretsOf(randomId(nodeRandom, 40), nodeRandom)
      return await this.#nobodys
    }
    return 'password' in secret ? await secretsOf(secret.password, nodeRandom) : secret
  }
}

/** By the end of the file's name: LDIF, or else CSV. */
async function* rows({ say }: CommandContext, file: string): AsyncGenerator<Row> {
  const input = createReadStream(file, 'utf8')
  if (/\.(ldif|ldf)$/i.test(file)) {
    for await (const entry of parseLdif(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))) {
      yield ldifRow(entry)
    }
    return
  }
  const unknown = (name: string) => new CommandFailure(say('importColumns', { file, name }), Exit.usage)
  yield* csvRows(input, columnsOf, csvRow, unknown)
}

const PROBLEM_WORDS = {
  address: 'rowAddress',
  alias: 'rowAlias',
  quota: 'rowQuota',
  locale: 'rowLocale',
  shard: 'rowShard',
  'password-form': 'rowPasswordForm',
  domain: 'rowDomain',
  twice: 'rowTwice',
  taken: 'rowTaken',
  differs: 'rowDiffers',
  deleted: 'rowDeleted',
} as const satisfies Record<RowProblem, MessageKey>
