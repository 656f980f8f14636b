/** NOTIFY (RFC 5465 section 3.1). */
import { notifyArguments } from '../../syntax/notify.ts'
import type { Command } from '../command.ts'
import { ok } from '../outcome.ts'

export const notify: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const wish = notifyArguments(args)
    args.end()
    return async (session) => {
      // RFC 5465 section 5.1: flags of other mailboxes show in their MODSEQ, so the client knows of it.
      if (wish?.groups.some(({ events }) => events.has('FlagChange'))) session.useCondstore()
      const notifier = session.notify(wish)
      if (wish?.status === true) await notifier.tellAll()
      return ok()
    }
  },
}
