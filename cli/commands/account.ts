/** `twinpost account ...` and `twinpost domain list`. Changes are provisioning commands; lists come from the directory. */
import type { Scope } from '#lib/directory/port.ts'
import type { StoredAccount, StoredStatus } from '#lib/ldap/entry.ts'
import { toShardName } from '#lib/mail/types.ts'
import { SCOPES } from '#lib/sasl/app-password.ts'
import { actorName, addressWord, bytesWord, carryOut, granted, mustRun, wordsOf } from '../administered.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { readPassword } from '../password.ts'
import { bytesText, table } from '../table.ts'

/** Days for which a deleted account can be brought back. */
const GRACE_DAYS = 30
const DAY_S = 24 * 3600
const STATUSES: readonly StoredStatus[] = ['creating', 'active', 'suspended', 'deleting']

export async function accountAdd(context: CommandContext): Promise<Exit> {
  const { options, layout, say, print } = context
  const address = oneAddress(context, 'account add')
  await mustRun(context)
  const domain = address.slice(address.lastIndexOf('@') + 1)
  if (!(await withDirectory(layout, (directory) => directory.domain(domain)))) {
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
  const home = granted(context, address, result).account?.home ?? say('none')
  print(say('accountCreated', { address, home }))
  return Exit.done
}

export async function accountPasswd(context: CommandContext): Promise<Exit> {
  const { layout, say, print } = context
  const address = oneAddress(context, 'account passwd')
  await mustRun(context)
  await existing(context, address)
  const password = await passwordFor(context, address)
  const result = await withProvisioning(layout, actorName(), (client) => client.setPassword(address, password))
  granted(context, address, result)
  print(say('accountPassword', { address }))
  return Exit.done
}

export async function accountSuspend(context: CommandContext): Promise<Exit> {
  const address = oneAddress(context, 'account suspend')
  await carryOut(context, { kind: 'account.suspend', address, reason: context.options.reason })
  context.print(context.say('accountSuspended', { address }))
  return Exit.done
}

export async function accountResume(context: CommandContext): Promise<Exit> {
  const address = oneAddress(context, 'account resume')
  await carryOut(context, { kind: 'account.resume', address })
  context.print(context.say('accountResumed', { address }))
  return Exit.done
}

export async function accountQuota(context: CommandContext): Promise<Exit> {
  const { say, print } = context
  const [text, bytes = ''] = wordsOf(context, 'account quota', 'ADDRESS', 'BYTES')
  const address = addressWord(context, text)
  const quotaBytes = bytesWord(bytes)
  if (quotaBytes === undefined) throw new CommandFailure(say('quotaInvalid', { text: bytes }), Exit.usage)
  await carryOut(context, { kind: 'account.quota', address, quotaBytes })
  print(say('accountQuota', { address, quota: quotaBytes === null ? say('none') : bytesText(quotaBytes) }))
  return Exit.done
}

export async function accountName(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const address = oneAddress(context, 'account name')
  if (options.name === null) {
    throw new CommandFailure(say('missingArgument', { command: 'account name', what: '--name' }), Exit.usage)
  }
  await carryOut(context, { kind: 'account.name', address, displayName: options.name })
  print(say('accountNamed', { address, name: options.name }))
  return Exit.done
}

export async function accountRename(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const [from, wanted] = wordsOf(context, 'account rename', 'ADDRESS', 'NEW')
  const address = addressWord(context, from)
  const to = addressWord(context, wanted)
  await carryOut(context, { kind: 'account.rename', address, to, keepAlias: !options.noAlias })
  print(say(options.noAlias ? 'accountRenamed' : 'accountRenamedAlias', { address, to }))
  return Exit.done
}

export async function accountDelete(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const address = oneAddress(context, 'account delete')
  await mustRun(context)
  await existing(context, address)
  const days = options.now ? 0 : (options.graceDays ?? GRACE_DAYS)
  await carryOut(context, { kind: 'account.delete', address, graceSeconds: days * DAY_S })
  print(say(days === 0 ? 'accountDeleted' : 'accountDeletedGrace', { address, days }))
  return Exit.done
}

export async function accountUndelete(context: CommandContext): Promise<Exit> {
  const { say, print } = context
  const address = oneAddress(context, 'account undelete')
  const { account } = await carryOut(context, { kind: 'account.undelete', address })
  print(say('accountRestored', { address, status: account?.status ?? say('none') }))
  return Exit.done
}

/** `account app-password add|remove ADDRESS NAME`. */
export async function accountAppPassword(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const [what, text, name = ''] = wordsOf(context, 'account app-password', 'add|remove', 'ADDRESS', 'NAME')
  const address = addressWord(context, text)
  if (what === 'remove') {
    await carryOut(context, { kind: 'account.app-password.remove', address, name })
    print(say('appPasswordRemoved', { address, name }))
    return Exit.done
  }
  if (what !== 'add') {
    throw new CommandFailure(
      say('missingArgument', { command: 'account app-password', what: 'add|remove' }),
      Exit.usage,
    )
  }
  const scopes: Scope[] = []
  for (const word of options.scopes) {
    const scope = SCOPES.find((candidate) => candidate === word)
    if (!scope) throw new CommandFailure(say('choiceUnknown', { word, choices: SCOPES.join(', ') }), Exit.usage)
    scopes.push(scope)
  }
  await mustRun(context)
  const { result, secret } = await withProvisioning(layout, actorName(), (client) =>
    client.addAppPassword(address, name, scopes.length === 0 ? SCOPES : scopes),
  )
  granted(context, address, result)
  print(say('appPasswordAdded', { address, name, secret }))
  return Exit.done
}

/** Page by page, whatever their number: a table's columns are as wide as its page wants. */
export async function accountList(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  wordsOf(context, 'account list')
  const status = STATUSES.find((word) => word === options.status)
  if (options.status !== null && status === undefined) {
    throw new CommandFailure(say('choiceUnknown', { word: options.status, choices: STATUSES.join(', ') }), Exit.usage)
  }
  const filter = {
    ...(options.domain === null ? {} : { domain: options.domain }),
    ...(options.home === null ? {} : { home: toShardName(options.home) }),
    ...(status === undefined ? {} : { status }),
    ...(options.match === null ? {} : { contains: options.match }),
  }
  await mustRun(context)
  const head = [say('headAddress'), say('headHome'), say('headStatus'), say('headQuota'), say('headName')]
  let shown = 0
  await withDirectory(layout, (directory) =>
    directory.eachAccount(filter, (accounts) => {
      const sorted = accounts.toSorted((a, b) => (a.address < b.address ? -1 : 1))
      if (options.output === 'json') {
        for (const account of sorted) print(`${shown++ === 0 ? '[\n' : ',\n'}${JSON.stringify(shownAccount(account))}`)
      } else {
        const rows = sorted.map((account) => [
          account.address,
          account.home,
          account.status,
          account.quotaBytes === null ? say('none') : bytesText(account.quotaBytes),
          account.displayName,
        ])
        if (rows.length > 0) print(table(shown === 0 ? [head, ...rows] : rows))
        shown += rows.length
      }
      return true
    }),
  )
  if (options.output === 'json') print(shown === 0 ? '[]' : ']')
  else if (shown === 0) print(table([head]))
  return Exit.done
}

export async function accountShow(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const address = oneAddress(context, 'account show')
  await mustRun(context)
  const account = await existing(context, address)
  const groups: string[] = []
  await withDirectory(layout, async (directory) => {
    for (const member of [account.address, ...account.aliases]) {
      await directory.eachGroup({ member }, (found) => {
        groups.push(...found.map((group) => group.address))
        return true
      })
    }
  })
  if (options.output === 'json') {
    print(JSON.stringify({ ...shownAccount(account), groups: [...new Set(groups)].sort() }, null, 2))
    return Exit.done
  }
  const until = account.deletion === null ? '' : new Date(account.deletion.atMs).toISOString()
  const list = (texts: readonly string[]) => (texts.length === 0 ? say('none') : texts.join(', '))
  print(
    table([
      [say('headAddress'), account.address],
      [say('headName'), account.displayName],
      ['ID', account.id],
      [say('headHome'), account.home],
      [say('headStatus'), until === '' ? account.status : say('accountUntil', { status: account.status, time: until })],
      [say('headQuota'), account.quotaBytes === null ? say('none') : bytesText(account.quotaBytes)],
      [say('headAliases'), list(account.aliases)],
      [say('headGroups'), list([...new Set(groups)].sort())],
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

function shownAccount({ id, address, aliases, displayName, home, status, quotaBytes, deletion }: StoredAccount) {
  const deletedUntil = deletion === null ? null : new Date(deletion.atMs).toISOString()
  return { id, address, aliases, displayName, home, status, quotaBytes, deletedUntil }
}

function oneAddress(context: CommandContext, command: string): string {
  const [text] = wordsOf(context, command, 'ADDRESS')
  return addressWord(context, text)
}

export async function existing({ layout, say }: CommandContext, address: string): Promise<StoredAccount> {
  const account = await withDirectory(layout, (directory) => directory.account(address))
  if (!account) throw new CommandFailure(say('accountUnknown', { address }))
  return account
}

async function passwordFor({ options, say }: CommandContext, address: string): Promise<string> {
  const password = options.password ?? (await readPassword(say('passwordPrompt', { address })))
  if (password === '') throw new CommandFailure(say('passwordEmpty'))
  return password
}
