/** `twinpost alias ...`: other addresses that reach an account. */
import { addressWord, carryOut, mustRun, wordsOf } from '../administered.ts'
import { withDirectory } from '../administration.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'

export async function aliasAdd(context: CommandContext): Promise<Exit> {
  const { address, alias } = both(context, 'alias add')
  await carryOut(context, { kind: 'account.alias.add', address, alias })
  context.print(context.say('aliasAdded', { address, alias }))
  return Exit.done
}

export async function aliasRemove(context: CommandContext): Promise<Exit> {
  const { address, alias } = both(context, 'alias remove')
  await carryOut(context, { kind: 'account.alias.remove', address, alias })
  context.print(context.say('aliasRemoved', { address, alias }))
  return Exit.done
}

export async function aliasList(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  const [text] = wordsOf(context, 'alias list', 'ADDRESS')
  const address = addressWord(context, text)
  await mustRun(context)
  const account = await withDirectory(layout, (directory) => directory.account(address))
  if (!account) throw new CommandFailure(say('accountUnknown', { address }))
  print(options.output === 'json' ? JSON.stringify(account.aliases) : account.aliases.join('\n') || say('none'))
  return Exit.done
}

function both(context: CommandContext, command: string): { readonly address: string; readonly alias: string } {
  const [address, alias] = wordsOf(context, command, 'ADDRESS', 'ALIAS')
  return { address: addressWord(context, address), alias: addressWord(context, alias) }
}
