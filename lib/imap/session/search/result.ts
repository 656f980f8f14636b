/**
 * What SEARCH and SORT answer: numbers in their order, in the old form or the extended one (RFC 4731). Long answers are written in pieces:
 * a million numbers neither stand in memory as text nor hold up the event loop.
 */
import { RESULT_BATCH } from '../../limits.ts'
import type { PartialRange, SearchReturn } from '../../syntax/search-return.ts'
import { formatSequence } from '../../syntax/sequence-set.ts'
import type { Addressing } from '../command.ts'
import type { SessionContext } from '../context.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'

/** Positions in the view in the order of the answer: that of the mailbox for SEARCH, that of the criteria for SORT. */
export interface Result {
  readonly indexes: readonly number[]
  /** MODSEQ of each; null if nobody asked. */
  readonly modSeqs: readonly number[] | null
  /** How well each matches; null if nobody asked. */
  readonly scores: readonly number[] | null
}

type ResultSession = Pick<SessionContext, 'out' | 'host'>

/** `* SEARCH 1 2 3 (MODSEQ 5)`, without options (RFC 9051 section 7.3.4, RFC 7162 section 3.1.6). */
export async function writePlain(
  session: ResultSession,
  command: 'SEARCH' | 'SORT',
  numbers: readonly number[],
  modSeqs: readonly number[] | null,
): Promise<void> {
  const { out } = session
  out.write(`* ${command}`)
  await inBatches(session, numbers, (batch) => out.write(` ${batch.join(' ')}`))
  if (modSeqs !== null && modSeqs.length > 0) out.write(` (MODSEQ ${highest(modSeqs)})`)
  out.write('\r\n')
}

/** `* ESEARCH (TAG "a1") UID COUNT 3 ALL 1:3`. @param from Correlator of the command, as `(TAG "a1")`. */
export async function writeExtended(
  session: ResultSession,
  from: string,
  by: Addressing,
  returns: SearchReturn,
  { numbers, part }: { readonly numbers: readonly number[]; readonly part: Result },
): Promise<void> {
  const { out } = session
  const [first] = numbers
  const last = numbers.at(-1)
  out.write(`* ESEARCH ${from}`)
  if (by === 'uid') out.write(' UID')
  if (returns.min && first !== undefined) out.write(` MIN ${first}`)
  if (returns.max && last !== undefined) out.write(` MAX ${last}`)
  if (returns.count) out.write(` COUNT ${numbers.length}`)
  if (returns.all && numbers.length > 0) {
    out.write(' ALL ')
    await writeSequence(session, numbers)
  }
  if (returns.partial !== null) {
    const window = windowOf(numbers, returns.partial)
    out.write(` PARTIAL (${returns.partial.text} `)
    if (window.length === 0) out.write('NIL')
    else await writeSequence(session, window)
    out.write(')')
  }
  const modSeq = highest(part.modSeqs)
  if (modSeq !== null) out.write(` MODSEQ ${modSeq}`)
  if (returns.relevancy && part.scores !== null && part.scores.length > 0) {
    out.write(' RELEVANCY (')
    await inBatches(session, part.scores, (batch, first) => out.write(`${first ? '' : ' '}${batch.join(' ')}`))
    out.write(')')
  }
  out.write('\r\n')
}

/** Whether the options ask for an answer at all: SAVE alone does not (RFC 5182 section 2.1). */
export function asksForAnswer({ min, max, all, count, partial }: SearchReturn): boolean {
  return min || max || all || count || partial !== null
}

/** Sequence numbers or UIDs of `indexes`. */
export function numbersOf(indexes: readonly number[], by: Addressing, mailbox: SelectedMailbox): number[] {
  return by === 'uid' ? indexes.map((index) => mailbox.uidAt(index)) : indexes.map((index) => index + 1)
}

/**
 * The part of a result that SAVE keeps and whose highest MODSEQ is told: all of it, unless only ends or a window were asked for (RFC 5182
 * section 2.4, RFC 7162 section 3.1.10, RFC 9394 section 3.3).
 */
export function concerned(result: Result, returns: SearchReturn): Result {
  const { indexes, modSeqs, scores } = result
  const { min, max, all, count, partial } = returns
  if (all || count || !(min || max || partial !== null)) return { indexes, modSeqs, scores }
  const places = new Set<number>()
  if (min && indexes.length > 0) places.add(0)
  if (max && indexes.length > 0) places.add(indexes.length - 1)
  if (partial !== null) for (const place of windowOf([...indexes.keys()], partial)) places.add(place)
  const ordered = [...places].sort((a, b) => a - b)
  const chosen = (all: readonly number[]) => ordered.map((place) => all[place] as number)
  return {
    indexes: chosen(indexes),
    modSeqs: modSeqs === null ? null : chosen(modSeqs),
    scores: scores === null ? null : chosen(scores),
  }
}

/** Null for nothing. */
export function highest(modSeqs: readonly number[] | null): number | null {
  if (modSeqs === null || modSeqs.length === 0) return null
  return modSeqs.reduce((a, b) => Math.max(a, b), 0)
}

function windowOf<T>(items: readonly T[], { from, to, fromEnd }: PartialRange): readonly T[] {
  if (!fromEnd) return items.slice(from - 1, to)
  return items.slice(Math.max(0, items.length - to), Math.max(0, items.length - from + 1))
}

async function writeSequence(session: ResultSession, numbers: readonly number[]): Promise<void> {
  const { out } = session
  let written = false
  await inBatches(session, numbers, (batch) => {
    out.write(written ? `,${formatSequence(batch)}` : formatSequence(batch))
    written = true
  })
}

async function inBatches(
  { out, host }: ResultSession,
  numbers: readonly number[],
  write: (batch: readonly number[], first: boolean) => void,
): Promise<void> {
  for (let from = 0; from < numbers.length; from += RESULT_BATCH) {
    write(numbers.slice(from, from + RESULT_BATCH), from === 0)
    if (out.congested) await out.ready()
    if (from + RESULT_BATCH < numbers.length) await host.pause()
  }
}
