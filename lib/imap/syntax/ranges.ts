/** Ranges of numbers: sets of UIDs and sequence numbers as they are said and compared. */

export interface Range {
  readonly from: number
  readonly to: number
}

/** Ascending, without overlap or touching, `from <= to`, all inside 1..4294967295. */
export type Ranges = readonly Range[]

/** `ranges` in any order, overlapping or not, as `Ranges`. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: { from: number; to: number }[] = []
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

/** Numbers in their order: what ascends one by one becomes a range. */
export function rangesOf(numbers: Iterable<number>): Range[] {
  const ranges: { from: number; to: number }[] = []
  let last: { from: number; to: number } | null = null
  for (const n of numbers) {
    if (last !== null && n === last.to + 1) last.to = n
    else {
      last = { from: n, to: n }
      ranges.push(last)
    }
  }
  return ranges
}

/** What is in both. */
export function intersectRanges(a: Ranges, b: Ranges): Range[] {
  const both: Range[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const left = a[i] as Range
    const right = b[j] as Range
    const from = Math.max(left.from, right.from)
    const to = Math.min(left.to, right.to)
    if (from <= to) both.push({ from, to })
    if (left.to < right.to) i++
    else j++
  }
  return both
}

/** What is in `a` and not in `b`. */
export function subtractRanges(a: Ranges, b: Ranges): Range[] {
  const left: Range[] = []
  let j = 0
  for (const { from, to } of a) {
    let at = from
    for (; j < b.length && (b[j] as Range).from <= to; j++) {
      const gone = b[j] as Range
      if (gone.from > at) left.push({ from: at, to: gone.from - 1 })
      at = Math.max(at, gone.to + 1)
      if (gone.to > to) break // it may reach into the next range of `a`
    }
    if (at <= to) left.push({ from: at, to })
  }
  return left
}

/** `ranges` as sequence-sets of some `bytesMax` at most: clients have line limits too. */
export function* rangeTexts(ranges: readonly Range[], bytesMax: number): Generator<string> {
  let text = ''
  for (const { from, to } of ranges) {
    if (text.length > bytesMax) {
      yield text
      text = ''
    }
    text += `${text === '' ? '' : ','}${from === to ? from : `${from}:${to}`}`
  }
  if (text !== '') yield text
}
