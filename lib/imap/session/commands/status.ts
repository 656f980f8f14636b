/** STATUS (RFC 3501 section 6.3.10), its items as a table: an extension adds a line. */
import type { MailboxStatus } from '../../store.ts'
import { mailboxArgument, wireName } from '../../syntax/mailbox-name.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Command } from '../command.ts'
import { no, ok } from '../outcome.ts'

const ITEMS: ReadonlyMap<string, (status: MailboxStatus) => number> = new Map([
  ['MESSAGES', (status: MailboxStatus) => status.messages],
  ['RECENT', (status: MailboxStatus) => status.recent],
  ['UIDNEXT', (status: MailboxStatus) => status.uidNext],
  ['UIDVALIDITY', (status: MailboxStatus) => status.uidValidity],
  ['UNSEEN', (status: MailboxStatus) => status.unseen],
])

export const status: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const name = mailboxArgument(args)
    args.space()
    const items = args.list(() => {
      const item = args.word()
      const value = ITEMS.get(item)
      if (value === undefined) throw syntaxError(`Unknown status item ${item}`)
      return { item, value }
    })
    args.end()
    return ({ account, out }) => {
      const info = account.find(name)
      if (info === null) return no('NONEXISTENT', 'No such mailbox')
      const values = account.status(info.id)
      const text = items.map(({ item, value }) => `${item} ${value(values)}`).join(' ')
      out.untagged(`STATUS ${wireName(info.name)} (${text})`)
      return ok()
    }
  },
}
