/**
 * The messages of a mailbox that match: batch by batch, so that other sessions get their turn, and facts before bytes. Reads nothing
 * into memory but the letter that it looks at.
 */
import { DEEP_BATCH, FACTS_BATCH } from '../../limits.ts'
import { asksForModSeq, type SearchKey, someKey } from '../../syntax/search-keys.ts'
import { uidRequired } from '../../syntax/syntax-error.ts'
import type { SessionContext } from '../context.ts'
import { Progress } from '../progress.ts'
import type { IndexRange, SelectedMailbox } from '../selected-mailbox.ts'
import { Candidate } from './candidate.ts'
import { compile, positionsOf } from './matcher.ts'

/** So few letters are looked at sooner than a text index is asked. */
const UNFILTERED_MAX = 8

export interface Found {
  /** Positions in the view, ascending. */
  readonly indexes: number[]
  /** MODSEQ of each, if a key asked for MODSEQ (RFC 7162 section 3.1.5); otherwise null. */
  readonly modSeqs: number[] | null
  /** How well each matches (RFC 6203); null: nobody asked. */
  readonly scores: number[] | null
}

/**
 * @param scored Whether it is wanted how well messages match.
 * @returns Null if the session ends. The mailbox's view must not change meanwhile.
 */
export async function find(
  session: SessionContext,
  mailbox: SelectedMailbox,
  key: SearchKey,
  scored = false,
): Promise<Found | null> {
  const { host, conversation, dialect } = session
  if (dialect.uidOnly && someKey(key, (part) => part.kind === 'sequence' && !part.set.saved)) throw uidRequired()
  const matcher = compile(key, { mailbox, nowMs: host.clock.nowMs() })
  let ranges = startingRanges(key, mailbox)
  if (matcher.wishes.length > 0 && ranges.reduce((sum, { from, to }) => sum + to - from, 0) > UNFILTERED_MAX) {
    const filter = await mailbox.store.textFilter(matcher.wishes)
    const within = filter === null ? null : matcher.filter(filter)
    if (within !== null) ranges = common(ranges, mailbox.indexRanges(within))
  }
  const progress = new Progress(session, mailbox.exists)
  const modSeqs: number[] | null = asksForModSeq(key) ? [] : null
  const scores: number[] | null = scored ? [] : null
  const indexes: number[] = []
  let deep = 0
  for (const range of ranges) {
    for (let from = range.from; from < range.to; from += FACTS_BATCH) {
      const to = Math.min(range.to, from + FACTS_BATCH)
      let index = from
      for (const facts of mailbox.store.facts(mailbox.uids([{ from, to }]))) {
        while (mailbox.uidAt(index) !== facts.uid) index++ // facts come in order, some may be left out
        const candidate = new Candidate(facts, index, mailbox, session, matcher.texts)
        let matches = matcher.quick(candidate)
        if (matches === null) {
          matches = await matcher.slow(candidate)
          if (++deep % DEEP_BATCH === 0) {
            progress.tell(index)
            await host.pause()
          }
          if (conversation.ending) return null
        }
        if (!matches) continue
        indexes.push(index)
        modSeqs?.push(facts.modSeq)
        scores?.push(await matcher.score(candidate))
      }
      if (conversation.ending) return null
      if (to < range.to) await host.pause()
    }
  }
  return { indexes, modSeqs, scores }
}

/** A set of numbers that every match must be in narrows what is looked at. */
function startingRanges(key: SearchKey, mailbox: SelectedMailbox): readonly IndexRange[] {
  const keys = key.kind === 'and' ? key.keys : [key]
  for (const part of keys) {
    if (part.kind === 'uid' || part.kind === 'sequence') {
      return positionsOf(part, mailbox).map(({ from, to }) => ({ from, to: to + 1 }))
    }
  }
  return [{ from: 0, to: mailbox.exists }]
}

/** Positions in both, each ascending and without overlap. */
function common(a: readonly IndexRange[], b: readonly IndexRange[]): IndexRange[] {
  const both: IndexRange[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x, y] = [a[i] as IndexRange, b[j] as IndexRange]
    const [from, to] = [Math.max(x.from, y.from), Math.min(x.to, y.to)]
    if (from < to) both.push({ from, to })
    if (x.to < y.to) i++
    else j++
  }
  return both
}
