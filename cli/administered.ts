/** What the commands on accounts, aliases, groups and mail have in common: their words, who is acting, and what a refusal says. */
import { userInfo } from 'node:os'
import type { ProvisionCommandInput, ProvisionResult } from '#lib/events/events.ts'
import { canonicalAddress } from '#lib/ldap/address.ts'
import { withProvisioning } from './administration.ts'
import { type CommandContext, CommandFailure, Exit } from './context.ts'
import { operatorStatus } from './control-client.ts'

/**
 * The words of a command, one for each name; a last name that ends with `...` takes all that are left (in brackets: or none).
 * @throws {CommandFailure} for too few or too many
 */
export function wordsOf({ words, say }: CommandContext, command: string, ...names: readonly string[]): string[] {
  const many = /\.\.\.\]?$/.test(names.at(-1) ?? '')
  for (const [i, what] of names.entries()) {
    if (words[i] === undefined && !what.startsWith('['))
      throw new CommandFailure(say('missingArgument', { command, what }), Exit.usage)
  }
  const extra = many ? undefined : words[names.length]
  if (extra !== undefined) throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  return [...words]
}

/** In the form in which the directory knows it. @throws {CommandFailure} */
export function addressWord({ say }: CommandContext, text: string | undefined): string {
  const address = canonicalAddress(text ?? '')
  if (address === null) throw new CommandFailure(say('addressInvalid', { address: text ?? '' }), Exit.usage)
  return address
}

export async function mustRun({ layout, say }: CommandContext): Promise<void> {
  if (!(await operatorStatus(layout.controlSocket))) throw new CommandFailure(say('notRunning'), Exit.notRunning)
}

export type Granted = Extract<ProvisionResult, { readonly ok: true }>

/** Carries out one command. @throws {CommandFailure} with the reason of a refusal */
export async function carryOut(context: CommandContext, command: ProvisionCommandInput): Promise<Granted> {
  await mustRun(context)
  const result = await withProvisioning(context.layout, actorName(), (client) => client.submit(command))
  return granted(context, 'address' in command ? command.address : command.name, result)
}

/** @throws {CommandFailure} with the reason of a result that says no */
export function granted({ say }: CommandContext, address: string, result: ProvisionResult): Granted {
  if (result.ok) return result
  throw new CommandFailure(say('accountRefused', { address, problem: `${result.message} (${result.code})` }))
}

/** Who the audit trail names. */
export function actorName(): string {
  return userInfo().username
}

/** `500M`, `2G`, `1073741824`; `none` is no limit. @returns undefined for what is none of these */
export function bytesWord(text: string): number | null | undefined {
  if (text.toLowerCase() === 'none') return null
  const [, number, unit = ''] = /^(\d{1,15})([kmgt]?)(?:i?b)?$/i.exec(text) ?? []
  if (number === undefined) return undefined
  const bytes = Number(number) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase())
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
