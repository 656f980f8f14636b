/** FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 6.4.9). */
import { CodedError } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import { FACTS_BATCH } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { type FetchItem, fetchItems } from '../../syntax/fetch-items.ts'
import { SequenceSet } from '../../syntax/sequence-set.ts'
import type { Addressing, Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { isFact, isOfHeader, writeFacts, writeFetch } from '../fetch-response.ts'
import { MessageReader } from '../message-reader.ts'
import { no, ok } from '../outcome.ts'

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
}

function fetching(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: by === 'uid',
    prepare(args) {
      args.space()
      const set = SequenceSet.parse(args)
      args.space()
      const plan = planOf(fetchItems(args), by)
      args.end()
      return async (session) => {
        const ranges = session.mailbox.resolve(set, by)
        let missing = 0
        for (const range of ranges) {
          for (let from = range.from; from < range.to; from += FACTS_BATCH) {
            const to = Math.min(range.to, from + FACTS_BATCH)
            missing += await fetchBatch(session, { from, to }, plan)
            if (session.conversation.ending) return no('UNAVAILABLE', 'Session is ending')
            if (to < range.to) await session.host.pause()
          }
        }
        // RFC 5530 section 3: the bytes of an expunged message are gone before the client was told.
        return missing === 0 ? ok() : no('EXPUNGEISSUED', 'Some of the messages no longer exist')
      }
    },
  }
}

function planOf(given: readonly FetchItem[], by: Addressing): Plan {
  // RFC 9051 section 6.4.9: the response to UID FETCH has the UID, asked for or not.
  const items: readonly FetchItem[] =
    by === 'uid' && !given.some((item) => item.kind === 'uid') ? [{ kind: 'uid' }, ...given] : given
  return {
    items,
    factsOnly: items.every(isFact),
    headerToo: items.every((item) => isFact(item) || isOfHeader(item)),
    marksSeen: items.some((item) => item.kind === 'section' && !item.peek),
    showsFlags: items.some((item) => item.kind === 'flags'),
  }
}

/** @returns The number of messages whose bytes are gone. */
async function fetchBatch(session: SessionContext, range: { from: number; to: number }, plan: Plan): Promise<number> {
  const { mailbox, out, conversation, host } = session
  const facts = mailbox.store.facts(mailbox.uids([range]))
  const marked = plan.marksSeen && !mailbox.readOnly ? await markSeen(session, facts) : new Map<number, MessageFacts>()
  let missing = 0
  let index = range.from
  for (const seen of facts) {
    while (mailbox.uidAt(index) !== seen.uid) index++ // facts come in order, some may be left out
    const sequence = index + 1
    const message = marked.get(seen.uid) ?? seen
    // RFC 9051 section 6.4.5: flags that this FETCH changed are shown, asked for or not.
    const showsFlags = plan.showsFlags || marked.has(seen.uid)
    const items = showsFlags && !plan.showsFlags ? [...plan.items, FLAGS] : plan.items
    if (showsFlags && !mailbox.knows(message)) mailbox.told(message)
    const header = plan.headerToo ? host.headers.get(session.structureKey(message.emailId)) : undefined
    if (plan.factsOnly) writeFacts(out, mailbox, sequence, message, items, null)
    else if (header !== undefined) writeFacts(out, mailbox, sequence, message, items, header)
    else {
      const bytes = mailbox.store.message(message.uid)
      if (bytes === null) missing++
      else {
        const reader = new MessageReader(bytes, session.structureKey(message.emailId), session.host)
        await writeFetch(out, mailbox, sequence, message, items, reader)
      }
    }
    if (out.congested) await out.ready()
    if (conversation.ending) break
  }
  return missing
}

const FLAGS: FetchItem = { kind: 'flags' }

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
