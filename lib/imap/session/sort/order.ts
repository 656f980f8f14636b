/** The order of SORT (RFC 5256 section 3): criteria one after the other, messages that are equal in all of them as in the mailbox. */
import type { MessageFacts } from '../../store.ts'
import type { SortCriterion, SortKey } from '../../syntax/sort-criteria.ts'
import { compareFolded } from '../search/fold.ts'
import type { SortFields } from './sort-fields.ts'

/** One message with what it is sorted by, in the order of the criteria. */
export interface SortRow {
  /** Position in the view when the row was made; only for `facts.uid` it stays right. */
  readonly index: number
  readonly uid: number
  readonly modSeq: number
  readonly values: readonly (number | string)[]
}

/** Whether facts alone answer, without a header. */
export function sortsByFacts(criteria: readonly SortCriterion[]): boolean {
  return criteria.every(({ key }) => key === 'ARRIVAL' || key === 'SIZE' || key === 'RELEVANCY')
}

export function sortRow(
  index: number,
  facts: MessageFacts,
  fields: SortFields,
  criteria: readonly SortCriterion[],
  score = 0,
): SortRow {
  return {
    index,
    uid: facts.uid,
    modSeq: facts.modSeq,
    values: criteria.map(({ key }) => keyValue(key, facts, fields, score)),
  }
}

function keyValue(key: SortKey, facts: MessageFacts, fields: SortFields, score: number): number | string {
  switch (key) {
    case 'ARRIVAL':
      return facts.internalDateMs
    case 'CC':
      return fields.cc
    case 'DATE':
      return fields.sentMs ?? facts.internalDateMs
    case 'FROM':
      return fields.from
    case 'SIZE':
      return facts.sizeBytes
    case 'SUBJECT':
      return fields.subject
    case 'TO':
      return fields.to
    case 'DISPLAYFROM':
      return fields.displayFrom
    case 'DISPLAYTO':
      return fields.displayTo
    case 'RELEVANCY':
      return -score // RFC 6203 section 5: the best first
    default:
      return key satisfies never
  }
}

export function compareRows(criteria: readonly SortCriterion[]): (a: SortRow, b: SortRow) => number {
  const signs = criteria.map(({ reverse }) => (reverse ? -1 : 1))
  return (a, b) => {
    for (let i = 0; i < signs.length; i++) {
      const order = compareValues(a.values[i], b.values[i])
      if (order !== 0) return order * (signs[i] ?? 1)
    }
    return a.uid - b.uid
  }
}

function compareValues(a: number | string | undefined, b: number | string | undefined): number {
  if (a === b) return 0
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return compareFolded(String(a), String(b))
}
