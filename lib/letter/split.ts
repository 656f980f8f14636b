/** A letter cut into the fields of its header and its body, for whoever looks at them one by one. */

export interface SplitLetter {
  /** Each with its folds and its line end, latin1. */
  readonly fields: readonly string[]
  readonly body: readonly Buffer[]
}

const FIELD = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/
const FOLD = /^[ \t]/

/**
 * @param header What `headerSection` gives of `pieces`. From the first line on that is neither a field nor a fold all is body.
 * @param pieces The letter's first bytes, or all of it.
 */
export function splitLetter(header: string, pieces: readonly Buffer[]): SplitLetter {
  const fields: string[] = []
  let bytes = 0
  for (const line of header.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const last = fields.length - 1
    if (FIELD.test(line)) fields.push(line)
    else if (FOLD.test(line) && last >= 0) fields[last] += line
    else break
    bytes += line.length
  }
  return { fields, body: bodyFrom(pieces, bytes, bytes === header.length) }
}

/** @param blank Whether the blank line behind the header, if there is one, belongs to neither. */
function bodyFrom(pieces: readonly Buffer[], offset: number, blank: boolean): Buffer[] {
  const [first, ...rest] = skip(pieces, offset)
  if (first === undefined) return []
  const joined = first.length === 1 && rest[0] ? [Buffer.concat([first, rest[0]]), ...rest.slice(1)] : [first, ...rest]
  const [start] = joined
  return blank && start?.[0] === 0x0d && start[1] === 0x0a ? skip(joined, 2) : joined
}

function skip(pieces: readonly Buffer[], bytes: number): Buffer[] {
  const kept: Buffer[] = []
  let left = bytes
  for (const piece of pieces) {
    if (left >= piece.length) left -= piece.length
    else {
      kept.push(left === 0 ? piece : piece.subarray(left))
      left = 0
    }
  }
  return kept
}
