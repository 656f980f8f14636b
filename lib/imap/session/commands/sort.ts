/** SORT and UID SORT (RFC 5256 section 3), with DISPLAYFROM and DISPLAYTO (RFC 5957) and result options (ESORT, RFC 5267 section 3). */
import { asksForModSeq, isFuzzy, keysIn, relevancyAlone, type SearchKey } from '../../syntax/search-keys.ts'
import { type SearchReturn, searchReturn } from '../../syntax/search-return.ts'
import { type SortCriterion, sortCriteria } from '../../syntax/sort-criteria.ts'
import type { Addressing } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { bad, no, type Outcome, ok } from '../outcome.ts'
import { find } from '../search/find.ts'
import { asksForAnswer, concerned, numbersOf, writeExtended, writePlain } from '../search/result.ts'
import { SearchUpdates } from '../search/updates.ts'
import { compareRows, type SortRow, sortRow, sortsByFacts } from '../sort/order.ts'
import { patientSort } from '../sort/patient-sort.ts'
import { readFields } from '../sort/read-fields.ts'
import { onMessages } from './shapes.ts'

export const [sort, uidSort] = onMessages((args, by) => {
  const returns = searchReturn(args)
  const criteria = sortCriteria(args)
  args.space()
  const key = keysIn(args)
  return (session) => runSort(session, by, returns, criteria, key)
})

async function runSort(
  session: SessionContext,
  by: Addressing,
  returns: SearchReturn | null,
  criteria: readonly SortCriterion[],
  key: SearchKey,
): Promise<Outcome> {
  const { mailbox, host } = session
  const updates = returns?.update === true ? SearchUpdates.of(session) : null
  if (updates?.has(session.tag)) return bad('Another result is followed under this tag') // RFC 5267 section 4.3
  if (asksForModSeq(key)) session.useCondstore()
  const scored = returns?.relevancy === true || criteria.some((criterion) => criterion.key === 'RELEVANCY')
  if (scored && !isFuzzy(key)) throw relevancyAlone()
  const found = await find(session, mailbox, key, scored)
  const scores = new Map(found?.scores?.map((score, i) => [found.indexes[i], score]))
  const rows: SortRow[] = []
  const withHeader = !sortsByFacts(criteria)
  const complete =
    found !== null &&
    (await readFields(session, mailbox, found.indexes, withHeader, (index, facts, fields) => {
      rows.push(sortRow(index, facts, fields, criteria, scores.get(index)))
    }))
  if (!complete) return no('UNAVAILABLE', 'Session is ending')
  const ordered = await patientSort(rows, compareRows(criteria), () => host.pause())
  const indexes = ordered.map((row) => row.index)
  const modSeqs = found.modSeqs === null ? null : ordered.map((row) => row.modSeq)
  const numbers = numbersOf(indexes, by, mailbox)
  const scoreOf = (index: number) => scores.get(index) ?? 0
  if (returns === null) {
    await writePlain(session, 'SORT', numbers, modSeqs)
    return ok()
  }
  const part = concerned({ indexes, modSeqs, scores: found.scores === null ? null : indexes.map(scoreOf) }, returns)
  if (returns.save) mailbox.save(part.indexes.toSorted((a, b) => a - b))
  if (asksForAnswer(returns)) {
    await writeExtended(session, `(TAG "${session.tag}")`, by, returns, { numbers, part })
  }
  updates?.follow({ tag: session.tag, by, key, found: { kind: 'sort', criteria, rows: ordered } })
  return ok()
}
