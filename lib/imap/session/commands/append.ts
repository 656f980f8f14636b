/** APPEND (RFC 9051 section 6.3.12) with APPENDUID (RFC 4315 section 3). */
import { type Flags, NO_FLAGS } from '#lib/mail/flags.ts'
import { dateTimeArgument } from '../../syntax/dates.ts'
import { flagList } from '../../syntax/flags.ts'
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import { appendBody } from '../append-body.ts'
import type { Command } from '../command.ts'
import { bad, no, ok } from '../outcome.ts'

const NO_MAILBOX = no('TRYCREATE', 'No such mailbox')

export const append: Command = {
  state: 'any',
  expunges: true,
  refuseEarly(args, { account }) {
    args.space()
    return account.find(mailboxArgument(args)) === null ? NO_MAILBOX : null
  },
  prepare(args) {
    args.space()
    const mailbox = mailboxArgument(args)
    args.space()
    let flags: Flags = NO_FLAGS
    if (args.peek() === '(') {
      flags = flagList(args)
      args.space()
    }
    let internalDateMs: number | null = null
    if (args.peek() === '"') {
      internalDateMs = dateTimeArgument(args)
      args.space()
    }
    const literal = args.literal()
    args.end()
    return async ({ account, host }) => {
      if (account.find(mailbox) === null) return NO_MAILBOX
      if (literal.sizeBytes > account.appendLimitBytes) {
        return no('TOOBIG', `Message is larger than ${account.appendLimitBytes} bytes`) // RFC 7889 section 4
      }
      if (literal.sizeBytes === 0) return no('CANNOT', 'Message is empty')
      const body = await appendBody(literal.pieces, () => host.pause())
      if (body === null) {
        // RFC 3516 section 4.4: literal8 may hold NUL, but only a server with BINARY can keep it.
        return literal.binary ? no('UNKNOWN-CTE', 'Message has a NUL') : bad('NUL in a literal')
      }
      const { uidValidity, uid } = await account.append({ mailbox, flags, internalDateMs, body })
      return ok('Done', `APPENDUID ${uidValidity} ${uid}`)
    }
  },
}
