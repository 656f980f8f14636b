/**
 * The result options of SEARCH, SORT and their UID forms: ESEARCH (RFC 4731), SEARCHRES (RFC 5182), CONTEXT (RFC 5267),
 * PARTIAL (RFC 9394) and RELEVANCY (RFC 6203).
 */
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** A window of a result: 1 is the first, or, counted from the end, the last. */
export interface PartialRange {
  /** As the client wrote it, which the answer repeats. */
  readonly text: string
  /** `from <= to`, both at least 1. */
  readonly from: number
  readonly to: number
  readonly fromEnd: boolean
}

export interface SearchReturn {
  readonly min: boolean
  readonly max: boolean
  readonly all: boolean
  readonly count: boolean
  readonly save: boolean
  readonly partial: PartialRange | null
  /** Changes of the result are told from now on (RFC 5267 section 4.3). */
  readonly update: boolean
  /** How well each message matches (RFC 6203 section 4). */
  readonly relevancy: boolean
}

/** What SEARCH gives without options once IMAP4rev2 is enabled (RFC 9051 section 6.4.4). */
export const RETURN_ALL: SearchReturn = {
  min: false,
  max: false,
  all: true,
  count: false,
  save: false,
  partial: null,
  update: false,
  relevancy: false,
}

const RANGE = /^(-?)([1-9]\d{0,9}):(-?)([1-9]\d{0,9})$/

/** `RETURN (...) SP`, if that stands here. Null: the command has no options. */
export function searchReturn(args: Tokens): SearchReturn | null {
  if (!args.tryWord('RETURN')) return null
  args.space()
  const given = new Set<string>()
  let partial: PartialRange | null = null
  args.list(() => {
    const option = args.word()
    if (given.has(option)) throw syntaxError(`Option ${option} is given twice`)
    if (!OPTIONS.has(option)) throw syntaxError(`Unknown result option ${option}`)
    given.add(option)
    if (option === 'PARTIAL') partial = partialRange(args)
  }, true)
  args.space()
  // RFC 9394 section 3.1: one window or everything, not both.
  if (given.has('PARTIAL') && given.has('ALL')) throw syntaxError('PARTIAL and ALL exclude each other')
  const asked = ['MIN', 'MAX', 'ALL', 'COUNT', 'PARTIAL', 'SAVE'].some((option) => given.has(option))
  return {
    min: given.has('MIN'),
    max: given.has('MAX'),
    // RFC 4731 section 3.1: without any option, as with ALL.
    all: given.has('ALL') || !asked,
    count: given.has('COUNT'),
    save: given.has('SAVE'),
    partial,
    update: given.has('UPDATE'),
    relevancy: given.has('RELEVANCY'),
  }
}

/** CONTEXT is a hint that more of the kind will follow (RFC 5267 section 4.2): nothing has to be done for it. */
const OPTIONS: ReadonlySet<string> = new Set([
  'MIN',
  'MAX',
  'ALL',
  'COUNT',
  'SAVE',
  'PARTIAL',
  'UPDATE',
  'CONTEXT',
  'RELEVANCY',
])

export function partialRange(args: Tokens): PartialRange {
  args.space()
  const text = args.atom()
  const match = RANGE.exec(text)
  const [, sign, first, otherSign, second] = match ?? []
  // RFC 9394 section 3.1: both ends count from the start, or both from the end.
  if (match === null || sign !== otherSign) throw syntaxError('PARTIAL takes a range as 1:100 or -1:-100')
  const a = Number(first)
  const b = Number(second)
  return { text, from: Math.min(a, b), to: Math.max(a, b), fromEnd: sign === '-' }
}
