/** FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 6.4.9), with the modifiers of RFC 7162 and RFC 9394. */
import { CodedError } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import type { Uid } from '#lib/mail/types.ts'
import { DEEP_BATCH, FACTS_BATCH } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { type FetchItem, fetchItems } from '../../syntax/fetch-items.ts'
import { type FetchModifiers, fetchModifiers } from '../../syntax/fetch-modifiers.ts'
import { SequenceSet } from '../../syntax/sequence-set.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Addressing, Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import type { Dialect } from '../dialect.ts'
import { isFact, isOfHeader, writeFacts, writeFetch } from '../fetch-response.ts'
import { MessageReader } from '../message-reader.ts'
import { bad, no, ok } from '../outcome.ts'
import { type IndexRange, partOf, type SelectedMailbox } from '../selected-mailbox.ts'

export const fetch = fetching('sequence')
export const uidFetch = fetching('uid')

/** What is done for each message. */
interface Plan {
  readonly items: readonly FetchItem[]
  /** Facts answer everything: no bytes are read. */
  readonly factsOnly: boolean
  /** So does a parsed header with them. */
  readonly headerToo: boolean
  /** Messages become \Seen. */
  readonly marksSeen: boolean
  readonly showsFlags: boolean
  readonly showsModSeq: boolean
}

function fetching(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: by === 'uid',
    prepare(args) {
      args.space()
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
        const missing = await fetchAll(session, ranges, planOf(items, modifiers, by === 'uid' && !dialect.uidOnly))
        if (session.conversation.ending) return no('UNAVAILABLE', 'Session is ending')
        // RFC 5530 section 3: the bytes of an expunged message are gone before the client was told.
        return missing === 0 ? ok() : no('EXPUNGEISSUED', 'Some of the messages no longer exist')
      }
    },
  }
}

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

function planOf(given: readonly FetchItem[], { changedSince }: FetchModifiers, showsUid: boolean): Plan {
  const items = [...given]
  // RFC 9051 section 6.4.9: the response to UID FETCH has the UID, asked for or not.
  if (showsUid && !items.some((item) => item.kind === 'uid')) items.unshift({ kind: 'uid' })
  // RFC 7162 section 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
  if (changedSince !== null && !items.some((item) => item.kind === 'mod-seq')) items.push({ kind: 'mod-seq' })
  return {
    items,
    factsOnly: items.every(isFact),
    headerToo: items.every((item) => isFact(item) || isOfHeader(item)),
    marksSeen: items.some((item) => (item.kind === 'section' || item.kind === 'binary') && !item.peek),
    showsFlags: items.some((item) => item.kind === 'flags'),
    showsModSeq: items.some((item) => item.kind === 'mod-seq'),
  }
}

/** @returns The number of messages whose bytes are gone. */
async function fetchAll(session: SessionContext, ranges: readonly IndexRange[], plan: Plan): Promise<number> {
  let missing = 0
  let first = true
  for (const uids of session.mailbox.batches(ranges, FACTS_BATCH)) {
    if (!first) await session.host.pause()
    first = false
    missing += await fetchBatch(session, uids, plan)
    if (session.conversation.ending) break
  }
  return missing
}

/** @returns The number of messages whose bytes are gone. */
async function fetchBatch(session: SessionContext, uids: readonly Uid[], plan: Plan): Promise<number> {
  const { mailbox, out, conversation, host } = session
  const facts = mailbox.store.facts(uids)
  const marked = plan.marksSeen && !mailbox.readOnly ? await markSeen(session, facts) : new Map<number, MessageFacts>()
  let missing = 0
  let deep = 0
  for (const seen of facts) {
    const message = marked.get(seen.uid) ?? seen
    const items = marked.has(seen.uid) ? withFlags(plan, session.dialect) : plan.items
    if ((plan.showsFlags || marked.has(seen.uid)) && !mailbox.knows(message)) mailbox.told(message)
    const header = plan.headerToo ? host.headers.get(session.structureKey(message.emailId)) : undefined
    if (plan.factsOnly) writeFacts(out, mailbox, message, items, null)
    else if (header !== undefined) writeFacts(out, mailbox, message, items, header)
    else {
      const bytes = mailbox.store.message(message.uid)
      if (bytes === null) missing++
      else {
        const reader = new MessageReader(bytes, session.structureKey(message.emailId), session.host)
        await writeFetch(out, mailbox, message, items, reader)
        if (++deep % DEEP_BATCH === 0) await host.pause()
      }
    }
    if (out.congested) await out.ready()
    if (conversation.ending) break
  }
  return missing
}

/** RFC 9051 section 6.4.5: flags that this FETCH changed are shown, asked for or not. */
function withFlags({ items, showsFlags, showsModSeq }: Plan, dialect: Dialect): readonly FetchItem[] {
  const more: FetchItem[] = []
  if (!showsFlags) more.push({ kind: 'flags' })
  if (!showsModSeq && dialect.condstore) more.push({ kind: 'mod-seq' })
  return more.length === 0 ? items : [...items, ...more]
}

/** Sets \Seen where it is missing; the facts after that, by UID. */
async function markSeen(session: SessionContext, facts: readonly MessageFacts[]): Promise<Map<number, MessageFacts>> {
  const unseen = facts.filter((message) => (message.flags.system & Flag.seen) === 0).map((message) => message.uid)
  if (unseen.length === 0) return new Map()
  try {
    const flags = { system: Flag.seen, keywords: [] }
    const result = await session.mailbox.store.store({ uids: unseen, change: 'add', flags })
    return new Map(result.facts.map((message) => [message.uid, message]))
  } catch (error) {
    // A store that takes no writes (disk full, no mirror) must still let people read.
    if (!(error instanceof CodedError)) throw error
    session.host.report(error, { command: 'FETCH', fatal: false })
    return new Map()
  }
}
