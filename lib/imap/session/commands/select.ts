/** SELECT, EXAMINE, CLOSE (RFC 9051 sections 6.3.2, 6.3.3, 6.4.1), UNSELECT (RFC 3691), CHECK (RFC 3501 section 6.4.1). */
import { Flag } from '#lib/mail/flags.ts'
import { FACTS_BATCH } from '../../limits.ts'
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import type { Command } from '../command.ts'
import { no, ok } from '../outcome.ts'
import { flagsResponse, type SelectedMailbox } from '../selected-mailbox.ts'

/** Messages looked at for UNSEEN. Without the code a client asks by SEARCH; a scan of all facts would hold up SELECT. */
const UNSEEN_SCAN_MAX = 2 * FACTS_BATCH

const SYSTEM_FLAGS = '\\Answered \\Flagged \\Deleted \\Seen \\Draft'

export const select = opening(false)
export const examine = opening(true)

function opening(readOnly: boolean): Command {
  return {
    state: 'any',
    expunges: false,
    prepare(args) {
      args.space()
      const name = mailboxArgument(args)
      args.end()
      return async (session) => {
        const { out } = session
        if (session.selected !== null) {
          // RFC 9051 section 6.3.2: the mailbox before is closed even if this SELECT fails.
          session.unselect()
          out.untagged('OK [CLOSED] Mailbox before is closed')
        }
        const info = session.account.find(name)
        if (info === null) return no('NONEXISTENT', 'No such mailbox')
        const mailbox = await session.select(info, readOnly)
        const { store } = mailbox
        out.untagged(flagsResponse(store.keywords()))
        const permanent = store.readOnly ? '' : [SYSTEM_FLAGS, ...store.keywords(), '\\*'].join(' ')
        out.untagged(`OK [PERMANENTFLAGS (${permanent})] Flags that are kept`)
        out.untagged(`${mailbox.exists} EXISTS`)
        out.untagged(`${mailbox.recentCount} RECENT`)
        const unseen = firstUnseen(mailbox)
        if (unseen > 0) out.untagged(`OK [UNSEEN ${unseen}] First message that is not seen`)
        out.untagged(`OK [UIDVALIDITY ${store.info.uidValidity}] UIDs are valid`)
        out.untagged(`OK [UIDNEXT ${mailbox.view.uidNext}] Next UID`)
        return ok('Selected', store.readOnly ? 'READ-ONLY' : 'READ-WRITE')
      }
    },
  }
}

/** Sequence number of the first message without \Seen; 0 if there is none among the first ones. */
function firstUnseen(mailbox: SelectedMailbox): number {
  if (mailbox.store.status().unseen === 0) return 0
  const end = Math.min(mailbox.exists, UNSEEN_SCAN_MAX)
  for (let from = 0; from < end; from += FACTS_BATCH) {
    const uids = mailbox.uids([{ from, to: Math.min(end, from + FACTS_BATCH) }])
    const unseen = mailbox.store.facts(uids).find((facts) => (facts.flags.system & Flag.seen) === 0)
    if (unseen !== undefined) return mailbox.sequenceOf(unseen.uid)
  }
  return 0
}

export const close: Command = {
  state: 'selected',
  expunges: false,
  prepare(args) {
    args.end()
    return async (session) => {
      const { mailbox } = session
      if (!mailbox.readOnly) await mailbox.store.expunge(null) // in silence: the client forgets the mailbox
      session.unselect()
      return ok()
    }
  },
}

export const unselect: Command = {
  state: 'selected',
  expunges: false,
  prepare(args) {
    args.end()
    return (session) => {
      session.unselect()
      return ok()
    }
  },
}

/** Everything is durable before it is answered: nothing is left to do. */
export const check: Command = {
  state: 'selected',
  expunges: true,
  prepare(args) {
    args.end()
    return () => ok()
  },
}
