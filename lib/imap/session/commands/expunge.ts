/** EXPUNGE (RFC 9051 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1). The untagged responses come by `sync()`. */
import { SequenceSet } from '../../syntax/sequence-set.ts'
import type { Command } from '../command.ts'
import { no, type Outcome, ok } from '../outcome.ts'

const EXPUNGED: Outcome = { ...ok(), expunged: true }

export const expunge: Command = {
  state: 'selected',
  expunges: true,
  prepare(args) {
    args.end()
    return async ({ mailbox }) => {
      if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
      const gone = await mailbox.store.expunge(null)
      return gone.length > 0 ? EXPUNGED : ok()
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
      const gone = uids.length > 0 ? await mailbox.store.expunge(uids) : []
      return gone.length > 0 ? EXPUNGED : ok()
    }
  },
}
