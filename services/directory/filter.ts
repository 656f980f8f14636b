/**
 * Search filters as SQL over the tables of `store.ts`. SQL's three-valued logic is that of RFC 4511 section 4.5.1.7: a term
 * about an unknown attribute, or one that the asker may not read, is NULL, so neither it nor its negation matches.
 */
import { type AttributeType, attributeType, CLASSES } from '#lib/ldap/schema.ts'
import { conforms, normalized } from './entry-rules.ts'
import { Fault } from './fault.ts'
import { FILTER_TERMS_MAX } from './limits.ts'

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'equals'; readonly attribute: string; readonly value: string }
  | { readonly kind: 'present'; readonly attribute: string }
  | {
      readonly kind: 'substrings'
      readonly attribute: string
      readonly initial: string | null
      readonly any: readonly string[]
      readonly final: string | null
    }
  /** Ordering, approximate and extensible matches: no attribute of the schema has rules for them. */
  | { readonly kind: 'undefined' }

export interface Sql {
  readonly text: string
  readonly params: readonly string[]
}

/** Which attributes a term may look at. */
export type MayRead = (type: AttributeType) => boolean

const UNDEFINED: Sql = { text: 'NULL', params: [] }

/** A condition on `e.id`. @throws {Fault} adminLimitExceeded for filters with too many terms. */
export function filterSql(filter: Filter, mayRead: MayRead): Sql {
  let terms = 0
  const compile = (part: Filter): Sql => {
    if (++terms > FILTER_TERMS_MAX) throw new Fault('adminLimitExceeded', 'the filter has too many terms')
    switch (part.kind) {
      case 'and':
      case 'or':
        return joined(part.filters.map(compile), part.kind)
      case 'not': {
        const inner = compile(part.filter)
        return { text: `NOT (${inner.text})`, params: inner.params }
      }
      case 'present': {
        const type = readable(part.attribute, mayRead)
        return type ? exists(type, '', []) : UNDEFINED
      }
      case 'equals': {
        const type = readable(part.attribute, mayRead)
        if (!type || !conforms(type, part.value)) return UNDEFINED
        const forms = type.name === 'objectClass' ? subclasses(part.value) : [normalized(type, part.value)]
        return exists(type, ` AND v.norm IN (${forms.map(() => '?').join(', ')})`, forms)
      }
      case 'substrings': {
        const type = readable(part.attribute, mayRead)
        return type ? exists(type, " AND v.norm LIKE ? ESCAPE '\\'", [likePattern(type, part)]) : UNDEFINED
      }
      case 'undefined':
        return UNDEFINED
      default:
        return part satisfies never
    }
  }
  return compile(filter)
}

/** RFC 4526: an empty AND is true, an empty OR is false. */
function joined(parts: readonly Sql[], word: 'and' | 'or'): Sql {
  if (parts.length === 0) return { text: word === 'and' ? 'TRUE' : 'FALSE', params: [] }
  return {
    text: parts.map((part) => `(${part.text})`).join(word === 'and' ? ' AND ' : ' OR '),
    params: parts.flatMap((part) => part.params),
  }
}

function readable(attribute: string, mayRead: MayRead): AttributeType | null {
  const type = attributeType(attribute)
  return type && mayRead(type) ? type : null
}

/** An entry belongs to the superiors of its classes too (RFC 4512 section 2.4). In lower case. */
function subclasses(name: string): string[] {
  const found = new Set([name.toLowerCase()])
  // CLASSES lists superiors first.
  for (const { name: child, superior } of CLASSES) {
    if (superior !== null && found.has(superior.toLowerCase())) found.add(child.toLowerCase())
  }
  return [...found]
}

function exists(type: AttributeType, condition: string, params: readonly string[]): Sql {
  return {
    text: `EXISTS (SELECT 1 FROM vals v WHERE v.entry = e.id AND v.type = ?${condition})`,
    params: [type.name.toLowerCase(), ...params],
  }
}

function likePattern(type: AttributeType, part: Extract<Filter, { kind: 'substrings' }>): string {
  const literal = (text: string) => {
    const form = type.matching === 'case-exact' ? text : text.toLowerCase()
    return form.replace(/[\\%_]/g, '\\$&')
  }
  const pieces = [part.initial ?? '', ...part.any, part.final ?? '']
  return pieces.map(literal).join('%')
}

/** How many entries an index look is likely to give: the fewest drive the search. */
const Cost = { unique: 0, equality: 1 } as const

/**
 * A subselect of entry ids that holds every match, to drive the search from an index; null when only a walk through the
 * scope can tell. It takes part in no decision: `filterSql` is checked for every candidate.
 */
export function candidatesSql(filter: Filter, mayRead: MayRead): Sql | null {
  return candidates(filter, mayRead)?.sql ?? null
}

function candidates(filter: Filter, mayRead: MayRead): { sql: Sql; cost: number } | null {
  if (filter.kind === 'equals') {
    const type = readable(filter.attribute, mayRead)
    if (!type || type.name === 'objectClass' || !conforms(type, filter.value)) return null
    const sql = {
      text: 'SELECT entry FROM vals WHERE type = ? AND norm = ?',
      params: [type.name.toLowerCase(), normalized(type, filter.value)],
    }
    return { sql, cost: type.unique ? Cost.unique : Cost.equality }
  }
  if (filter.kind === 'and') {
    const found = filter.filters.flatMap((part) => candidates(part, mayRead) ?? [])
    return found.sort((a, b) => a.cost - b.cost)[0] ?? null
  }
  if (filter.kind === 'or') {
    const found = filter.filters.map((part) => candidates(part, mayRead))
    if (found.length === 0 || found.some((part) => part === null)) return null
    const parts = found.flatMap((part) => part ?? [])
    return {
      sql: {
        text: parts.map((part) => part.sql.text).join(' UNION '),
        params: parts.flatMap((part) => part.sql.params),
      },
      cost: Math.max(...parts.map((part) => part.cost)),
    }
  }
  return null
}
