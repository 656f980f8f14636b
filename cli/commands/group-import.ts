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
import { CsvError, parseCsv } from '../bulk/csv.ts'
import {
  decideGroup,
  type GroupDecision,
  type GroupProblem,
  type GroupWish,
  groupColumns,
  groupRow,
} from '../bulk/group-rows.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'

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
      for await (const row of rows(context, file)) {
        const { line } = row
        if (row.kind === 'problem') {
          refuse(line, row.address, problemWords(context, row.problem))
          continue
        }
        const { wish } = row
        const decision = decideGroup(wish, await factsOf(directory, wish, seen))
        if (decision.kind === 'refused') refuse(line, wish.address, problemWords(context, decision.problem))
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
  let columns: Extract<ReturnType<typeof groupColumns>, { columns: unknown }>['columns'] | null = null
  try {
    for await (const { fields, line } of parseCsv(createReadStream(file, 'utf8'))) {
      if (columns !== null) {
        yield groupRow(columns, fields, line)
        continue
      }
      const head = groupColumns(fields)
      if ('unknown' in head) throw new CommandFailure(say('groupColumns', { file, name: head.unknown }), Exit.usage)
      columns = head.columns
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new CommandFailure(say('importMalformed', { file, line: error.line, problem: error.message }))
  }
}

async function factsOf(directory: DirectoryAdmin, { address, aliases }: GroupWish, seen: Set<string>) {
  const all = [address, ...aliases]
  const twice = all.some((one) => seen.has(one))
  for (const one of all) seen.add(one)
  const foreignDomains: string[] = []
  for (const name of new Set(all.map((one) => one.slice(one.lastIndexOf('@') + 1)))) {
    if (!(await directory.domain(name))?.active) foreignDomains.push(name)
  }
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

function problemWords({ say }: CommandContext, problem: GroupProblem): string {
  switch (problem) {
    case 'address':
      return say('rowAddress')
    case 'alias':
      return say('rowAlias')
    case 'member':
      return say('rowMember')
    case 'senders':
      return say('rowSenders')
    case 'too-many':
      return say('rowTooMany')
    case 'domain':
      return say('rowDomain')
    case 'twice':
      return say('rowTwice')
    case 'taken':
      return say('rowTaken')
    case 'differs':
      return say('rowGroupDiffers')
    default:
      return problem satisfies never
  }
}
