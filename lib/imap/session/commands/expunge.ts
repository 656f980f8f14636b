/** EXPUNGE (RFC 9051 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1). The untagged responses come by `sync()`. */
import { SequenceSet } from '../../syntax/sequence-set.ts'
import type { Command } from '../command.ts'
import { no, ok } from '../outcome.ts'

export const expunge: Command = {
  state: 'selected',
  expunges: true,
  prepare(args) {
    args.end()
    return async ({ mailbox }) => {
      if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
      await mailbox.store.expunge(null)
      return ok()
    }
  },
}

export const uidExpunge: Command = {
  state: 'selected',
  expunges: true,
  prepare(args) {
    args.space()
    const set = SequenceSet.parse(args)
    args.end()
    return async ({ mailbox }) => {
      if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
      const uids = mailbox.uids(mailbox.resolve(set, 'uid'))
      if (uids.length > 0) await mailbox.store.expunge(uids)
      return ok()
    }
  },
}
