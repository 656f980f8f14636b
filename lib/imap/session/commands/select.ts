/**
 * SELECT, EXAMINE, CLOSE (RFC 9051 sections 6.3.2, 6.3.3, 6.4.1), UNSELECT (RFC 3691), CHECK (RFC 3501 section 6.4.1);
 * SELECT with what the client knows already (RFC 7162 section 3.2.5).
 */
import { Flag, flagNames } from '#lib/mail/flags.ts'
import { FACTS_BATCH } from '../../limits.ts'
import { ALL_RIGHTS, flagBits } from '../../sharing/rights.ts'
import type { OpenMailbox } from '../../store.ts'
import { mailboxArgument, SEPARATOR } from '../../syntax/mailbox-name.ts'
import { type KnownState, selectParameters } from '../../syntax/select-parameters.ts'
import { uidRequired } from '../../syntax/syntax-error.ts'
import type { Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { bad, no, ok } from '../outcome.ts'
import { flagsResponse, type SelectedMailbox } from '../selected-mailbox.ts'

/** Messages looked at for UNSEEN. Without the code a client asks by SEARCH; a scan of all facts would hold up SELECT. */
const UNSEEN_SCAN_MAX = 2 * FACTS_BATCH

export const select = opening(false)
export const examine = opening(true)

function opening(readOnly: boolean): Command {
  return {
    state: 'any',
    expunges: false,
    prepare(args) {
      args.space()
      const name = mailboxArgument(args)
      const { condstore, known } = selectParameters(args)
      args.end()
      return async (session) => {
        const { out, dialect } = session
        if (known !== null && !dialect.qresync) return bad('QRESYNC must be enabled first') // RFC 7162 section 3.2.5
        if (known?.hasMatchData === true && dialect.uidOnly) throw uidRequired() // RFC 9586 section 3.5
        if (session.selected !== null) {
          // RFC 9051 section 6.3.2: the mailbox before is closed even if this SELECT fails.
          session.unselect()
          out.untagged('OK [CLOSED] Mailbox before is closed')
        }
        if (condstore) session.useCondstore()
        const info = session.account.find(name)
        if (info === null) return no('NONEXISTENT', 'No such mailbox')
        const mailbox = await session.select(info, readOnly)
        const { store } = mailbox
        out.untagged(flagsResponse(store.keywords()))
        out.untagged(`OK [PERMANENTFLAGS (${permanentFlags(store)})] Flags that are kept`)
        out.untagged(`${mailbox.exists} EXISTS`)
        if (!dialect.rev2) out.untagged(`${mailbox.recentCount} RECENT`)
        const unseen = dialect.uidOnly || dialect.rev2 ? 0 : firstUnseen(mailbox)
        if (unseen > 0) out.untagged(`OK [UNSEEN ${unseen}] First message that is not seen`)
        out.untagged(`OK [UIDVALIDITY ${store.info.uidValidity}] UIDs are valid`)
        out.untagged(`OK [UIDNEXT ${mailbox.view.uidNext}] Next UID`)
        // RFC 9051 section 6.3.2: by which name it is open.
        if (dialect.rev2) out.untagged(`LIST () "${SEPARATOR}" ${dialect.name(store.info.name)}`)
        mailbox.tellHighestModSeq(out)
        out.untagged(`OK [MAILBOXID (${store.info.id})] Mailbox`) // RFC 8474 section 4.2
        // RFC 7162 section 3.2.5.1: of another UIDVALIDITY the client must forget everything.
        if (known !== null && known.uidValidity === store.info.uidValidity) await resynchronize(session, mailbox, known)
        session.warnOfQuota()
        return ok('Selected', store.readOnly ? 'READ-ONLY' : 'READ-WRITE')
      }
    },
  }
}

/** Flags that this session may change (RFC 9051 section 7.1, RFC 4314 section 5.2). */
function permanentFlags(store: OpenMailbox): string {
  if (store.readOnly) return ''
  const { rights = ALL_RIGHTS } = store.info
  const system = flagNames({ system: flagBits(rights), keywords: [] })
  return [...system, ...(rights.includes('w') ? [...store.keywords(), '\\*'] : [])].join(' ')
}

/** Tells what was expunged and what changed since the client was here last (RFC 7162 section 3.2.5.2). */
async function resynchronize(session: SessionContext, mailbox: SelectedMailbox, known: KnownState): Promise<void> {
  const { out, dialect, host } = session
  const largest = mailbox.view.uidNext - 1
  const uids = known.uids?.resolve(largest) ?? null
  await mailbox.tellVanishedSince(out, known.modSeq, uids)
  const asked = uids === null ? [{ from: 0, to: mailbox.exists }] : mailbox.indexRanges(uids)
  for (const batch of mailbox.batches(mailbox.changedSince(asked, known.modSeq), FACTS_BATCH)) {
    for (const facts of mailbox.store.facts(batch)) {
      out.write(dialect.flagsChanged(mailbox.sequenceOf(facts.uid), facts, mailbox.flagText(facts)))
      if (!mailbox.knows(facts)) mailbox.told(facts)
    }
    await out.ready()
    if (batch.length === FACTS_BATCH) await host.pause()
    if (session.conversation.ending) return
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
      if (!mailbox.readOnly && mailbox.may('e')) await mailbox.store.expunge(null) // in silence: the client forgets the mailbox
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
