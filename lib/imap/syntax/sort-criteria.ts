/** "(" sort-criterion *(SP sort-criterion) ")" (RFC 5256 section 5, RFC 5957 section 4, RFC 6203 section 5). */
import { SORT_CRITERIA_MAX } from '../limits.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

const SORT_KEYS = [
  'ARRIVAL',
  'CC',
  'DATE',
  'FROM',
  'SIZE',
  'SUBJECT',
  'TO',
  'DISPLAYFROM',
  'DISPLAYTO',
  'RELEVANCY',
] as const
export type SortKey = (typeof SORT_KEYS)[number]

export interface SortCriterion {
  readonly key: SortKey
  readonly reverse: boolean
}

export function sortCriteria(args: Tokens): SortCriterion[] {
  const criteria = args.list(() => {
    let name = args.word()
    const reverse = name === 'REVERSE'
    if (reverse) {
      args.space()
      name = args.word()
    }
    const key = SORT_KEYS.find((known) => known === name)
    if (key === undefined) throw syntaxError(`Unknown sort key ${name}`)
    return { key, reverse }
  })
  if (criteria.length > SORT_CRITERIA_MAX) throw syntaxError(`More than ${SORT_CRITERIA_MAX} sort keys`)
  return criteria
}
