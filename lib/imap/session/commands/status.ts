/** STATUS (RFC 3501 section 6.3.10). */
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import type { Command } from '../command.ts'
import { no, ok } from '../outcome.ts'
import { asksForModSeq, statusItems, statusText } from '../status-items.ts'

export const status: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const name = mailboxArgument(args)
    args.space()
    const items = statusItems(args)
    args.end()
    return (session) => {
      const { account, dialect, out } = session
      const info = account.find(name)
      if (info === null) return no('NONEXISTENT', 'No such mailbox')
      if (asksForModSeq(items)) session.useCondstore()
      out.untagged(`STATUS ${dialect.name(info.name)} (${statusText(account, info, items)})`)
      return ok()
    }
  },
}
