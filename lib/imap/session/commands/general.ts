/** Commands of every state: CAPABILITY, NOOP, LOGOUT (RFC 9051 section 6.1), ID (RFC 2971), ENABLE (RFC 5161). */
import { parseClientId, serverIdText } from '../../syntax/id.ts'
import { sessionCapabilities } from '../capabilities.ts'
import type { Command } from '../command.ts'
import { spelled } from '../dialect.ts'
import { ok } from '../outcome.ts'
import { plain } from './shapes.ts'

export const capability = plain(({ account, out }) => {
  out.untagged(`CAPABILITY ${sessionCapabilities(account)}`)
  return ok()
})

/** What it is for comes after every command: what changed in the mailbox. */
export const noop = plain(() => ok())

export const logout: Command = {
  state: 'any',
  expunges: false,
  prepare(args) {
    args.end()
    return (session) => {
      session.unselect()
      session.out.untagged('BYE Goodbye')
      session.logOut()
      return ok()
    }
  },
}

export const id: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    parseClientId(args)
    return ({ out, options }) => {
      out.untagged(serverIdText(options.serverId ?? []))
      return ok()
    }
  },
}

export const enable: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    const names: string[] = []
    args.space()
    do names.push(args.word())
    while (args.trySpace())
    args.end()
    return (session) => {
      const { dialect, out } = session
      const knewModSeq = dialect.condstore
      // RFC 5161 section 3.1: what is unknown, or on already, is passed over in silence. What comes with another is not asked for, and not told.
      const wanted = [...new Set(names)]
        .flatMap((name) => dialect.extension(name) ?? [])
        .filter((name) => !dialect.has(name))
      for (const extension of wanted) dialect.enable(extension)
      out.untagged(['ENABLED', ...wanted.map(spelled)].join(' '))
      if (!knewModSeq && dialect.condstore) session.selected?.tellHighestModSeq(out)
      return ok()
    }
  },
}
