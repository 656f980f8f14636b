/** Answers for messages one after the other: those of FETCH, and new ones of which NOTIFY tells more than that they are there. */
import { CodedError } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import type { Uid } from '#lib/mail/types.ts'
import { DEEP_BATCH, FACTS_BATCH } from '../limits.ts'
import type { MessageFacts } from '../store.ts'
import type { FetchItem } from '../syntax/fetch-items.ts'
import type { SessionContext } from './context.ts'
import type { Dialect } from './dialect.ts'
import { isFact, isOfHeader, writeFacts, writeFetch } from './fetch-response.ts'
import type { IndexRange } from './selected-mailbox.ts'
import { readerFor } from './surrogate.ts'

/** What is done for each message. */
export interface FetchPlan {
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

export function fetchPlan(items: readonly FetchItem[]): FetchPlan {
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
export async function fetchMessages(
  session: SessionContext,
  ranges: readonly IndexRange[],
  plan: FetchPlan,
): Promise<number> {
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
async function fetchBatch(session: SessionContext, uids: readonly Uid[], plan: FetchPlan): Promise<number> {
  const { mailbox, out, conversation, host } = session
  const facts = mailbox.store.facts(uids)
  const marks = plan.marksSeen && !mailbox.readOnly && mailbox.may('s')
  const marked = marks ? await markSeen(session, facts) : new Map<number, MessageFacts>()
  let missing = 0
  let deep = 0
  for (const seen of facts) {
    const message = marked.get(seen.uid) ?? seen
    const items = marked.has(seen.uid) ? withFlags(plan, session.dialect) : plan.items
    if ((plan.showsFlags || marked.has(seen.uid)) && !mailbox.knows(message)) mailbox.told(message)
    const header = plan.headerToo ? host.headers.get(session.structureKey(message.emailId)) : undefined
    if (plan.factsOnly) writeFacts(out, mailbox, message, items, null)
    else if (header !== undefined && (session.dialect.utf8 || header.headers.ascii)) {
      writeFacts(out, mailbox, message, items, header)
    } else {
      const bytes = mailbox.store.message(message.uid)
      if (bytes === null) missing++
      else {
        const reader = await readerFor(session, bytes, session.structureKey(message.emailId))
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
function withFlags({ items, showsFlags, showsModSeq }: FetchPlan, dialect: Dialect): readonly FetchItem[] {
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
