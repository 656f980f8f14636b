/** `twinpost account ...` and `twinpost domain list`. Changes are provisioning commands; lists come from the directory. */
import { userInfo } from 'node:os'
import type { ProvisionResult } from '#lib/events/events.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { operatorStatus } from '../control-client.ts'
import { readPassword } from '../password.ts'
import { bytesText, table } from '../table.ts'

const ADDRESS = /^[^\s@]+@([^\s@]+)$/

export async function accountAdd(context: CommandContext): Promise<Exit> {
  const { options, layout, say, print } = context
  const { address, domain } = addressOf(context, 'account add')
  await mustRun(context)
  const domains = await withDirectory(layout, (directory) => directory.listDomains())
  if (!domains.some(({ name }) => name === domain)) {
    throw new CommandFailure(say('domainUnknown', { domain, address }))
  }
  const password = await passwordFor(context, address)
  const result = await withProvisioning(layout, actorName(), (client) =>
    client.createAccount({
      address,
      password,
      ...(options.name === null ? {} : { displayName: options.name }),
      ...(options.quotaBytes === null ? {} : { quotaBytes: options.quotaBytes }),
      ...(options.home === null ? {} : { home: options.home }),
    }),
  )
  const home = granted(context, address, result)
  print(say('accountCreated', { address, home }))
  return Exit.done
}

export async function accountPasswd(context: CommandContext): Promise<Exit> {
  const { layout, say, print } = context
  const { address } = addressOf(context, 'account passwd')
  await mustRun(context)
  await mustExist(context, address)
  const password = await passwordFor(context, address)
  granted(
    context,
    address,
    await withProvisioning(layout, actorName(), (client) => client.setPassword(address, password)),
  )
  print(say('accountPassword', { address }))
  return Exit.done
}

export async function accountDelete(context: CommandContext): Promise<Exit> {
  const { layout, say, print } = context
  const { address } = addressOf(context, 'account delete')
  await mustRun(context)
  await mustExist(context, address)
  granted(context, address, await withProvisioning(layout, actorName(), (client) => client.deleteAccount(address)))
  print(say('accountDeleted', { address }))
  return Exit.done
}

export async function accountList(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  await mustRun(context)
  const accounts = await withDirectory(layout, (directory) => directory.listAccounts())
  if (options.output === 'json') {
    const lines = accounts.map(({ id, address, aliases, displayName, home, status, quotaBytes }) => ({
      id,
      address,
      aliases,
      displayName,
      home,
      status,
      quotaBytes,
    }))
    print(JSON.stringify(lines, null, 2))
    return Exit.done
  }
  print(
    table([
      [say('headAddress'), say('headHome'), say('headStatus'), say('headQuota'), say('headName')],
      ...accounts.map(({ address, home, status, quotaBytes, displayName }) => [
        address,
        home,
        status,
        quotaBytes === null ? say('none') : bytesText(quotaBytes),
        displayName,
      ]),
    ]),
  )
  return Exit.done
}

export async function domainList(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  await mustRun(context)
  const domains = await withDirectory(layout, (directory) => directory.listDomains())
  if (options.output === 'json') {
    print(JSON.stringify(domains, null, 2))
    return Exit.done
  }
  print(
    table([
      [say('headDomain'), say('headActive'), say('headPostmaster'), say('headCatchAll')],
      ...domains.map(({ name, active, postmaster, catchAll }) => [
        name,
        say(active ? 'yes' : 'no'),
        postmaster ?? say('none'),
        catchAll ?? say('none'),
      ]),
    ]),
  )
  return Exit.done
}

function addressOf({ words, say }: CommandContext, command: string): { address: string; domain: string } {
  const [address, extra] = words
  if (address === undefined) {
    throw new CommandFailure(say('missingArgument', { command, what: 'ADDRESS' }), Exit.usage)
  }
  if (extra !== undefined) {
    throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  }
  const domain = ADDRESS.exec(address)?.[1]
  if (domain === undefined) throw new CommandFailure(say('addressInvalid', { address }), Exit.usage)
  return { address: address.toLowerCase(), domain: domain.toLowerCase() }
}

async function mustRun({ layout, say }: CommandContext): Promise<void> {
  if (!(await operatorStatus(layout.controlSocket))) throw new CommandFailure(say('notRunning'), Exit.notRunning)
}

async function mustExist({ layout, say }: CommandContext, address: string): Promise<void> {
  const account = await withDirectory(layout, (directory) => directory.account(address))
  if (!account) throw new CommandFailure(say('accountUnknown', { address }))
}

async function passwordFor({ options, say }: CommandContext, address: string): Promise<string> {
  const password = options.password ?? (await readPassword(say('passwordPrompt', { address })))
  if (password === '') throw new CommandFailure(say('passwordEmpty'))
  return password
}

/** The home shard of a result that says yes. @throws {CommandFailure} with the reason of one that says no */
function granted({ say }: CommandContext, address: string, result: ProvisionResult): string {
  if (!result.ok)
    throw new CommandFailure(say('accountRefused', { address, problem: `${result.message} (${result.code})` }))
  return result.account?.home ?? say('none')
}

/** Who the audit trail names. */
function actorName(): string {
  return userInfo().username
}
