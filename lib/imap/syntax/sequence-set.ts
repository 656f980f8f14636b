/**
 * sequence-set (RFC 9051 section 9): numbers, ranges in either order, `*` for the largest number in use; or `$`, the messages that the
 * last SEARCH with SAVE found (RFC 5182).
 */
import { mergeRanges, type Range, type Ranges, rangesOf } from './ranges.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** `*` in a range; no number is 0. */
const STAR = 0
const NUMBER_MAX = 0xffff_ffff

export type { Ranges }

export class SequenceSet {
  readonly #ranges: Ranges
  /** `$`: it names no numbers of its own, only the session knows which messages these are. */
  readonly saved: boolean

  private constructor(ranges: Ranges, saved = false) {
    this.#ranges = ranges
    this.saved = saved
  }

  static parse(args: Tokens): SequenceSet {
    return SequenceSet.of(args.sequenceText())
  }

  static of(text: string): SequenceSet {
    if (text === '$') return new SequenceSet([], true)
    const ranges: Range[] = []
    for (const item of text.split(',')) {
      const colon = item.indexOf(':')
      const from = number(colon < 0 ? item : item.slice(0, colon))
      ranges.push({ from, to: colon < 0 ? from : number(item.slice(colon + 1)) })
    }
    return new SequenceSet(ranges)
  }

  /** The set with `*` read as `largest` (0 if nothing is there: then `*` names nothing, and `n:*` only itself). */
  resolve(largest: number): Ranges {
    const named = this.#ranges
      .map(({ from, to }) => {
        const a = from === STAR ? largest : from
        const b = to === STAR ? largest : to
        return a <= b ? { from: a, to: b } : { from: b, to: a }
      })
      .filter((range) => range.to > 0)
      .map(({ from, to }) => ({ from: Math.max(1, from), to }))
    return mergeRanges(named)
  }

  /** The largest number named, `*` read as `largest`. */
  highest(largest: number): number {
    let highest = 0
    for (const { from, to } of this.#ranges) {
      highest = Math.max(highest, from === STAR ? largest : from, to === STAR ? largest : to)
    }
    return highest
  }

  /** Whether `*` occurs. */
  get hasStar(): boolean {
    return this.#ranges.some(({ from, to }) => from === STAR || to === STAR)
  }
}

/** Whether `value` is in `ranges`. */
export function contains(ranges: Ranges, value: number): boolean {
  let low = 0
  let high = ranges.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle] as Range
    if (value < range.from) high = middle - 1
    else if (value > range.to) low = middle + 1
    else return true
  }
  return false
}

/** Numbers as a sequence-set, in their order: only what ascends one by one becomes a range. */
export function formatSequence(numbers: Iterable<number>): string {
  return rangesOf(numbers)
    .map(({ from, to }) => (from === to ? `${from}` : `${from}:${to}`))
    .join(',')
}

function number(text: string): number {
  if (text === '*') return STAR
  if (!/^[1-9]\d{0,9}$/.test(text) || Number(text) > NUMBER_MAX) {
    throw syntaxError(`"${text.slice(0, 24)}" is not a number of 1..4294967295`)
  }
  return Number(text)
}
