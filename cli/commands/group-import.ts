/**
 * `twinpost group import FILE`: groups from a CSV file, with a dry run. Safe to repeat; groups that hold others come after
 * those in the file. One at a time: a group names what stands before it.
 */
import { createReadStream } from 'node:fs'
import { GROUP_MEMBERS_PER_COMMAND_MAX, type ProvisionCommandInput } from '#lib/events/events.ts'
import type { ProvisioningClient } from '#lib/events/provisioning.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import { actorName, mustRun, wordsOf } from '../administered.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { CsvError, csvRows } from '../bulk/csv.ts'
import {
  decideGroup,
  type GroupDecision,
  type GroupProblem,
  type GroupWish,
  groupColumns,
  groupRow,
} from '../bulk/group-rows.ts'
import { OwnDomains } from '../bulk/own-domains.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import type { MessageKey } from '../messages/en.ts'

export async function groupImport(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const [file = ''] = wordsOf(context, 'group import', 'FILE')
  await mustRun(context)
  const counts = { created: 0, unchanged: 0, refused: 0 }
  const refuse = (line: number, address: string, why: string) => {
    counts.refused++
    print(say('importRefused', { line, address, why }))
  }
  const seen = new Set<string>()
  await withDirectory(layout, (directory) =>
    withProvisioning(layout, actorName(), async (client) => {
      const domains = new OwnDomains(directory)
      for await (const row of rows(context, file)) {
        const { line } = row
        if (row.kind === 'problem') {
          refuse(line, row.address, say(PROBLEM_WORDS[row.problem]))
          continue
        }
        const { wish } = row
        const decision = decideGroup(wish, await factsOf(directory, domains, wish, seen))
        if (decision.kind === 'refused') refuse(line, wish.address, say(PROBLEM_WORDS[decision.problem]))
        else if (decision.kind === 'unchanged') counts.unchanged++
        else {
          const problem = options.dryRun ? null : await carryOut(client, wish, decision)
          if (problem !== null) refuse(line, wish.address, problem)
          else {
            counts.created++
            print(say(options.dryRun ? 'importWouldCreate' : 'importCreated', { line, address: wish.address }))
          }
        }
      }
    }),
  )
  const { created, unchanged, refused } = counts
  print(say(options.dryRun ? 'groupsWould' : 'groupsDone', { count: created, unchanged, refused }))
  return refused > 0 ? Exit.failed : Exit.done
}

async function* rows({ say }: CommandContext, file: string) {
  const unknown = (name: string) => new CommandFailure(say('groupColumns', { file, name }), Exit.usage)
  try {
    yield* csvRows(createReadStream(file, 'utf8'), groupColumns, groupRow, unknown)
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new CommandFailure(say('importMalformed', { file, line: error.line, problem: error.message }))
  }
}

async function factsOf(
  directory: DirectoryAdmin,
  domains: OwnDomains,
  { address, aliases }: GroupWish,
  seen: Set<string>,
) {
  const all = [address, ...aliases]
  const twice = all.some((one) => seen.has(one))
  for (const one of all) seen.add(one)
  const foreignDomains = await domains.foreign(all)
  const group = await directory.group(address)
  let taken = group !== null && group.address !== address
  for (const one of all) {
    const other = (await directory.account(one)) ?? (await directory.group(one))
    taken ||= other !== null && other.address !== address
    taken ||= other !== null && 'id' in other
  }
  return { foreignDomains, group, taken, seen: twice }
}

/** @returns Why it was refused; null: it was not. */
async function carryOut(
  client: ProvisioningClient,
  { address, aliases, displayName, senders, members }: GroupWish,
  decision: Extract<GroupDecision, { kind: 'create' | 'join' }>,
): Promise<string | null> {
  const commands: ProvisionCommandInput[] = []
  const joining = decision.kind === 'join' ? decision.members : members
  const parts: string[][] = []
  for (let at = 0; at < joining.length; at += GROUP_MEMBERS_PER_COMMAND_MAX) {
    parts.push(joining.slice(at, at + GROUP_MEMBERS_PER_COMMAND_MAX))
  }
  if (decision.kind === 'create') {
    const name = displayName === null ? {} : { displayName }
    commands.push({
      kind: 'group.create',
      address,
      aliases: [...aliases],
      senders,
      members: parts.shift() ?? [],
      ...name,
    })
  }
  for (const add of parts) commands.push({ kind: 'group.members', address, add })
  for (const command of commands) {
    const result = await client.submit(command)
    if (!result.ok) return `${result.message} (${result.code})`
  }
  return null
}

const PROBLEM_WORDS = {
  address: 'rowAddress',
  alias: 'rowAlias',
  member: 'rowMember',
  senders: 'rowSenders',
  'too-many': 'rowTooMany',
  domain: 'rowDomain',
  twice: 'rowTwice',
  taken: 'rowTaken',
  differs: 'rowGroupDiffers',
} as const satisfies Record<GroupProblem, MessageKey>
