/** CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 9051 section 6.3); CREATE with USE (RFC 6154 section 3). */
import { OTHERS_PREFIX } from '../../sharing/names.ts'
import type { SpecialUse } from '../../store.ts'
import { mailboxArgument, SEPARATOR } from '../../syntax/mailbox-name.ts'
import { specialUseOf } from '../../syntax/special-use.ts'
import { refusal, syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { no, ok } from '../outcome.ts'
import { onMailbox, plain } from './shapes.ts'

export const create: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const name = newName(args)
    const use = args.trySpace() ? useArgument(args) : null
    args.end()
    return async (session) => {
      const { account } = session
      if (account.find(name) !== null) return no('ALREADYEXISTS', 'Mailbox exists already')
      const { id, name: given } = await account.create(name, use)
      tellOldName(session, name, given)
      return ok('Done', `MAILBOXID (${id})`) // RFC 8474 section 4.1
    }
  },
}

export const remove = onMailbox(async (session, name) => {
  if (name === 'INBOX') return no('CANNOT', 'INBOX cannot be deleted')
  const info = session.account.find(name)
  if (info === null) return no('NONEXISTENT', 'No such mailbox')
  await session.whileClosing(info.id, () => session.account.delete(name))
  return ok()
})

export const rename: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const from = mailboxArgument(args)
    args.space()
    const to = newName(args)
    args.end()
    return async (session) => {
      const { account } = session
      if (account.find(from) === null) return no('NONEXISTENT', 'No such mailbox')
      if (account.find(to) !== null) return no('ALREADYEXISTS', 'Mailbox exists already')
      if (to.startsWith(from + SEPARATOR) && from !== 'INBOX') return no('CANNOT', 'Mailbox cannot move below itself')
      await account.rename(from, to)
      // INBOX stays; only its letters have another name now.
      if (from !== 'INBOX') tellOldName(session, from, account.find(to)?.name ?? to)
      return ok()
    }
  },
}

/** RFC 9051 section 6.3.9.7: what a mailbox that the client named is called now. */
function tellOldName({ dialect, out }: SessionContext, old: string, name: string): void {
  if (!dialect.rev2 || old === name) return
  out.untagged(`LIST () "${SEPARATOR}" ${dialect.name(name)} ("OLDNAME" (${dialect.name(old)}))`)
}

export const subscribe = onMailbox(async ({ account }, name) => {
  if (account.find(name) === null) return no('NONEXISTENT', 'No such mailbox')
  await account.subscribe(name, true)
  return ok()
})

/** Also of a name that is gone: it may stay subscribed (RFC 9051 section 6.3.7), but not become it. */
export const unsubscribe = onMailbox(async ({ account }, name) => {
  await account.subscribe(name, false)
  return ok()
})

export const namespace = plain(({ account, out }) => {
  const others = account.access === undefined ? 'NIL' : `(("${OTHERS_PREFIX}" "${SEPARATOR}"))`
  out.untagged(`NAMESPACE (("" "${SEPARATOR}")) ${others} NIL`)
  return ok()
})

/** A name that shall come to be. A separator at the end only says that children are planned (RFC 9051 section 6.3.4). */
function newName(args: Tokens): string {
  const given = mailboxArgument(args)
  const name = given.endsWith(SEPARATOR) ? given.slice(0, -1) : given
  if (name.split(SEPARATOR).includes('')) throw refusal('CANNOT', 'Mailbox name has an empty level')
  // A client could not name it in LIST without meaning more (RFC 9051 section 5.1).
  if (/[*%]/.test(name)) throw refusal('CANNOT', 'Mailbox name has a wildcard')
  return name
}

/** "(" "USE" SP "(" use ")" ")". */
function useArgument(args: Tokens): SpecialUse | null {
  args.open()
  if (!args.tryWord('USE')) throw syntaxError('CREATE knows no other parameter than USE')
  args.space()
  const names = args.list(() => args.flag(), true)
  if (!args.tryClose()) throw args.error('")"')
  const [name] = names
  if (name === undefined) return null
  if (names.length > 1) throw refusal('USEATTR', 'A mailbox has one special use at most')
  const use = specialUseOf(name)
  if (use === null) throw refusal('USEATTR', 'Special use is not supported')
  return use
}
