/** SEARCH and UID SEARCH (RFC 3501 section 6.4.4). */
import { FACTS_BATCH } from '../../limits.ts'
import { type SearchKey, searchKeys } from '../../syntax/search-keys.ts'
import type { Addressing, Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { no, ok } from '../outcome.ts'
import { Candidate } from '../search/candidate.ts'
import { compile } from '../search/matcher.ts'
import type { IndexRange, SelectedMailbox } from '../selected-mailbox.ts'

/** Messages whose bytes were read before others get a turn: reads from a cache would not give them one. */
const DEEP_BATCH = 16

export const search = searching('sequence')
export const uidSearch = searching('uid')

function searching(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: by === 'uid',
    prepare(args) {
      args.space()
      const key = searchKeys(args)
      return async (session) => {
        const found = await find(session, key, by)
        if (found === null) return no('UNAVAILABLE', 'Session is ending')
        session.out.write('* SEARCH')
        for (const number of found) session.out.write(` ${number}`)
        session.out.write('\r\n')
        return ok()
      }
    },
  }
}

/** Numbers of the matching messages, ascending; null if the session ends. */
async function find(session: SessionContext, key: SearchKey, by: Addressing): Promise<number[] | null> {
  const { mailbox, host, conversation } = session
  const matcher = compile(key, mailbox)
  const found: number[] = []
  let deep = 0
  for (const range of startingRanges(key, mailbox)) {
    for (let from = range.from; from < range.to; from += FACTS_BATCH) {
      const to = Math.min(range.to, from + FACTS_BATCH)
      for (const facts of mailbox.store.facts(mailbox.uids([{ from, to }]))) {
        const candidate = new Candidate(facts, session, matcher.texts)
        let matches = matcher.quick(candidate)
        if (matches === null) {
          matches = await matcher.slow(candidate)
          if (++deep % DEEP_BATCH === 0) await host.pause()
          if (conversation.ending) return null
        }
        if (matches) found.push(by === 'uid' ? facts.uid : candidate.sequence)
      }
      if (conversation.ending) return null
      if (to < range.to) await host.pause()
    }
  }
  return found
}

/** A set of numbers that every match must be in narrows what is looked at. */
function startingRanges(key: SearchKey, mailbox: SelectedMailbox): readonly IndexRange[] {
  const keys = key.kind === 'and' ? key.keys : [key]
  for (const part of keys) {
    if (part.kind === 'uid') return mailbox.resolve(part.set, 'uid')
    if (part.kind === 'sequence') {
      return part.set
        .resolve(mailbox.exists)
        .map(({ from, to }) => ({ from: from - 1, to: Math.min(to, mailbox.exists) }))
        .filter(({ from, to }) => from < to)
    }
  }
  return [{ from: 0, to: mailbox.exists }]
}
