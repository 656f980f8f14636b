/** FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 6.4.9), with the modifiers of RFC 7162 and RFC 9394. */
import { type FetchItem, fetchItems } from '../../syntax/fetch-items.ts'
import { type FetchModifiers, fetchModifiers } from '../../syntax/fetch-modifiers.ts'
import { SequenceSet } from '../../syntax/sequence-set.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Addressing } from '../command.ts'
import { fetchMessages, fetchPlan } from '../fetch-messages.ts'
import { bad, no, ok } from '../outcome.ts'
import { type IndexRange, partOf, type SelectedMailbox } from '../selected-mailbox.ts'
import { onMessages } from './shapes.ts'

export const [fetch, uidFetch] = onMessages((args, by) => {
  const set = SequenceSet.parse(args)
  args.space()
  const items = fetchItems(args)
  const modifiers = fetchModifiers(args)
  args.end()
  const problem = misuse(modifiers, by)
  if (problem !== null) throw syntaxError(problem)
  return async (session) => {
    const { mailbox, dialect } = session
    const { changedSince, vanished } = modifiers
    if (vanished && !dialect.qresync) return bad('VANISHED needs ENABLE QRESYNC') // RFC 7162 section 3.2.6
    if (changedSince !== null || items.some((item) => item.kind === 'mod-seq')) session.useCondstore()
    const ranges = chosen(mailbox, mailbox.resolve(set, by), modifiers)
    if (vanished && changedSince !== null) {
      // Its "*" reaches what is expunged above the last message too: the client may have it.
      await mailbox.tellVanishedSince(session.out, changedSince, set.resolve(mailbox.view.uidNext - 1))
    }
    const plan = fetchPlan(asked(items, modifiers, by === 'uid' && !dialect.uidOnly))
    const missing = await fetchMessages(session, ranges, plan)
    if (session.conversation.ending) return no('UNAVAILABLE', 'Session is ending')
    // RFC 5530 section 3: the bytes of an expunged message are gone before the client was told.
    return missing === 0 ? ok() : no('EXPUNGEISSUED', 'Some of the messages no longer exist')
  }
})

/** Why the modifiers do not go together, or null. */
function misuse({ changedSince, vanished, partial }: FetchModifiers, by: Addressing): string | null {
  if (vanished && (by !== 'uid' || changedSince === null)) return 'VANISHED is for UID FETCH with CHANGEDSINCE'
  if (partial !== null && by !== 'uid') return 'PARTIAL is for UID FETCH' // RFC 9394 section 3.3
  return null
}

/** What of `ranges` the modifiers leave. */
function chosen(
  mailbox: SelectedMailbox,
  ranges: readonly IndexRange[],
  { changedSince, partial }: FetchModifiers,
): readonly IndexRange[] {
  const changed = changedSince === null ? ranges : mailbox.changedSince(ranges, changedSince)
  return partial === null ? changed : partOf(changed, partial)
}

/** What was asked for, with what UID FETCH and the modifiers add to it. */
function asked(given: readonly FetchItem[], { changedSince }: FetchModifiers, showsUid: boolean): FetchItem[] {
  const items = [...given]
  // RFC 9051 section 6.4.9: the response to UID FETCH has the UID, asked for or not.
  if (showsUid && !items.some((item) => item.kind === 'uid')) items.unshift({ kind: 'uid' })
  // RFC 7162 section 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
  if (changedSince !== null && !items.some((item) => item.kind === 'mod-seq')) items.push({ kind: 'mod-seq' })
  return items
}
